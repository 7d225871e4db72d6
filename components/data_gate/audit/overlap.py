"""Are the splits apart, by the groups or the time that the config splits by?"""

from __future__ import annotations

from itertools import combinations

import numpy as np

from components.data_gate.audit.outcome import AuditData
from contracts.results.checked import Checked, Part, judged


def check_overlap(data: AuditData) -> Part:
    """Holds every two splits against each other; rows split by row have nothing to hold."""
    columns, by = list(data.split.columns), data.split.by
    held = [
        split
        for split, table in data.tables.items()
        if data.whole.rows[split] and set(columns) <= set(table.column_names)
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
    groups, places = 0, list[int]()
    for keys in data.whole.key_store.partitions():
        later = keys[second]
        shared = later[np.isin(later["key"], keys[first]["key"])]
        groups += len(np.unique(shared["key"]))
        places += [int(shared["place"].min())] if len(shared) else []
    what = f"{groups:,} groups of split {second} (by {', '.join(columns)}) are also in {first}"
    if groups:
        row = data.row_at(second, min(places)).select(columns).to_pylist()[0]
        what += ", for instance " + ", ".join(f"{name}={value}" for name, value in row.items())
    fix = (
        "clear the run folder so that ExampleGen splits the rows again; if it comes back, "
        "look for rows that were copied between spans"
    )
    return _checked(data, (first, second), groups, what + ".", "no group in two splits", fix)


def _times(data: AuditData, columns: list[str], first: str, second: str) -> Checked:
    store = data.whole.key_store
    start = min((part["key"].min() for part in store.chunks(second) if len(part)), default=None)
    rows = (
        sum(int((part["key"] > start).sum()) for part in store.chunks(first))
        if start is not None
        else 0
    )
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
        **judged(severity, figure, 0),
        what=what,
        expected=expected,
        received=what,
        fix=fix,
    )
