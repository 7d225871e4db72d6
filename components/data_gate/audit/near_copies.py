"""Rows of a later split that are nearly a row of an earlier one: copies, slightly altered.

Rows are near by chance too, the more so the fewer columns there are. Where they are, twice
the distance holds more rows than the distance itself. So rows that have a neighbour within
the distance and are alone but for it are compared with their opposite: rows that have their
first neighbours between the distance and twice of it. Chance makes fewer of the first.

In a dense table, where all rows have near neighbours, no row is alone with its copy. There the
neighbours across the splits are compared with those within them: see `dense_copies`.

Limit: copies that were in a dense table before it was split are as frequent within the splits as
across them, and are not found. Nor are fewer than about five copies in a split of 100 rows, or
copies in a dense table that were rounded again.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
from scipy.spatial import cKDTree

from components.data_gate.audit.columns import Floats, Ints, codes_of, is_text, numbers_of
from components.data_gate.audit.dense_copies import (
    EXAMPLES,
    NearCopies,
    examples_of,
    find_dense_copies,
)
from components.data_gate.audit.outcome import AuditData
from models.tasks import find_task

# Numbers that were altered by 1 % are within the first, where each varies by itself the second.
_RADII = (0.0125, 0.03)
_EQUAL = 1e-6
_ROWS = 5000
_COLUMNS = 32
_FEWEST_NUMBERS = 2
# Numbers of fewer values are equal by chance too often to say that a row is no copy.
_FINE = 10
# Below that share of a column's spread, differences count in units of it.
_SMALLEST = 0.01
_FEWEST = 5
_SIGMAS = 3.0
# How far around it, in distances, a row and its copy are alone: columns of few values make
# small groups of near rows, which have others not far away.
_ALONE = 4
_APART = 10.0


def find_near_copies(data: AuditData, earlier: str, later: str) -> NearCopies | None:
    """Looks for altered copies; None where the columns cannot tell them from chance."""
    first, second = data.tables[earlier], data.tables[later]
    numbers = _numbers(data)
    if len(numbers) < _FEWEST_NUMBERS or not first.num_rows or not second.num_rows:
        return None
    whole = pa.concat_tables([first, second])
    columns = {name: numbers_of(whole[name]) for name in numbers}
    distinct = {name: len(np.unique(values)) for name, values in columns.items()}
    finest = sorted(columns, key=lambda name: -distinct[name])[:_COLUMNS]
    varying = [name for name in finest if distinct[name] > 1]
    if len(varying) < _FEWEST_NUMBERS:
        return None
    apart = _groups(data, whole, numbers) * _APART
    cut = first.num_rows
    found = _alone(np.stack([*(_warped(columns[name]) for name in varying), apart], axis=1), cut)
    label = data.problem.label.name
    fine = [name for name in varying if name != label and distinct[name] > _FINE]
    if len(fine) >= _FEWEST_NUMBERS:
        others = [name for name in varying if name not in fine]
        points = np.stack([*(_relative(columns[name]) for name in fine + others), apart], axis=1)
        found += find_dense_copies(points[:cut], points[cut:], len(fine))
    most = max(found, key=lambda copies: (copies.beyond_chance, copies.rows))
    # A copy shows only where its original was drawn as well.
    drawn = cut / data.whole.rows[earlier]
    return replace(most, rows=min(round(most.rows / drawn), most.looked))


def _numbers(data: AuditData) -> list[str]:
    table = next(iter(data.tables.values()))
    names = [
        name for name in data.features() if data.holds_numbers(name) and not is_text(table[name])
    ]
    return names + (
        [data.problem.label.name] if not find_task(data.problem.task).has_classes else []
    )


def _groups(data: AuditData, table: pa.Table, numbers: list[str]) -> Ints:
    """A code a row: equal where categories, classes and what is missing are."""
    names = [*data.columns(), data.problem.label.name]
    groups = np.zeros(table.num_rows, np.int64)
    for name in names:
        column = table[name]
        codes = column.is_null().to_numpy().astype(np.int64)
        if name not in numbers:
            codes = codes_of(column).codes
        groups = np.unique(groups * (codes.max() + 1) + codes, return_inverse=True)[1]
    return groups


def _warped(values: Floats) -> Floats:
    """Small numbers in units of their spread, large ones by their logarithm."""
    known = np.isfinite(values)
    spread = values[known].std() if known.any() else 0.0
    filled = np.where(known, values, 0.0)
    if not spread > 0:
        return np.zeros(len(values))
    return np.sign(filled) * np.log1p(np.abs(filled) / spread)


def _relative(values: Floats) -> Floats:
    """Numbers whose differences are relative changes; what is missing is nothing."""
    known = np.isfinite(values)
    spread = values[known].std() if known.any() else 0.0
    if not spread > 0:
        return np.zeros(len(values))
    return np.arcsinh(np.where(known, values, 0.0) / (_SMALLEST * spread))


def _alone(points: Floats, cut: int) -> list[NearCopies]:
    """What was found by looking for rows that are alone with their neighbour, by radius."""
    rows = np.sort(np.random.default_rng(0).permutation(len(points) - cut)[:_ROWS])
    tree = cKDTree(points[:cut], balanced_tree=False)
    found = [_within(tree, points[cut + rows], radius) for radius in _RADII]
    return [
        replace(one, examples=tuple((place, int(rows[row])) for place, row in one.examples))
        for one in found
    ]


def _within(tree: cKDTree, second: Floats, radius: float) -> NearCopies:
    equal, near, twice, around = (
        tree.query_ball_point(second, reach, p=np.inf, return_length=True)
        for reach in (_EQUAL, radius, 2 * radius, _ALONE * radius)
    )
    alone = (near > equal) & (around == near)
    rows, opposite = int(alone.sum()), int(((near == equal) & (twice > near)).sum())
    excess = max(rows - opposite, 0)
    beyond = excess >= _FEWEST and excess >= _SIGMAS * np.sqrt(rows + opposite)
    places = np.flatnonzero(alone)[:EXAMPLES]
    _, neighbours = tree.query(second[places], p=np.inf)
    examples = examples_of(neighbours, places)
    return NearCopies(len(second), excess, radius, bool(beyond), examples)
