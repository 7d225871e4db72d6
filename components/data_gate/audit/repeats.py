"""Rows that come twice: within a split, in two splits, or with two labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from components.data_gate.audit.dense_copies import NearCopies
from components.data_gate.audit.near_copies import find_near_copies
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.whole import Spread
from contracts.arrays import Array
from contracts.results.checked import Checked, Part, judged
from models.tasks import find_task

EXAMPLES = 5


def check_duplicates(data: AuditData) -> Part:
    """Counts rows that equal an earlier one of their split, or one of another split."""
    spec, counted = data.spec.duplicates, _count_repeats(data)
    within: dict[str, int] = {}
    across: list[dict[str, Any]] = []
    near: list[dict[str, Any]] = []
    part = Part(details={"duplicates": {"within": within, "across": across, "near": near}})
    for split, again in counted.within.items():
        if spec.severity != "off" and data.whole.rows[split]:
            part.checks.append(_within(data, split, again))
            within[split] = again
    for (earlier, later), shared in counted.across.items():
        if spec.across.severity != "off" and data.whole.rows[later]:
            part.checks.append(_across(data, earlier, later, shared))
            across.append(_shared_rows(data, earlier, later, shared))
        if spec.near.severity != "off":
            found = find_near_copies(data, earlier, later)
            if found is not None:
                part.checks.append(_near(data, earlier, later, found))
                near.append(_near_rows(data, earlier, later, found))
    return part


@dataclass
class _Shared:
    """Rows of a split that are in an earlier one too.

    Attributes:
      rows: How many.
      places: Some of them: (later, earlier).
    """

    rows: int = 0
    places: list[tuple[int, int]] = field(default_factory=list)

    def share(self, data: AuditData, later: str) -> float:
        """Of the later split's rows."""
        return self.rows / data.whole.rows[later]


@dataclass(frozen=True)
class _Repeats:
    """Copies by split, and by pair of splits."""

    within: dict[str, int]
    across: dict[tuple[str, str], _Shared]


def _count_repeats(data: AuditData) -> _Repeats:
    found = _Repeats(
        dict.fromkeys(data.tables, 0), {pair: _Shared() for pair in combinations(data.tables, 2)}
    )
    for rows in data.whole.row_store.partitions():
        for split, records in rows.items():
            found.within[split] += len(records) - len(np.unique(records["row"]))
        for (earlier, later), shared in found.across.items():
            if earlier in rows and later in rows:
                _add_shared(shared, rows[earlier], rows[later])
    return found


def _add_shared(shared: _Shared, first: Array, second: Array) -> None:
    copies = np.flatnonzero(np.isin(second["row"], first["row"]))
    shared.rows += len(copies)
    places = [
        (int(second["place"][copy]), int(first["place"][np.argmax(first["row"] == row)]))
        for copy, row in ((copy, second["row"][copy]) for copy in copies[:EXAMPLES])
    ]
    shared.places = sorted([*shared.places, *places])[:EXAMPLES]


def check_contradictions(data: AuditData) -> Part:
    """Counts the rows whose features come again with another label.

    Of a regression's labels, another one is one that is further off than their deviation.
    """
    names, spec = data.columns(), data.spec.contradictions
    if not data.tables or not names:
        return Part()
    found = _count_opposed(data)
    if not found.labels:
        return Part()
    share = found.rows / found.labels
    checked = Checked(
        check="contradictions",
        feature=data.problem.label.name,
        split="all",
        **judged(spec.severity, share, spec.max_share),
        what=f"{found.rows:,} rows ({share:.2%}) have the features of another row and another "
        "label.",
        expected=f"at most {spec.max_share:.2%} of the rows",
        received=f"{share:.2%}, in {found.groups:,} groups of equal rows",
        fix="correct the labels, or add a feature that tells these rows apart",
    )
    details = {
        "rows": found.rows,
        "share": share,
        "groups": found.groups,
        "examples": found.examples,
    }
    return Part([checked], {"contradictions": details})


@dataclass
class _Opposed:
    """Rows of equal features with unlike labels, among all rows whose label is known."""

    labels: int = 0
    rows: int = 0
    groups: int = 0
    examples: list[list[dict[str, Any]]] = field(default_factory=list)


def _count_opposed(data: AuditData) -> _Opposed:
    least = 0.0
    if not find_task(data.problem.task).has_classes:
        every = Spread()
        for numbers in data.whole.numbers.values():
            every = every.joined(numbers)
        least = every.deviation
    found = _Opposed()
    for rows in data.whole.row_store.partitions():
        _add_opposed(found, data, rows, least)
    return found


def _add_opposed(found: _Opposed, data: AuditData, rows: Mapping[str, Array], least: float) -> None:
    records = {split: part[_is_known(data, part["label"])] for split, part in rows.items()}
    joined = np.concatenate(list(records.values()))
    if not len(joined):
        return
    splits = np.repeat(np.array(list(records), object), [len(part) for part in records.values()])
    order = np.argsort(joined["features"], kind="stable")
    joined, splits = joined[order], splits[order]
    starts = np.flatnonzero(np.r_[True, np.diff(joined["features"]) != 0])
    labels = joined["label"]
    bad = np.maximum.reduceat(labels, starts) - np.minimum.reduceat(labels, starts) > least
    sizes = np.diff(np.r_[starts, len(labels)])
    found.labels += len(labels)
    found.rows += int(sizes[bad].sum())
    found.groups += int(bad.sum())
    for start, size in zip(starts[bad][:EXAMPLES], sizes[bad][:EXAMPLES], strict=True):
        if len(found.examples) < EXAMPLES:
            group = slice(start, start + size)
            found.examples.append(_opposed(splits[group], joined[group]))


def _is_known(data: AuditData, labels: Array) -> Array:
    classes = find_task(data.problem.task).has_classes
    return labels >= 0 if classes else np.isfinite(labels)


def _opposed(splits: Array, records: Array) -> list[dict[str, Any]]:
    extremes = (np.argmin(records["label"]), np.argmax(records["label"]))
    return [{"split": splits[at], "row": int(records["place"][at])} for at in extremes]


def _within(data: AuditData, split: str, again: int) -> Checked:
    spec = data.spec.duplicates
    share = again / data.whole.rows[split]
    return Checked(
        check="duplicates",
        feature="",
        split=split,
        **judged(spec.severity, share, spec.max_share),
        what=f"{again:,} rows ({share:.2%}) of split {split} equal an earlier row of it.",
        expected=f"at most {spec.max_share:.2%} of the rows",
        received=f"{share:.2%}",
        fix="remove the copies from the data, or add a feature that tells the rows apart",
    )


def _across(data: AuditData, earlier: str, later: str, shared: _Shared) -> Checked:
    spec = data.spec.duplicates.across
    share = shared.share(data, later)
    return Checked(
        check="duplicates.across",
        feature="",
        split=f"{earlier}, {later}",
        **judged(spec.severity, share, spec.max_share),
        what=f"{shared.rows:,} rows ({share:.2%}) of split {later} are also in {earlier}, "
        "with the same features and label.",
        expected=f"at most {spec.max_share:.2%} of the rows",
        received=f"{share:.2%}",
        fix="remove the copies from the data, or set data.split.by to key with columns that "
        "keep equal rows together",
    )


def _near(data: AuditData, earlier: str, later: str, found: NearCopies) -> Checked:
    spec = data.spec.duplicates.near
    figure = found.share if found.beyond_chance else 0.0
    what = (
        f"{found.rows:,} rows ({found.share:.2%}) of split {later} are nearly a row of {earlier}: "
        f"the same label and categories, every number at most {found.distance:.1%} away."
        if figure > spec.max_share
        else f"Split {later} has no more rows that are nearly a row of {earlier} than by chance."
    )
    return Checked(
        check="duplicates.near",
        feature="",
        split=f"{earlier}, {later}",
        **judged(spec.severity, figure, spec.max_share),
        what=what,
        expected=f"at most {spec.max_share:.2%} of the rows, beyond those that are near by chance",
        received=f"{found.share:.2%}",
        fix="remove the copies from the data, or keep rows of one origin in one split: set "
        "data.split.by to key, with the columns that name the origin",
    )


def _near_rows(data: AuditData, earlier: str, later: str, found: NearCopies) -> dict[str, Any]:
    examples = found.examples if found.beyond_chance else ()
    first, second = data.places_of(earlier), data.places_of(later)
    return {
        "from": earlier,
        "to": later,
        "rows": found.rows if found.beyond_chance else 0,
        "examples": [
            {earlier: int(first[one]), later: int(second[other])} for one, other in examples
        ],
    }


def _shared_rows(data: AuditData, earlier: str, later: str, shared: _Shared) -> dict[str, Any]:
    return {
        "from": earlier,
        "to": later,
        "rows": shared.rows,
        "share": shared.share(data, later),
        "examples": [{earlier: one, later: other} for other, one in shared.places],
    }
