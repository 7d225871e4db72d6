"""Forecasts step by step of the horizon, and some windows beside what came."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from contracts.arrays import Array
from contracts.results.forecast import ForecastEvidence, ForecastExample, HorizonStep
from evidence.bootstrap import Draws, bootstrap, interval
from evidence.prediction_table import CANDIDATE, MAJORITY, PredictionTable
from models.tasks import find_task
from models.tasks.forecast import point_forecast, quantile_cube

# The shares of windows with a smaller error than those that are shown.
_RANKS = (0.1, 0.5, 0.9, 1.0)
_DIGITS = 5


def forecast_evidence(
    table: PredictionTable,
    baseline_scores: Mapping[str, Array],
    confidence: float,
    draws: Draws,
    columns: Sequence[str] = (),
) -> ForecastEvidence | None:
    """Measures forecasts by step of the horizon; None for other tasks.

    Args:
      table: The rows of test with the predictions of the candidate.
      baseline_scores: Predictions of the baseline models on the same rows.
      confidence: Of the intervals.
      draws: The resamples.
      columns: The key columns that say where a window lies, beside those of text.
    """
    if find_task(table.task).form != "forecast" or table.forecast is None or not table.rows:
        return None
    labels = table.labels.astype(np.float64)
    horizon = labels.shape[1]
    cube = quantile_cube(table.scores[CANDIDATE], horizon).astype(np.float64)
    errors = np.abs(cube[:, cube.shape[1] // 2] - labels)
    baselines = {
        name: np.abs(point_forecast(scores, horizon) - labels).mean(axis=0).tolist()
        for name, scores in baseline_scores.items()
        if name != MAJORITY
    }
    return ForecastEvidence(
        quantiles=table.forecast.quantiles,
        steps=_steps(errors, _coverage(cube, labels), confidence, draws),
        baselines=baselines,
        examples=_examples(errors.mean(axis=1), cube, labels, _named(table.keys, columns)),
    )


class _StepErrors:
    """The mean of errors at each step, for any counts of the rows."""

    def __init__(self, errors: Array) -> None:
        self._errors = errors
        self.cost = len(errors)

    def at(self, counts: Array) -> Array:
        """Gives `[resamples, steps]`."""
        weights = counts.astype(np.float64)
        means: Array = (weights @ self._errors) / weights.sum(axis=1, keepdims=True)
        return means


def _coverage(cube: Array, labels: Array) -> Array | None:
    if cube.shape[1] == 1:
        return None
    inside: Array = ((labels >= cube[:, 0]) & (labels <= cube[:, -1])).mean(axis=0)
    return inside


def _steps(
    errors: Array, coverage: Array | None, confidence: float, draws: Draws
) -> list[HorizonStep]:
    drawn = bootstrap({"steps": _StepErrors(errors)}, draws)["steps"]
    means = errors.mean(axis=0)
    ends = [interval(mean, drawn[:, step], confidence) for step, mean in enumerate(means)]
    return [
        HorizonStep(
            step=step + 1,
            mae=float(means[step]),
            low=end.low,
            high=end.high,
            coverage=None if coverage is None else float(coverage[step]),
        )
        for step, end in enumerate(ends)
    ]


def _named(keys: pa.Table, columns: Sequence[str]) -> pa.Table:
    """The columns that say where a row lies: texts, such as its time, and those of `columns`."""
    texts = [name for name in keys.column_names if pa.types.is_string(keys[name].type)]
    kept = [
        name
        for name in dict.fromkeys([*texts, *columns])
        if name in keys.column_names and not pa.types.is_nested(keys[name].type)
    ]
    return keys.select(kept)


def _examples(errors: Array, cube: Array, labels: Array, keys: pa.Table) -> list[ForecastExample]:
    order = np.argsort(errors, kind="stable")
    places = {round(rank * (len(order) - 1)): rank for rank in _RANKS}
    return [
        ForecastExample(
            row=int(row),
            rank=rank,
            mae=float(errors[row]),
            keys={name: keys[name][int(row)].as_py() for name in keys.column_names},
            actual=np.round(labels[row], _DIGITS).tolist(),
            levels=np.round(cube[row], _DIGITS).tolist(),
        )
        for place, rank in places.items()
        for row in [order[place]]
    ]
