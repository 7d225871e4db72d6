"""Are the splits apart, by the groups or the time that the config splits by?"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa

from components.data_gate.audit.columns import Array, numbers_of, row_hashes
from components.data_gate.audit.outcome import AuditData, Checked, Part, outcome_of
from components.example_gen.split import time_keys

# Examples hold fractions in 32 bits, which tell whole numbers apart up to here.
_EXACT = 2.0**24


def check_overlap(data: AuditData) -> Part:
    """Holds every two splits against each other; rows split by row have nothing to hold."""
    columns, by = list(data.split.columns), data.split.by
    held = [
        split
        for split, table in data.tables.items()
        if table.num_rows and set(columns) <= set(table.column_names)
    ]
    if by == "key":
        compare = _groups
    elif by == "time":
        compare = _times
    else:
        return Part()
    checks = [compare(data, columns, first, second) for first, second in combinations(held, 2)]
    found = [{"splits": one.split, "figure": one.figure, "what": one.what} for one in checks]
    return Part(checks, {"overlap": {"by": by, "columns": columns, "splits": found}})


def _groups(data: AuditData, columns: list[str], first: str, second: str) -> Checked:
    earlier, later = (_tellable(data.tables[split], columns) for split in (first, second))
    known, other = row_hashes(earlier, columns), row_hashes(later, columns)
    shared = np.isin(other, known)
    groups = len(np.unique(other[shared]))
    what = f"{groups:,} groups of split {second} (by {', '.join(columns)}) are also in {first}"
    if groups:
        what += f", for instance {_shown(later, columns, int(np.argmax(shared)))}"
    fix = (
        "clear the run folder so that ExampleGen splits the rows again; if it comes back, "
        "look for rows that were copied between spans"
    )
    return _checked(data, (first, second), groups, what + ".", "no group in two splits", fix)


def _times(data: AuditData, columns: list[str], first: str, second: str) -> Checked:
    earlier, later = (_keys(data.tables[split][columns[0]]) for split in (first, second))
    rows = int(np.sum(earlier > later.min())) if len(earlier) and len(later) else 0
    what = f"{rows:,} rows of split {first} are later, by {columns[0]}, than the first of {second}."
    expected = f"{first} ends before {second} begins"
    fix = "look at the values of the time column: one form for all, with or without a zone"
    return _checked(data, (first, second), rows, what, expected, fix)


def _checked(
    data: AuditData, splits: tuple[str, str], figure: int, what: str, expected: str, fix: str
) -> Checked:
    severity = data.spec.overlap.severity
    return Checked(
        check="overlap",
        feature=", ".join(data.split.columns),
        split=", ".join(splits),
        severity=severity,
        figure=figure,
        bound=0,
        outcome=outcome_of(severity, figure > 0),
        what=what,
        expected=expected,
        received=what,
        fix=fix,
    )


def _keys(column: pa.ChunkedArray) -> Array:
    values = column.combine_chunks().drop_null()
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
    return time_keys(values)


def _tellable(table: pa.Table, columns: list[str]) -> pa.Table:
    """The rows whose key came through ExampleGen as it was."""
    exact = np.ones(table.num_rows, bool)
    for name in columns:
        if pa.types.is_floating(table[name].type):
            exact &= ~(np.abs(numbers_of(table[name])) >= _EXACT)
    return table if exact.all() else table.filter(pa.array(exact))


def _shown(table: pa.Table, columns: list[str], row: int) -> str:
    values: dict[str, Any] = table.select(columns).slice(row, 1).to_pylist()[0]
    return ", ".join(f"{name}={value}" for name, value in values.items())
