"""Groups of rows, laid end to end so that one array operation serves them all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from contracts.arrays import Array


@dataclass(frozen=True)
class Groups:
    """Some groups of the rows of a table; they may overlap, and none is empty.

    Attributes:
      rows: The places of the rows, group after group, in the integer type that indexes
        without a conversion.
      starts: Where each group starts in `rows`.
    """

    rows: Array
    starts: Array

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def sizes(self) -> Array:
        """Rows by group."""
        return np.diff(np.append(self.starts, len(self.rows)))

    @property
    def members(self) -> Array:
        """The group of each entry of `rows`."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def sums(self, values: Array) -> Array:
        """Sums by group of values that stand beside `rows`."""
        if not len(self):
            return np.zeros((0, *values.shape[1:]))
        return np.add.reduceat(values, self.starts, axis=0)


def whole(rows: int) -> Groups:
    """One group of all rows."""
    return Groups(np.arange(rows), np.zeros(1, np.int64))


def groups_of(members: Sequence[Array]) -> Groups:
    """Groups from the rows of each."""
    sizes = np.array([len(rows) for rows in members], np.int64)
    joined = np.concatenate(members) if members else np.zeros(0)
    return Groups(joined.astype(np.intp), np.cumsum(sizes) - sizes)


def groups_by_code(codes: Array, min_rows: int = 1) -> tuple[Groups, Array]:
    """Gives a group for each code that at least `min_rows` rows have, and its code.

    Rows of code -1 are in no group.
    """
    # Counted one up, -1 has a place like the others.
    counts = np.bincount(codes + 1, minlength=1)
    enough = counts >= max(min_rows, 1)
    enough[0] = False
    kept = np.flatnonzero(enough) - 1
    narrow = codes.astype(np.uint16) if len(counts) <= 2**16 else codes
    order = np.argsort(narrow, kind="stable")
    rows = order[enough[codes[order] + 1]]
    sizes = counts[kept + 1]
    return Groups(rows, np.cumsum(sizes) - sizes), kept
