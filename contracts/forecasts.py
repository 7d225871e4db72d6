"""Forecasts as networks give them and as clients see them.

A network gives `[rows, quantiles * horizon]`, all steps of the lowest quantile first. A client
sees `predictions` `[rows, horizon]`, the middle quantile, and all `quantiles`
`[rows, horizon, quantiles]`.
"""

from __future__ import annotations

import numpy as np

from contracts.arrays import Array

_DIMENSIONS = 3


def flat_quantiles(answers: Array) -> Array:
    """A client's quantiles as a network gives them; other answers as they are."""
    if answers.ndim < _DIMENSIONS:
        return answers
    return np.swapaxes(answers, 1, 2).reshape(len(answers), -1)


def forecast_answers(scores: Array, horizon: int) -> dict[str, Array]:
    """What a network gives as a client sees it, by output."""
    cube = scores.reshape(len(scores), -1, horizon)
    return {
        "predictions": cube[:, cube.shape[1] // 2],
        "quantiles": np.ascontiguousarray(np.swapaxes(cube, 1, 2)),
    }
