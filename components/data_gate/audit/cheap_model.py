"""Cheap models of the label on raw columns: what the rest of the data says of each row."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from threadpoolctl import threadpool_limits

from components.data_gate.audit.columns import (
    Codes,
    Floats,
    Ints,
    codes_of,
    is_text,
    known_means,
    lists_of,
    numbers_of,
)
from components.data_gate.audit.label_noise import Terms
from contracts.arrays import Array
from models.features.spec import FeaturesSpec

_TREES = {"max_iter": 60, "max_leaf_nodes": 15, "learning_rate": 0.1, "early_stopping": False}
_THREADS = 2
_LINEAR_STEPS = 300
_VALUES = 254
_KNOTS = (0.05, 0.25, 0.5, 0.75, 0.95)
_SHOWN_VALUES = 40
_ROWS_PER_VALUE = 200
_PARTS = 6
_LAST_STEPS = 2


@dataclass(frozen=True)
class Columns:
    """The features as numbers.

    Attributes:
      values: `[rows, features]`; missing is NaN, a category is its rank by frequency.
      categorical: By feature, whether it is a category.
    """

    values: Floats
    categorical: tuple[bool, ...]

    def joined(self, scores: Sequence[Floats]) -> Columns:
        """Gives these with further numbers, `[rows]` or `[rows, n]` each."""
        added = [np.reshape(part, (len(part), -1)) for part in scores]
        values = np.concatenate([self.values, *added], axis=1)
        new = values.shape[1] - self.values.shape[1]
        return Columns(values, self.categorical + (False,) * new)


def columns_of(table: pa.Table, names: list[str], problem: FeaturesSpec) -> Columns:
    """Encodes the features: numbers as they are, categories by rank, rare ones together."""
    kinds = problem.raw_columns()
    are_text = [is_text(table[name]) for name in names]
    categorical = tuple(
        text or kinds[name].is_category(text) for name, text in zip(names, are_text, strict=True)
    )
    columns = [
        _ranks(codes_of(table[name])) if category else _numbers(table[name])
        for name, category in zip(names, categorical, strict=True)
    ]
    widths = [1 if column.ndim == 1 else column.shape[1] for column in columns]
    return Columns(np.column_stack(columns), tuple(np.repeat(categorical, widths).tolist()))


def _numbers(column: pa.ChunkedArray) -> Floats:
    """A column of numbers; of windows, the means of parts and the last steps."""
    if not pa.types.is_fixed_size_list(column.type):
        return numbers_of(column)
    steps = lists_of(column)
    parts = np.array_split(np.arange(steps.shape[1]), min(_PARTS, steps.shape[1]))
    means = [known_means(steps[:, part]) for part in parts]
    return np.column_stack([*means, steps[:, -_LAST_STEPS:]])


def out_of_fold(columns: Columns, target: Array, folds: Ints, classes: int) -> Floats:
    """What trees that did not see a row say of it.

    Returns:
      `[rows, classes]` probabilities; `[rows]` values where there are no classes.
    """
    settings = {
        **_TREES,
        "categorical_features": list(columns.categorical),
        "min_samples_leaf": int(np.clip(len(target) // 100, 20, 200)),
        "random_state": 0,
    }
    predicted = np.zeros((len(target), classes) if classes else len(target))

    def predict(fold: int) -> None:
        held = folds == fold
        seen, labels, rest = columns.values[~held], target[~held], columns.values[held]
        # Folds share the cores better than the trees of one fold do.
        with threadpool_limits(1, user_api="openmp"):
            if classes:
                trees = HistGradientBoostingClassifier(**settings).fit(seen, labels)
                predicted[np.ix_(held, trees.classes_)] = trees.predict_proba(rest)
            else:
                regressor = HistGradientBoostingRegressor(loss="absolute_error", **settings)
                predicted[held] = regressor.fit(seen, labels).predict(rest)

    with ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(predict, np.unique(folds)))
    return predicted


def linear_out_of_fold(
    rows: Any, target: Array, folds: Ints, classes: int, strength: float
) -> Floats:
    """What linear models that did not see a row say of it; see `out_of_fold`.

    Args:
      rows: `[rows, n]`, dense or sparse.
      target: Class ids or numbers.
      folds: By row, its fold.
      classes: How many there are; 0 for numbers.
      strength: The inverse of the penalty.
    """
    predicted = np.zeros((len(target), classes) if classes else len(target))

    def predict(fold: int) -> None:
        held = np.flatnonzero(folds == fold)
        seen = np.flatnonzero(folds != fold)
        if classes:
            model = LogisticRegression(C=strength, max_iter=_LINEAR_STEPS)
            model.fit(rows[seen], target[seen])
            predicted[np.ix_(held, model.classes_)] = model.predict_proba(rows[held])
        else:
            ridge = Ridge(alpha=1 / strength).fit(rows[seen], target[seen])
            predicted[held] = ridge.predict(rows[held])

    with threadpool_limits(1), ThreadPoolExecutor(_THREADS) as pool:
        list(pool.map(predict, np.unique(folds)))
    return predicted


def additive_terms(columns: Columns) -> Terms:
    """Each feature's own terms: a bent line of a number, an indicator of a common value."""
    terms = [
        term
        for place, categorical in enumerate(columns.categorical)
        for term in (_indicators if categorical else _bent)(columns.values[:, place])
    ]
    if not terms:
        return np.zeros((len(columns.values), 0), np.float32)
    return standardised(np.stack(terms, axis=1))


def standardised(terms: Array) -> Terms:
    """Mean 0 and deviation 1, by column."""
    spread = terms.std(axis=0)
    scaled: Terms = ((terms - terms.mean(axis=0)) / np.where(spread > 0, spread, 1)).astype(
        np.float32
    )
    return scaled


def _ranks(column: Codes) -> Floats:
    counts = column.counts()
    rank = np.empty(len(counts))
    rank[np.argsort(-counts, kind="stable")] = np.minimum(np.arange(len(counts)), _VALUES)
    return rank[column.codes]


def _bent(numbers: Floats) -> list[Floats]:
    known = np.isfinite(numbers)
    if not known.any():
        return []
    ends = np.quantile(numbers[known], (0.001, 0.999))
    filled = np.clip(np.where(known, numbers, np.median(numbers[known])), *ends)
    knots = np.unique(np.quantile(filled[known], _KNOTS))[:-1]
    missing = [] if known.all() else [(~known).astype(np.float64)]
    return [*missing, filled, *(np.maximum(filled - knot, 0) for knot in knots)]


def _indicators(ranks: Floats) -> list[Floats]:
    counts = np.bincount(ranks.astype(np.int64))
    common = np.flatnonzero(counts[:_SHOWN_VALUES] >= _ROWS_PER_VALUE)
    return [(ranks == rank).astype(np.float64) for rank in common]
