"""Forecasts that cost next to nothing: naive ones, a ridge on lags, trees on lags.

Ridge and trees see what the network sees, the windows of columns that are known ahead among it.
None gives quantiles.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from components.baseline_models.estimators import (
    ESTIMATORS,
    Estimator,
    Fitted,
    Outcome,
    Problem,
    Rows,
    Splits,
    first_rounds,
    fit_majority,
    make_outcome,
)
from contracts.arrays import Array
from models.data.design import Columns
from models.data.seasonal import seasonal_naive
from models.encoders.windows.encoding import WindowEncoding
from models.networks import InputSpec

# The penalty on the weights of standardised lags, in shares of the rows.
_PENALTIES = (1e-4, 1e-3, 1e-2, 1e-1)
_LONGER_SEASON = 7
_TREE_ROWS = 60_000  # pairs of a window and a step
_ROUNDS, _ROUNDS_AT_ONCE, _PATIENCE = 200, 50, 25
_LEARNING_RATE = 0.1
_FEW_LAGS = 6


def estimators_of(problem: Problem) -> Mapping[str, Estimator]:
    """The baseline models of a task, by name."""
    return forecast_estimators(problem) if problem.kind.form == "forecast" else ESTIMATORS


def forecast_estimators(problem: Problem) -> dict[str, Estimator]:
    """The baseline models of a forecast, by name; the naive ones where there is a history.

    With a season there is the same step of the season before, and of the seventh before where
    the window holds it: yesterday and last week, for days.
    """
    estimators: dict[str, Estimator] = {"majority": fit_majority}
    history = problem.history
    if history is not None:
        estimators["last_value"] = partial(_fit_naive, season=1)
        steps = history.row_shape[0]
        for season in (problem.season, _LONGER_SEASON * problem.season):
            if 1 < season <= steps:
                estimators[f"seasonal_naive_{season}"] = partial(_fit_naive, season=season)
    return {**estimators, "linear": fit_ridge, "trees": fit_step_trees}


def _fit_naive(problem: Problem, splits: Splits, season: int) -> Outcome:
    """The last value of the same step of the season; of a season of 1, the last value."""
    history, horizon = problem.history, splits["val"].labels.shape[1]
    assert history is not None

    def predict(columns: Columns) -> Array:
        return seasonal_naive(history, columns, season, horizon).astype(np.float32)

    fitted = Fitted(predict, np.zeros(0))
    return make_outcome(splits, fitted, {"season": season}, lambda _: fitted)


@dataclass(frozen=True)
class _Ridge:
    """A linear model of standardised numbers, for all steps at once."""

    mean: Array
    deviation: Array
    weights: Array
    labels: Array

    def __call__(self, matrix: Array) -> Array:
        return ((matrix - self.mean) / self.deviation) @ self.weights + self.labels


def fit_ridge(problem: Problem, splits: Splits) -> Outcome:
    """Ridge regression of all steps on lags and on what is known; val chooses the penalty."""
    ports = [port for port in problem.ports if port.encoding.design == "numbers"]
    if not ports:
        return fit_majority(problem, splits)
    train, val = _numbers(ports, splits["train"].columns), _numbers(ports, splits["val"].columns)
    labels, tried = splits["train"].labels, []
    for share, model in zip(_PENALTIES, _ridges(train, labels, _PENALTIES), strict=True):
        loss = problem.kind.baseline_loss(model(val), splits["val"].labels)
        tried.append((loss, share, model))
    _, chosen, best = min(tried, key=lambda attempt: attempt[0])

    def fitted(model: _Ridge) -> Fitted:
        def predict(columns: Columns) -> Array:
            return problem.kind.baseline_scores(model(_numbers(ports, columns)))

        return Fitted(predict, model)

    def refit(rows: Rows) -> Fitted:
        (model,) = _ridges(_numbers(ports, rows.columns), rows.labels, [chosen])
        return fitted(model)

    settings = {"kind": "ridge regression on lags", "columns": train.shape[1]}
    settings |= {"alpha": chosen * len(labels)}
    return make_outcome(splits, fitted(best), settings, refit)


def _ridges(numbers: Array, labels: Array, shares: Sequence[float]) -> list[_Ridge]:
    """One model a penalty; one eigendecomposition serves them all."""
    mean, deviation = numbers.mean(axis=0), numbers.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    scaled, centre = (numbers - mean) / deviation, labels.mean(axis=0, dtype=np.float64)
    values, vectors = np.linalg.eigh(scaled.T @ scaled)
    rotated = vectors.T @ (scaled.T @ (labels - centre))
    models = []
    for share in shares:
        shrunk = rotated / (np.maximum(values, 0) + share * len(labels))[:, None]
        models.append(_Ridge(mean, deviation, vectors @ shrunk, centre))
    return models


def _numbers(ports: Sequence[InputSpec], columns: Columns) -> Array:
    rows = len(columns[ports[0].name])
    parts = [columns[port.name].reshape(rows, -1) for port in ports]
    return np.concatenate(parts, axis=1, dtype=np.float64)


def fit_step_trees(problem: Problem, splits: Splits) -> Outcome:
    """Boosted trees, one model for all steps: the step is a column, and lags are seen from it.

    They learn what the season before leaves of the label. A sample of pairs of a window and a
    step is learned from; val chooses the number of trees.
    """
    from sklearn.base import clone
    from sklearn.ensemble import HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    generator = np.random.default_rng(problem.seed)
    train = _pairs(problem, splits["train"], generator)
    val = _pairs(problem, splits["val"], generator)
    model = HistGradientBoostingRegressor(
        loss="absolute_error",
        learning_rate=_LEARNING_RATE,
        max_iter=_ROUNDS_AT_ONCE,
        early_stopping=False,
        warm_start=True,
        random_state=problem.seed,
    )
    best = 0
    with threadpool_limits(1):
        while model.max_iter <= _ROUNDS and best + _PATIENCE >= model.max_iter - _ROUNDS_AT_ONCE:
            model.fit(train.matrix, train.residuals)
            losses = [
                float(np.abs(stage - val.residuals).mean())
                for stage in model.staged_predict(val.matrix)
            ]
            best = int(np.argmin(losses))
            model.max_iter += _ROUNDS_AT_ONCE

    def refit(rows: Rows) -> Fitted:
        pairs = _pairs(problem, rows, np.random.default_rng(problem.seed))
        again = clone(model).set_params(max_iter=best + 1, warm_start=False)
        with threadpool_limits(1):
            again.fit(pairs.matrix, pairs.residuals)
        return _fitted_step_trees(problem, again)

    settings = {
        "kind": "gradient-boosted trees on lags, one model for all steps",
        "iterations": best + 1,
        "chosen_on": "val",
        "learning_rate": _LEARNING_RATE,
        "pairs": len(train.residuals),
    }
    fitted = _fitted_step_trees(problem, first_rounds(model, best + 1))
    return make_outcome(splits, fitted, settings, refit)


def _fitted_step_trees(problem: Problem, model: Any) -> Fitted:
    from threadpoolctl import threadpool_limits

    def predict(columns: Columns) -> Array:
        rows = len(next(iter(columns.values())))
        forecast = _starts(problem, columns, rows).astype(np.float64)
        with threadpool_limits(1):
            for step in range(problem.horizon):
                forecast[:, step] += model.predict(_step_matrix(problem, columns, step))
        return problem.kind.baseline_scores(forecast)

    return Fitted(predict, model)


@dataclass(frozen=True)
class _Pairs:
    """Windows, each with one of its steps: what is seen, and what the start leaves of the label."""

    matrix: Array
    residuals: Array


def _pairs(problem: Problem, rows: Rows, generator: np.random.Generator) -> _Pairs:
    """As many windows for every step; all steps of all windows are more than trees need."""
    windows, horizon = len(rows.labels), problem.horizon
    each = min(windows, max(1, _TREE_ROWS // horizon))
    starts = _starts(problem, rows.columns, windows)
    matrices, residuals = [], []
    for step in range(horizon):
        places = np.sort(generator.choice(windows, each, replace=False))
        columns = {name: values[places] for name, values in rows.columns.items()}
        matrices.append(_step_matrix(problem, columns, step))
        residuals.append(rows.labels[places, step] - starts[places, step])
    return _Pairs(np.concatenate(matrices), np.concatenate(residuals))


def _starts(problem: Problem, columns: Columns, rows: int) -> Array:
    """What the trees correct: the season before, or the last value; 0 without a history."""
    if problem.history is None:
        return np.zeros([rows, problem.horizon], np.float32)
    return seasonal_naive(problem.history, columns, max(problem.season, 1), problem.horizon)


def _step_matrix(problem: Problem, columns: Columns, step: int) -> Array:
    """What is seen of windows at one step of the horizon.

    Of a window as long as the horizon that is not the label's own past, its value at that step:
    it is known ahead. Of another one its last values, its mean, and its value one season and
    seven before that step. Numbers and ids as they are.
    """
    rows = len(next(iter(columns.values())))
    parts = [np.full([rows, 1], step, np.float32)]
    for port in problem.ports:
        values = columns[port.name]
        if isinstance(port.own, WindowEncoding):
            is_past = problem.history is not None and port.name == problem.history.name
            parts += _seen(values, step, problem, is_past=is_past)
        else:
            parts.append(values.astype(np.float32))
    return np.concatenate(parts, axis=1)


def _seen(window: Array, step: int, problem: Problem, *, is_past: bool) -> list[Array]:
    steps = window.shape[1]
    if steps == problem.horizon and not is_past:
        return [window[:, step, :]]
    parts = [window[:, -_FEW_LAGS:, :].reshape(len(window), -1), window.mean(axis=1)]
    seasons = (problem.season, _LONGER_SEASON * problem.season)
    parts += [
        window[:, steps - season + step % season, :] for season in seasons if 0 < season <= steps
    ]
    return parts
