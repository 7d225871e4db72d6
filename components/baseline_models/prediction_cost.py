"""What a prediction of a baseline model costs: time alone and in bulk, and bytes."""

from __future__ import annotations

import pickle
import time
from collections.abc import Callable
from statistics import median

from components.baseline_models.estimators import Fitted
from contracts.arrays import Array
from contracts.results.baselines import PredictionCost
from models.data.design import Columns

_SINGLE_ROWS = 50
_BULK_ROWS = 10_000
_BULK_REPEATS = 3
_BUDGET_S = 1.0


def prediction_cost(fitted: Fitted, columns: Columns) -> PredictionCost | None:
    """Times a fitted model on rows that are there, with one thread; None without rows.

    Args:
      fitted: The model.
      columns: Transformed features to predict from: the first rows are used.
    """
    from threadpoolctl import threadpool_limits

    rows = min((len(values) for values in columns.values()), default=0)
    if not rows:
        return None
    singles = [_rows(columns, place, place + 1) for place in range(min(rows, _SINGLE_ROWS))]
    bulk = _rows(columns, 0, _BULK_ROWS)
    with threadpool_limits(1):
        fitted.predict(singles[0])  # whatever is done once
        single_s = _median_seconds(fitted.predict, singles)
        bulk_s = _median_seconds(fitted.predict, [bulk] * _BULK_REPEATS)
    return PredictionCost(
        row_us=1e6 * single_s,
        bulk_row_us=1e6 * bulk_s / min(rows, _BULK_ROWS),
        bytes=len(pickle.dumps(fitted.learned, protocol=pickle.HIGHEST_PROTOCOL)),
    )


def _rows(columns: Columns, start: int, end: int) -> Columns:
    return {name: values[start:end] for name, values in columns.items()}


def _median_seconds(predict: Callable[[Columns], Array], batches: list[Columns]) -> float:
    """The median over the batches, of as many as the budget allows; one at least."""
    seconds: list[float] = []
    for batch in batches:
        started = time.perf_counter()
        predict(batch)
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > _BUDGET_S:
            break
    return median(seconds)
