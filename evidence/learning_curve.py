"""A power law through a learning curve, with a band from resamples.

The metric after `n` rows is taken for `a - b n^-c` with `b` not negative, the form that
learning curves of most models have (Hestness et al., 2017, "Deep learning scaling is
predictable, empirically"). For each exponent of a grid `a` and `b` follow by weighted least
squares; the exponent with the least squares is taken. Every resample gets a law of its own,
and the band holds what these laws say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.arrays import Array
from contracts.results.advice import CurvePoint, LearningCurve
from evidence.bootstrap import interval

FEWEST_POINTS = 3
_EXPONENTS = np.linspace(0.15, 1.2, 22)
_LAW_POINTS = 24
_FARTHEST = 2.0
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class MeasuredCurve:
    """What was measured at each number of rows.

    Attributes:
      model: The baseline model's name.
      metric: The main metric.
      higher_is_better: Whether higher is better.
      test_rows: How many rows it was measured on.
      rows: By point, the rows of train.
      values: By point, the metric.
      resampled: `[resamples, points]`: the metric on each resample.
    """

    model: str
    metric: str
    higher_is_better: bool
    test_rows: int
    rows: Sequence[int]
    values: Array
    resampled: Array


def extrapolate(
    curve: MeasuredCurve, train_rows: int, confidence: float, seconds: float
) -> LearningCurve | None:
    """Fits the law and says what to expect of twice the rows; None with too few points.

    Args:
      curve: What was measured.
      train_rows: How many rows train has.
      confidence: Of intervals and band.
      seconds: What measuring took.
    """
    known = np.isfinite(curve.resampled).all(axis=1)
    if len(curve.rows) < FEWEST_POINTS or not known.any() or not np.isfinite(curve.values).all():
        return None
    sign = 1 if curve.higher_is_better else -1
    best = 1.0 if curve.higher_is_better else 0.0
    rows, resampled = np.asarray(curve.rows, np.float64), curve.resampled[known]
    weights = 1 / np.maximum(resampled.std(axis=0), _LEAST_SPREAD) ** 2
    asked = np.geomspace(rows[0], _FARTHEST * train_rows, _LAW_POINTS)
    grid = np.append(asked, [float(train_rows), _FARTHEST * train_rows])

    def says(values: Array) -> Array:
        fitted = power_law(rows, sign * values, weights, grid)
        return np.asarray(sign * np.minimum(fitted, sign * best))

    expected, drawn = says(curve.values[None])[0], says(resampled)
    law = [
        CurvePoint(rows=round(count), metric=interval(value, sample, confidence))
        for count, value, sample in zip(asked, expected, drawn.T, strict=False)
    ]
    points = [
        CurvePoint(rows=count, metric=interval(value, sample, confidence))
        for count, value, sample in zip(curve.rows, curve.values, resampled.T, strict=True)
    ]
    gains = sign * (drawn[:, -1] - drawn[:, -2])
    return LearningCurve(
        model=curve.model,
        metric=curve.metric,
        higher_is_better=curve.higher_is_better,
        test_rows=curve.test_rows,
        train_rows=train_rows,
        points=points,
        law=law,
        doubled=interval(expected[-1], drawn[:, -1], confidence),
        gain=interval(sign * (expected[-1] - expected[-2]), gains, confidence),
        seconds=seconds,
    )


def power_law(rows: Array, values: Array, weights: Array, asked: Array) -> Array:
    """Fits `a - b n^-c` to each line of values and evaluates it elsewhere.

    Args:
      rows: `[points]`.
      values: `[lines, points]`, higher is better.
      weights: `[points]`, of the squares.
      asked: `[places]`, the rows to evaluate at.

    Returns:
      `[lines, places]`.
    """
    share = weights / weights.sum()
    mean = values @ share
    least = (((values - mean[:, None]) ** 2) @ share)[:, None]
    answers: Array = np.broadcast_to(mean[:, None], (len(values), len(asked)))
    for exponent in _EXPONENTS:
        # Scaled, so that all exponents see numbers of the same size.
        term = (rows / rows[-1]) ** -exponent
        centre = float(term @ share)
        spread = float(((term - centre) ** 2) @ share)
        slope = np.minimum(((values - mean[:, None]) @ (share * (term - centre))) / spread, 0.0)
        fitted = mean[:, None] + slope[:, None] * (term - centre)[None]
        squares = (((values - fitted) ** 2) @ share)[:, None]
        there = mean[:, None] + slope[:, None] * ((asked / rows[-1]) ** -exponent - centre)[None]
        better = squares < least
        answers = np.where(better, there, answers)
        least = np.minimum(squares, least)
    return answers
