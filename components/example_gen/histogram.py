"""Mergeable histograms of bounded size, and the cut points found in them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

MAX_BINS = 1 << 16
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]


@dataclass(frozen=True)
class Counts:
    """How many rows have each key, or each `key >> shift` where keys are many.

    `shift` is the smallest one that leaves at most `MAX_BINS` bins, so it depends on the
    keys alone and not on the order in which they were counted.
    """

    bins: Ints
    rows: Ints
    shift: int = 0

    @classmethod
    def of(cls, keys: Ints) -> Counts:
        """Counts an array of keys."""
        bins, rows = np.unique(keys, return_counts=True)
        return cls(bins, rows.astype(np.int64)).bounded()

    def bounded(self) -> Counts:
        """Halves the resolution until the bins are few enough."""
        bins, rows, shift = self.bins, self.rows, self.shift
        while len(bins) > MAX_BINS:
            bins, rows = _sum_equal(bins >> 1, rows)
            shift += 1
        return Counts(bins, rows, shift)

    def merge(self, other: Counts) -> Counts:
        """Adds two histograms."""
        shift = max(self.shift, other.shift)
        bins = np.concatenate([one.bins >> (shift - one.shift) for one in (self, other)])
        rows = np.concatenate([self.rows, other.rows])
        order = np.argsort(bins, kind="stable")
        return Counts(*_sum_equal(bins[order], rows[order]), shift).bounded()

    def cuts(self, shares: Sequence[float], fill: bool) -> tuple[int, int]:
        """Gives the first bin of val and the first bin of test.

        Args:
          shares: The shares of train, val and test.
          fill: Whether to give each split at least one bin, where there are enough.
        """
        past = np.concatenate([[0], np.cumsum(self.rows)])
        goals = np.cumsum(shares)[:2] * past[-1]
        first, second = (int(np.abs(past - goal).argmin()) for goal in goals)
        wanted = [share > 0 for share in shares]
        if fill and len(self.bins) >= sum(wanted):
            total = len(self.bins)
            first = min(max(first, wanted[0]), total - wanted[1] - wanted[2])
            second = min(max(second, first + wanted[1]), total - wanted[2])
        beyond = int(self.bins[-1]) + 1
        edges = [*(int(edge) for edge in self.bins), beyond]
        return edges[first], edges[max(first, second)]


Histogram = dict[int, Counts]


def count(groups: Hashes, keys: Ints) -> Histogram:
    """Counts the keys of each group."""
    return {int(group): Counts.of(keys[groups == group]) for group in np.unique(groups)}


def merge(parts: Iterable[Histogram]) -> Histogram:
    """Adds histograms group by group."""
    whole: Histogram = {}
    for part in parts:
        for group, counts in part.items():
            whole[group] = whole[group].merge(counts) if group in whole else counts
    return whole


def save(path: Path, histogram: Histogram) -> None:
    """Writes a histogram to an `.npz` file."""
    with path.open("wb") as file:
        np.savez(
            file,
            groups=np.array(list(histogram), np.uint64),
            shifts=np.array([one.shift for one in histogram.values()], np.int64),
            sizes=np.array([len(one.bins) for one in histogram.values()], np.int64),
            bins=_joined([one.bins for one in histogram.values()]),
            rows=_joined([one.rows for one in histogram.values()]),
        )


def load(path: Path) -> Histogram:
    """Reads what `save` wrote."""
    with np.load(path) as raw:
        ends = np.cumsum(raw["sizes"])[:-1]
        parts = zip(
            raw["groups"],
            np.split(raw["bins"], ends),
            np.split(raw["rows"], ends),
            raw["shifts"],
            strict=True,
        )
        return {int(group): Counts(bins, rows, int(shift)) for group, bins, rows, shift in parts}


def _joined(arrays: Sequence[Ints]) -> Ints:
    return np.concatenate([np.zeros(0, np.int64), *arrays])


def _sum_equal(bins: Ints, rows: Ints) -> tuple[Ints, Ints]:
    """Adds the rows of equal neighbours in sorted bins."""
    if not len(bins):
        return bins, rows
    starts = np.flatnonzero(np.concatenate([[True], bins[1:] != bins[:-1]]))
    return bins[starts], np.add.reduceat(rows, starts)
