"""Which split a row belongs to: a function of the row's own values alone.

Rows are hashed column by column, so neither the order of rows, files or columns, nor the
cut into batches, nor the number of workers has a say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from components.example_gen.config import SPLITS, IngestSpec, SharesSpec, SplitSpec
from components.example_gen.histogram import Hashes, Histogram, Ints
from contracts.errors import DataError
from models.data.row_keys import hash_rows, time_keys

Columns = Mapping[str, pa.Array]


@dataclass(frozen=True)
class SplitPlan:
    """All that decides the split of a row.

    Attributes:
      by: As in `SplitSpec`.
      columns: The columns that are hashed, or the one column of time.
      marks: The column that names each row's split, for `column`; else empty.
      label: The column whose classes keep their proportions, for `stratified`.
      shares: The shares of train, val and test.
      cuts: Per group: shift, first bin of val, first bin of test.
      seed: Of the hashes.
    """

    by: str
    columns: tuple[str, ...]
    label: str
    shares: tuple[float, float, float]
    cuts: Mapping[int, tuple[int, int, int]]
    marks: str = ""
    seed: int = 0

    @property
    def needs_histogram(self) -> bool:
        """Whether rows must be counted before they can be split."""
        return self.by in ("stratified", "time")

    def with_histogram(self, histogram: Histogram) -> SplitPlan:
        """Gives the plan with its cut points."""
        cuts = {
            group: (counts.shift, *counts.cuts(self.shares, fill=self.by == "time"))
            for group, counts in histogram.items()
        }
        return replace(self, cuts=cuts)


def plan_split(spec: IngestSpec) -> SplitPlan:
    """Gives the plan of `spec`, still without cut points."""
    shares, seed = share_tuple(spec.split.shares), spec.split.seed
    content = tuple(name for name in spec.columns if name not in spec.kept)
    if spec.split.by == "column":
        (marks,) = spec.split.columns
        return SplitPlan("column", content, spec.label, shares, {}, marks, seed)
    columns = spec.split.columns or content
    return SplitPlan(spec.split.by, columns, spec.label, shares, {}, seed=seed)


def share_tuple(shares: SharesSpec) -> tuple[float, float, float]:
    """Gives the shares in the order of `SPLITS`."""
    return (shares.train, shares.val, shares.test)


def splits_wanted(split: SplitSpec) -> list[str]:
    """Gives the splits that must have rows, in the order of `SPLITS`."""
    if split.by == "column":
        return list(SPLITS)
    shares = share_tuple(split.shares)
    return [name for name, share in zip(SPLITS, shares, strict=True) if share > 0]


def assign(columns: Columns, plan: SplitPlan) -> NDArray[np.int8]:
    """Gives each row's split as a position in `SPLITS`.

    Raises:
      DataError: a row names no split, where a column does.
    """
    if plan.needs_histogram:
        return _assign_by_cuts(*group_and_key(columns, plan), plan)
    hashes = hash_rows({name: columns[name] for name in plan.columns}, plan.seed)
    fractions = (hashes >> np.uint64(11)).astype(np.float64) / 2.0**53
    if plan.marks:
        return _assign_by_marks(columns[plan.marks], fractions, plan)
    train, val, test = plan.shares
    # Where test has no share, rounding must not leave it a sliver.
    edges = [train if val + test > 0 else 1.0, train + val if test > 0 else 1.0]
    splits: NDArray[np.int8] = np.searchsorted(edges, fractions, side="right").astype(np.int8)
    return splits


def _assign_by_marks(
    marks: pa.Array, fractions: NDArray[np.float64], plan: SplitPlan
) -> NDArray[np.int8]:
    words = pa.array([name.encode() for name in SPLITS], pa.binary())
    text = marks.cast(pa.binary()) if pa.types.is_string(marks.type) else marks
    known = text.type == pa.binary()
    places = pc.index_in(text, value_set=words) if known else pa.nulls(len(marks), pa.int32())
    if places.null_count:
        value = marks.filter(places.is_null())[0].as_py()
        raise DataError(
            f"the split column {plan.marks!r} names no split",
            where="data.split.columns",
            expected=f"{', '.join(SPLITS)} in every row, as data.split.by is 'column'",
            received=repr(value.decode(errors="replace") if isinstance(value, bytes) else value),
            fix="correct the column, or split another way",
        )
    splits: NDArray[np.int8] = places.to_numpy(zero_copy_only=False).astype(np.int8)
    train, val, _ = plan.shares
    return np.where((splits == 0) & (fractions >= train / (train + val)), 1, splits).astype(np.int8)


def group_and_key(columns: Columns, plan: SplitPlan) -> tuple[Hashes, Ints]:
    """Gives each row's group and its place in the order within the group.

    Raises:
      ValueError: A value is no time; its argument is the row's position.
    """
    if plan.by == "time":
        keys = time_keys(columns[plan.columns[0]])
        return np.zeros(len(keys), np.uint64), keys
    hashes = hash_rows({name: columns[name] for name in plan.columns}, plan.seed)
    groups = hash_rows({plan.label: columns[plan.label]})
    return groups, (hashes >> np.uint64(48)).astype(np.int64)


def _assign_by_cuts(groups: Hashes, keys: Ints, plan: SplitPlan) -> NDArray[np.int8]:
    known = np.array(sorted(plan.cuts), np.uint64)
    cuts = np.array([plan.cuts[int(group)] for group in known], np.int64)
    shift, val, test = cuts[np.searchsorted(known, groups)].T
    bins = keys >> shift
    splits: NDArray[np.int8] = (bins >= val).astype(np.int8) + (bins >= test).astype(np.int8)
    return splits
