"""Which split a row belongs to: a function of the row's own values alone.

Rows are hashed column by column, so neither the order of rows, files or columns, nor the
cut into batches, nor the number of workers has a say.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from components.example_gen.config import SPLITS, IngestSpec, SharesSpec
from components.example_gen.dates import ISO, column_moments, first_no_date
from components.example_gen.histogram import Hashes, Histogram, Ints

Columns = Mapping[str, pa.Array]
_MISSING = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class SplitPlan:
    """All that decides the split of a row.

    Attributes:
      by: As in `SplitSpec`.
      columns: The columns that are hashed, or the one column of time.
      label: The column whose classes keep their proportions, for `stratified`.
      shares: The shares of train, val and test.
      cuts: Per group: shift, first bin of val, first bin of test.
    """

    by: str
    columns: tuple[str, ...]
    label: str
    shares: tuple[float, float, float]
    cuts: Mapping[int, tuple[int, int, int]]

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
        return SplitPlan(self.by, self.columns, self.label, self.shares, cuts)


def plan_split(spec: IngestSpec) -> SplitPlan:
    """Gives the plan of `spec`, still without cut points."""
    columns = spec.split.columns or spec.columns
    return SplitPlan(spec.split.by, columns, spec.label, share_tuple(spec.split.shares), {})


def share_tuple(shares: SharesSpec) -> tuple[float, float, float]:
    """Gives the shares in the order of `SPLITS`."""
    return (shares.train, shares.val, shares.test)


def splits_wanted(shares: SharesSpec) -> list[str]:
    """Gives the splits whose share is not 0, in the order of `SPLITS`."""
    return [name for name, share in zip(SPLITS, share_tuple(shares), strict=True) if share > 0]


def assign(columns: Columns, plan: SplitPlan) -> NDArray[np.int8]:
    """Gives each row's split as a position in `SPLITS`."""
    if plan.needs_histogram:
        return _assign_by_cuts(*group_and_key(columns, plan), plan)
    hashes = hash_rows({name: columns[name] for name in plan.columns})
    fractions = (hashes >> np.uint64(11)).astype(np.float64) / 2.0**53
    train, val, test = plan.shares
    # Where test has no share, rounding must not leave it a sliver.
    edges = [train if val + test > 0 else 1.0, train + val if test > 0 else 1.0]
    splits: NDArray[np.int8] = np.searchsorted(edges, fractions, side="right").astype(np.int8)
    return splits


def group_and_key(columns: Columns, plan: SplitPlan) -> tuple[Hashes, Ints]:
    """Gives each row's group and its place in the order within the group.

    Raises:
      ValueError: A value is no time; its argument is the row's position.
    """
    if plan.by == "time":
        keys = time_keys(columns[plan.columns[0]])
        return np.zeros(len(keys), np.uint64), keys
    hashes = hash_rows({name: columns[name] for name in plan.columns})
    groups = hash_rows({plan.label: columns[plan.label]})
    return groups, (hashes >> np.uint64(48)).astype(np.int64)


def hash_rows(columns: Columns) -> Hashes:
    """Hashes each row over canonical columns (see `kinds`); their order does not count."""
    total: Hashes = np.zeros(len(next(iter(columns.values()))), np.uint64)
    for name, values in columns.items():
        total += _mix(_value_bits(values) ^ _salt(name))
    return _mix(total)


def time_keys(values: pa.Array) -> Ints:
    """Gives integers in the order of the times.

    Args:
      values: A canonical column: integers, floats, or ISO text.

    Raises:
      ValueError: A value is missing or no time; its argument is the row's position.
    """
    if values.null_count:
        raise ValueError(int(np.flatnonzero(_nulls(values))[0]))
    if pa.types.is_integer(values.type):
        keys: Ints = values.to_numpy(zero_copy_only=False)
        return keys
    if pa.types.is_floating(values.type):
        bits: Ints = values.to_numpy(zero_copy_only=False).view(np.int64)
        ordered: Ints = np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)
        return ordered
    moments = column_moments(values, ISO)
    if moments is None:
        raise ValueError(first_no_date(values, ISO))
    if moments.null_count:
        raise ValueError(int(np.flatnonzero(_nulls(moments))[0]))
    microseconds: Ints = moments.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return microseconds


def _assign_by_cuts(groups: Hashes, keys: Ints, plan: SplitPlan) -> NDArray[np.int8]:
    known = np.array(sorted(plan.cuts), np.uint64)
    cuts = np.array([plan.cuts[int(group)] for group in known], np.int64)
    shift, val, test = cuts[np.searchsorted(known, groups)].T
    bins = keys >> shift
    splits: NDArray[np.int8] = (bins >= val).astype(np.int8) + (bins >= test).astype(np.int8)
    return splits


def _mix(bits: Hashes) -> Hashes:
    """Spreads each input bit over all 64 (the finaliser of SplitMix64)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = bits ^ (bits >> np.uint64(31))
    return mixed


def _salt(name: str) -> np.uint64:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    salt: np.uint64 = np.uint64(int.from_bytes(digest, "little"))
    return salt


def _nulls(values: pa.Array) -> NDArray[np.bool_]:
    nulls: NDArray[np.bool_] = values.is_null().to_numpy(zero_copy_only=False)
    return nulls


def _value_bits(values: pa.Array) -> Hashes:
    if pa.types.is_null(values.type):
        return np.full(len(values), _MISSING)
    if pa.types.is_binary(values.type):
        return _text_bits(values)
    filled = values.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)
    # A fraction is hashed as it is written, in 32 bits; a whole number in full: 1 is 1.0,
    # and 0.1 is 0.1 whether a file stores it in 32 or in 64 bits.
    with np.errstate(over="ignore"):
        short = filled.astype(np.float32).astype(np.float64)
    number = np.where(filled == np.trunc(filled), filled, short) + 0.0
    bits: Hashes = np.where(_nulls(values), _MISSING, number.view(np.uint64))
    return bits


def _text_bits(values: pa.Array) -> Hashes:
    encoded = values.dictionary_encode()
    words = encoded.dictionary.to_numpy(zero_copy_only=False)
    hashes = pd.util.hash_array(words, categorize=False) if len(words) else words
    by_word = np.append(hashes.astype(np.uint64), _MISSING)
    at = encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    bits: Hashes = by_word[at]
    return bits
