"""Altered copies in a dense table, where every row has near neighbours by chance.

A copy whose numbers were all altered is very near its original, and yet no number of it is equal.
Rows that are near by chance often share numbers, because numbers are rounded. So neighbours that
share a number are left out, and so are neighbours that have another one almost as near. Those
that remain are counted across the splits and within the earlier split: rows that were split at
random have as many in both, whatever the table's density, rounding or repeated measurements.
Copies add to those across.

Rows that are rounded less share fewer numbers. A later split that is finer than the earlier one
as a whole cannot be looked at; one that is so in part has more such neighbours within itself, too,
and is then compared with itself as well.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.stats import nbinom, poisson

from components.data_gate.audit.columns import Floats, Ints

# Apart, because a table's own near repeats are nearer than copies altered by 1 %.
SHELLS = ((1e-6, 0.004), (0.004, 0.0125))
_EQUAL = 1e-6
# The next neighbour is at least that many times as far away.
_APART = 2.0
_NEIGHBOURS = 16
_ROWS = 20_000
_FEWEST = 3
_CHANCE = 1e-3
# Less is asked of the later split's own neighbours: they speak against copies.
_UNLIKE = 0.2
# How many more of its numbers than of the earlier split's may be new: copies are rarely more.
_NEW = 0.1
EXAMPLES = 5


@dataclass(frozen=True)
class NearCopies:
    """What was found in a later split.

    Attributes:
      looked: How many of its rows were looked at.
      rows: How many more of them are nearly a row of the earlier split than by chance.
      distance: Within which share of its value, or of its spread, each number is.
      beyond_chance: Whether chance would hardly ever make as many.
      examples: Places of such rows: (earlier, later).
    """

    looked: int
    rows: int
    distance: float
    beyond_chance: bool
    examples: tuple[tuple[int, int], ...]

    @property
    def share(self) -> float:
        """Of the rows that were looked at."""
        return self.rows / self.looked if self.looked else 0.0


def find_dense_copies(first: Floats, second: Floats, fine: int) -> list[NearCopies]:
    """Compares the neighbours across two splits with those within each.

    Args:
      first: The earlier split's rows as points: distances are relative changes of numbers.
      second: The later split's.
      fine: How many columns, the first ones, hold numbers of many values: copies share none.

    Returns:
      What was found, by shell; nothing where the later split is finer in its numbers.
    """
    from_first, looked = (_drawn(len(points)) for points in (first, second))
    if _new_numbers(first, from_first, second[looked], fine) > _NEW:
        return []
    earlier, later = (cKDTree(points, balanced_tree=False) for points in (first, second))
    across = _neighbours(earlier, second[looked], fine)
    within_first = _neighbours(earlier, first[from_first], fine)[0]
    within_second = _neighbours(later, second[looked], fine)[0]
    density = len(first) / len(second)
    ratio = len(looked) / len(from_first)
    found = []
    for shell in SHELLS:
        places = np.flatnonzero(_in_shell(across[0], shell))
        rows, among_first, among_second = (
            int(_in_shell(distances, shell).sum())
            for distances in (across[0], within_first, within_second)
        )
        expected = among_first * ratio
        beyond = rows >= _FEWEST and _chance(rows, among_first, ratio) < _CHANCE
        if _chance(among_second // 2, among_first, ratio / (2 * density)) < _UNLIKE:
            expected = max(expected, among_second * density)
            beyond = beyond and poisson.sf(rows - 1, expected) < _CHANCE
        excess = max(rows - round(expected), 0)
        examples = examples_of(across[1][places], looked[places])
        found.append(NearCopies(len(looked), excess, shell[1], bool(beyond), examples))
    return found


def examples_of(originals: Ints, copies: Ints) -> tuple[tuple[int, int], ...]:
    """The places of the first copies, each behind that of its original."""
    return tuple(zip(originals[:EXAMPLES].tolist(), copies[:EXAMPLES].tolist(), strict=True))


def _chance(rows: int, among_first: int, ratio: float) -> float:
    """How often as many rows come by chance, given those within the earlier split.

    Within a split neighbours come in pairs, so it holds half as many cases, among half the rows.
    """
    cases = among_first / 2 + 0.5
    return float(nbinom.sf(rows - 1, cases, 1 / (1 + 2 * ratio)))


def _new_numbers(first: Floats, from_first: Ints, later: Floats, fine: int) -> float:
    """How much larger the share of unique numbers is in the later split, in the median column."""
    shares = []
    for column in range(fine):
        values, places, counts = np.unique(
            first[:, column], return_inverse=True, return_counts=True
        )
        repeated = (counts[places[from_first]] > 1).mean()
        shares.append(repeated - np.isin(later[:, column], values).mean())
    return float(np.median(shares))


def _drawn(rows: int) -> Ints:
    return np.sort(np.random.default_rng(0).permutation(rows)[:_ROWS])


def _in_shell(distances: Floats, shell: tuple[float, float]) -> NDArray[np.bool_]:
    inner, outer = shell
    return (distances > inner) & (distances <= outer)


def _neighbours(tree: cKDTree, rows: Floats, fine: int) -> tuple[Floats, Ints]:
    """Distance and place of each row's nearest neighbour that shares no number.

    The distance is infinite where there is none, or where it is not alone.
    """
    ranks = np.arange(1, min(_NEIGHBOURS, tree.n) + 1)
    reach = _APART * SHELLS[-1][1]
    distances, places = tree.query(rows, k=ranks, p=np.inf, distance_upper_bound=reach)
    near = distances <= reach
    others = tree.data[np.where(near, places, 0), :fine]
    own = rows[:, None, :fine]
    # What is missing or nothing stays so in a copy: see `_relative`.
    shared = ((others == own) & (own != 0)).any(axis=2)
    distances = np.where(near & ~shared & (distances > _EQUAL), distances, np.inf)
    nearest = distances.min(axis=1)
    # Copies of a neighbour within its split are as far away as the neighbour itself.
    further = np.where(distances > nearest[:, None] + _EQUAL, distances, np.inf).min(axis=1)
    alone = np.where(further >= _APART * nearest, nearest, np.inf)
    return alone, places[np.arange(len(rows)), distances.argmin(axis=1)]
