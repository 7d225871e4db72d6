"""The metrics of forecasts: functions of sums over rows, each row a window's horizon.

MASE is the absolute error over the mean distance of train's values from those of the season
before (Hyndman and Koehler, 2006), of all series together. The weighted quantile loss is twice
the pinball loss over the sum of the absolute values, averaged over the levels. Where a baseline
model gives points alone, the point is its forecast at each level.
"""

from __future__ import annotations

import numpy as np

from contracts.arrays import Array
from contracts.results.forecast import ForecastFacts
from evidence.moments import Figure, mean, ratio, root_mean
from models.tasks.forecast import point_forecast, quantile_cube, symmetric_errors


def forecast_figure(
    metric: str, labels: Array, scores: Array, facts: ForecastFacts | None
) -> Figure:
    """Gives a metric of forecasts; one that cannot be computed is NaN everywhere.

    Args:
      metric: Its name.
      labels: `[rows, horizon]`.
      scores: Levels after one another, `[rows, quantiles * horizon]`, or points alone.
      facts: The levels, and the error of the seasonal naive forecast on train.
    """
    wide = labels.astype(np.float64)
    points = point_forecast(scores, labels.shape[1]).astype(np.float64)
    errors = np.abs(points - wide).mean(axis=1)
    if metric == "mae":
        return mean(errors)
    if metric == "rmse":
        return root_mean(((points - wide) ** 2).mean(axis=1))
    if metric == "smape":
        return mean(symmetric_errors(wide, points))
    if metric == "mase":
        scale = None if facts is None else facts.seasonal_error
        return mean(errors / scale) if scale else _unknown(len(labels))
    levels = () if facts is None else facts.quantiles
    only_points = scores.shape[1] == labels.shape[1]
    if len(levels) < 2 or (only_points and metric == "coverage"):
        return _unknown(len(labels))
    cube = quantile_cube(scores, labels.shape[1]).astype(np.float64)
    if metric == "coverage":
        inside = (wide >= cube[:, 0]) & (wide <= cube[:, -1])
        return mean(inside.mean(axis=1))
    # The weighted quantile loss.
    level = np.array(levels)[None, :, None]
    error = wide[:, None, :] - cube
    pinball = np.maximum(level * error, (level - 1) * error).mean(axis=1)
    return ratio(2 * pinball.sum(axis=1), np.abs(wide).sum(axis=1))


def _unknown(rows: int) -> Figure:
    return ratio(np.zeros(rows), np.zeros(rows))
