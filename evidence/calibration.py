"""Whether predicted probabilities are what they say."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from contracts.arrays import Array
from contracts.results.evidence import Calibration, CalibrationBin, Interval
from evidence.bootstrap import Draws, bootstrap, bounds, number
from evidence.groups import Groups, groups_by_code
from evidence.measures import Outcome
from evidence.moments import Figure, Moments
from models.tasks import find_task


def calibration(outcome: Outcome, bins: int, confidence: float, draws: Draws) -> Calibration | None:
    """Gives the reliability bins and the expected calibration error.

    Bins are equally wide; one without rows is left out. Many classes are judged by the
    most probable one (Guo et al., 2017). The intervals of the bins are Wilson's.

    The error is the mean over the rows of |predicted - observed| of their bins (Naeini et
    al., 2015). It is biased upwards: chance alone parts the two in every bin. The resamples
    add that bias once more, so the interval is the basic one (Davison and Hinkley, 1997),
    which mirrors their quantiles at the value and takes the second bias out again.

    Returns:
      None for a regression, or without rows.
    """
    if not find_task(outcome.task).has_classes or not len(outcome.labels):
        return None
    predicted, observed = _chances(outcome)
    codes = np.clip((predicted * bins).astype(np.intp), 0, bins - 1)
    groups, places = groups_by_code(codes)
    columns = np.stack([predicted - observed, np.ones(len(predicted))], axis=1)
    error = Moments(Figure(columns, _error_of, _no_slope), groups)
    rows = len(predicted)
    value = float(error.at(np.ones((1, rows), np.uint8))[0])
    low, high = bounds(bootstrap({"error": error}, draws)["error"], confidence)
    mirrored = Interval(
        value=number(value), low=number(max(0.0, 2 * value - high)), high=number(2 * value - low)
    )
    entries = _bins(predicted, observed, groups, places / bins, 1 / bins, confidence)
    return Calibration(bins=entries, error=mirrored)


def wilson(hits: Array, rows: Array, confidence: float) -> tuple[Array, Array]:
    """Gives Wilson's score interval (1927) of shares."""
    z = float(ndtri((1 + confidence) / 2))
    share, spread = hits / rows, z * z / rows
    middle = (share + spread / 2) / (1 + spread)
    half = np.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return np.maximum(middle - half, 0), np.minimum(middle + half, 1)


def _error_of(sums: Array) -> Array:
    """The expected calibration error, of the sums of all bins."""
    error: Array = np.abs(sums[..., 0]).sum(axis=-1) / sums[..., 1].sum(axis=-1)
    return error


def _no_slope(sums: Array) -> Array:
    """The error has a kink at zero."""
    return np.full(sums.shape, np.nan)


def _chances(outcome: Outcome) -> tuple[Array, Array]:
    if find_task(outcome.task).form == "multiclass":
        called = outcome.decisions
        probability = np.take_along_axis(outcome.scores, called[:, None], axis=1)[:, 0]
        return probability.astype(np.float64), (called == outcome.labels).astype(np.float64)
    return outcome.scores.astype(np.float64), outcome.labels.astype(np.float64)


def _bins(
    predicted: Array, observed: Array, groups: Groups, lows: Array, width: float, confidence: float
) -> list[CalibrationBin]:
    rows = groups.sizes
    hits = groups.sums(observed[groups.rows])
    means = groups.sums(predicted[groups.rows]) / rows
    low, high = wilson(hits, rows, confidence)
    return [
        CalibrationBin(
            low=float(lows[place]),
            high=float(lows[place] + width),
            rows=int(rows[place]),
            predicted=float(means[place]),
            observed=float(hits[place] / rows[place]),
            observed_low=float(low[place]),
            observed_high=float(high[place]),
        )
        for place in range(len(groups))
    ]
