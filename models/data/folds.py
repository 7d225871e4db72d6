"""Which fold a row of train belongs to, by the rule that split the data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from contracts.arrays import Array
from contracts.errors import ConfigError
from models.data.fold_rule import FoldRule
from models.data.row_keys import hash_rows, time_keys

_CROSS_VALIDATION = "evaluation.cross_validation"


def deal_folds(
    rule: FoldRule,
    labels: Array,
    keys: Callable[[Sequence[str]], pa.Table],
    folds: int,
    seed: int,
    where: str = _CROSS_VALIDATION,
) -> Array:
    """Gives the fold of each row, counted from 0.

    Args:
      rule: What stays together.
      labels: A class id a row, to give every fold its share of each; zeros for numbers.
      keys: Reads raw columns of the same rows.
      folds: How many folds.
      seed: Of the order of rows or keys.
      where: The config key that asks for the folds.

    Raises:
      ConfigError: there are too few rows, keys or moments for the folds.
    """
    if rule.by == "key":
        return key_folds(keys(rule.columns), folds, seed, where)
    if rule.by == "time":
        return time_folds(keys(rule.columns)[0], folds, where)
    return row_folds(labels, folds, seed, where)


def row_folds(labels: Array, folds: int, seed: int, where: str = _CROSS_VALIDATION) -> Array:
    """Deals rows out in the order of their labels, and at random within one.

    Every fold gets its share of each class; for regression pass zeros.
    """
    order = np.lexsort((np.random.default_rng(seed).permutation(len(labels)), labels))
    dealt = np.empty(len(labels), np.int64)
    dealt[order] = np.arange(len(labels)) % folds
    return _whole(dealt, folds, "rows", where)


def key_folds(keys: pa.Table, folds: int, seed: int, where: str = _CROSS_VALIDATION) -> Array:
    """Keeps rows of one key together; folds are about equally large.

    Args:
      keys: The key's columns.
      folds: How many folds.
      seed: Of the order of the keys.
      where: The config key that asks for the folds.
    """
    hashes = hash_rows({name: _canonical(keys[name]) for name in keys.column_names})
    _, groups, sizes = np.unique(hashes, return_inverse=True, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(sizes))
    ends = np.cumsum(sizes[order])
    of_group = np.empty(len(sizes), np.int64)
    # A key goes where the middle of its rows falls, once the keys lie in a row.
    of_group[order] = ((ends - sizes[order] / 2) * folds / len(groups)).astype(np.int64)
    return _whole(of_group[groups], folds, "keys", where)


def time_folds(moments: pa.ChunkedArray, folds: int, where: str = _CROSS_VALIDATION) -> Array:
    """Cuts time into stretches: rows of one moment, and their neighbours, stay together."""
    keys = time_keys(_canonical(moments))
    cuts = np.sort(keys)[[len(keys) * fold // folds for fold in range(1, folds)]]
    stretches: Array = np.searchsorted(cuts, keys, side="right")
    return _whole(stretches, folds, "moments", where)


@dataclass(frozen=True)
class Round:
    """The rows of one round of cross-validation.

    Attributes:
      train: The places of the rows that are learned from.
      held: Those that are held out.
    """

    train: Array
    held: Array


def rounds_of(folds: Array) -> list[Round]:
    """Each fold is held out once, and all others are learned from."""
    return [
        Round(np.flatnonzero(folds != fold), np.flatnonzero(folds == fold))
        for fold in range(int(folds.max()) + 1)
    ]


def rolling_rounds(moments: pa.ChunkedArray, folds: int, gap: int) -> list[Round]:
    """Rolling origin: each stretch of time is held out, and only what is older is learned from.

    The first of one stretch more than there are folds is always learned from.

    Args:
      moments: The column of time.
      folds: How many rounds.
      gap: How many moments before the held-out stretch are left out of both: windows that
        start there predict what is held out.

    Raises:
      ConfigError: there are too few moments.
    """
    stretches = time_folds(moments, folds + 1)
    _, ranks = np.unique(time_keys(_canonical(moments)), return_inverse=True)
    rounds = []
    for fold in range(1, folds + 1):
        held = np.flatnonzero(stretches == fold)
        older = int(ranks[held].min())
        train = np.flatnonzero(ranks < older - gap)
        if not len(train):
            raise ConfigError(
                f"no row of train is older than fold {fold} by more than the gap",
                where=_CROSS_VALIDATION,
                expected="rows to learn from before each fold",
                received=f"{older} moments before it, and a gap of {gap}",
                fix="set it to less, leave it out, or bring more data",
            )
        rounds.append(Round(train, held))
    return rounds


def _canonical(column: pa.ChunkedArray) -> pa.Array:
    """As the split reads values: text as bytes."""
    values = column.combine_chunks()
    return values.cast(pa.binary()) if pa.types.is_string(values.type) else values


def _whole(places: Array, folds: int, what: str, where: str) -> Array:
    filled = len(np.unique(places))
    if filled == folds:
        return places
    raise ConfigError(
        f"train has too few {what} for {folds} folds",
        where=where,
        expected=f"{what} for every fold",
        received=f"{what} for {filled}",
        fix=f"set it to {filled}" if filled > 1 else "leave it out",
    )
