"""Rows that come twice: within a split, in two splits, or with two labels."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np

from components.data_gate.audit.columns import Array, Hashes, labels_of, row_hashes
from components.data_gate.audit.near_copies import NearCopies, find_near_copies
from components.data_gate.audit.outcome import AuditData, Checked, Part, outcome_of
from models.tasks import find_task

EXAMPLES = 5


def check_duplicates(data: AuditData) -> Part:
    """Counts rows that equal an earlier one of their split, or one of another split."""
    names = [*data.columns(), data.problem.label.name]
    hashes = {split: row_hashes(table, names) for split, table in data.tables.items()}
    spec = data.spec.duplicates
    within: dict[str, int] = {}
    across: list[dict[str, Any]] = []
    near: list[dict[str, Any]] = []
    part = Part(details={"duplicates": {"within": within, "across": across, "near": near}})
    for split, rows in hashes.items():
        if spec.severity != "off" and len(rows):
            part.checks.append(_within(data, split, rows))
            within[split] = len(rows) - len(np.unique(rows))
    for earlier, later in combinations(hashes, 2):
        if spec.across.severity != "off" and len(hashes[later]):
            shared = np.isin(hashes[later], hashes[earlier])
            part.checks.append(_across(data, earlier, later, shared))
            across.append(_shared_rows(earlier, later, hashes, shared))
        if spec.near.severity != "off":
            found = find_near_copies(data, earlier, later)
            if found is not None:
                part.checks.append(_near(data, earlier, later, found))
                near.append(_near_rows(earlier, later, found))
    return part


def check_contradictions(data: AuditData) -> Part:
    """Counts the rows whose features come again with another label.

    Of a regression's labels, another one is one that is further off than their deviation.
    """
    names, spec = data.columns(), data.spec.contradictions
    if not data.tables or not names:
        return Part()
    origin, hashes, labels = _all_rows(data, names)
    if not len(labels):
        return Part()
    order = np.argsort(hashes, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(hashes[order]) != 0])
    sorted_labels = labels[order]
    spread = np.maximum.reduceat(sorted_labels, starts) - np.minimum.reduceat(sorted_labels, starts)
    bad = spread > (labels.std() if not find_task(data.problem.task).has_classes else 0)
    sizes = np.diff(np.r_[starts, len(labels)])
    rows = int(sizes[bad].sum())
    share = rows / len(labels)
    checked = Checked(
        check="contradictions",
        feature=data.problem.label.name,
        split="all",
        severity=spec.severity,
        figure=share,
        bound=spec.max_share,
        outcome=outcome_of(spec.severity, share > spec.max_share),
        what=f"{rows:,} rows ({share:.2%}) have the features of another row and another label.",
        expected=f"at most {spec.max_share:.2%} of the rows",
        received=f"{share:.2%}, in {int(bad.sum()):,} groups of equal rows",
        fix="correct the labels, or add a feature that tells these rows apart",
    )
    groups = zip(starts[bad][:EXAMPLES], sizes[bad][:EXAMPLES], strict=True)
    splits = list(data.tables)
    examples = [
        _opposed(splits, origin, labels, order[start : start + size]) for start, size in groups
    ]
    found = {"rows": rows, "share": share, "groups": int(bad.sum()), "examples": examples}
    return Part([checked], {"contradictions": found})


def _within(data: AuditData, split: str, hashes: Hashes) -> Checked:
    spec = data.spec.duplicates
    again = len(hashes) - len(np.unique(hashes))
    share = again / len(hashes)
    return Checked(
        check="duplicates",
        feature="",
        split=split,
        severity=spec.severity,
        figure=share,
        bound=spec.max_share,
        outcome=outcome_of(spec.severity, share > spec.max_share),
        what=f"{again:,} rows ({share:.2%}) of split {split} equal an earlier row of it.",
        expected=f"at most {spec.max_share:.2%} of the rows",
        received=f"{share:.2%}",
        fix="remove the copies from the data, or add a feature that tells the rows apart",
    )


def _across(data: AuditData, earlier: str, later: str, shared: Array) -> Checked:
    spec = data.spec.duplicates.across
    share = float(shared.mean())
    return Checked(
        check="duplicates.across",
        feature="",
        split=f"{earlier}, {later}",
        severity=spec.severity,
        figure=share,
        bound=spec.max_share,
        outcome=outcome_of(spec.severity, share > spec.max_share),
        what=f"{int(shared.sum()):,} rows ({share:.2%}) of split {later} are also in {earlier}, "
        "with the same features and label.",
        expected=f"at most {spec.max_share:.2%} of the rows",
        received=f"{share:.2%}",
        fix="remove the copies from the data, or set data.split.by to key with columns that "
        "keep equal rows together",
    )


def _near(data: AuditData, earlier: str, later: str, found: NearCopies) -> Checked:
    spec = data.spec.duplicates.near
    failed = found.beyond_chance and found.share > spec.max_share
    what = (
        f"{found.rows:,} rows ({found.share:.2%}) of split {later} are nearly a row of {earlier}: "
        f"the same label and categories, every number at most {found.distance:.1%} away."
        if failed
        else f"Split {later} has no more rows that are nearly a row of {earlier} than by chance."
    )
    return Checked(
        check="duplicates.near",
        feature="",
        split=f"{earlier}, {later}",
        severity=spec.severity,
        figure=found.share if found.beyond_chance else 0.0,
        bound=spec.max_share,
        outcome=outcome_of(spec.severity, failed),
        what=what,
        expected=f"at most {spec.max_share:.2%} of the rows, beyond those that are near by chance",
        received=f"{found.share:.2%}",
        fix="remove the copies from the data, or keep rows of one origin in one split: set "
        "data.split.by to key, with the columns that name the origin",
    )


def _near_rows(earlier: str, later: str, found: NearCopies) -> dict[str, Any]:
    examples = found.examples if found.beyond_chance else ()
    return {
        "from": earlier,
        "to": later,
        "rows": found.rows if found.beyond_chance else 0,
        "examples": [{earlier: one, later: other} for one, other in examples],
    }


def _shared_rows(
    earlier: str, later: str, hashes: dict[str, Hashes], shared: Array
) -> dict[str, Any]:
    places = np.flatnonzero(shared)[:EXAMPLES]
    first = [int(np.argmax(hashes[earlier] == hashes[later][place])) for place in places]
    return {
        "from": earlier,
        "to": later,
        "rows": int(shared.sum()),
        "share": float(shared.mean()),
        "examples": [
            {earlier: one, later: int(other)} for one, other in zip(first, places, strict=True)
        ],
    }


def _all_rows(data: AuditData, names: list[str]) -> tuple[Array, Hashes, Array]:
    """Gives (split's number, place), hash and label of every row whose label is known."""
    places, hashes, labels = [], [], []
    for number, table in enumerate(data.tables.values()):
        known = labels_of(table, data.problem)
        rows = np.flatnonzero(known >= 0 if known.dtype.kind == "i" else np.isfinite(known))
        places.append(np.stack([np.full(len(rows), number), rows], axis=1))
        hashes.append(row_hashes(table, names)[rows])
        labels.append(known[rows])
    return np.concatenate(places), np.concatenate(hashes), np.concatenate(labels)


def _opposed(splits: list[str], origin: Array, labels: Array, rows: Array) -> list[dict[str, Any]]:
    extremes = rows[[np.argmin(labels[rows]), np.argmax(labels[rows])]]
    return [{"split": splits[number], "row": int(row)} for number, row in origin[extremes]]
