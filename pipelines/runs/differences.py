"""What differs between the records of two runs: pure functions over plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from contracts.results.evidence import Evidence, Interval
from contracts.results.gates import Gate
from report.sections.model import slice_name

Raw = Mapping[str, Any]
Change = dict[str, Any]

# A component whose time changed by less than a second, or a fifth, took as long as before.
_LEAST_SECONDS = 1.0
_LEAST_SHARE = 0.2


def changed(before: Raw, after: Raw) -> list[Change]:
    """The keys whose values differ, those of one side only with None for the other."""
    keys = dict.fromkeys([*before, *after])
    return [
        {"key": key, "before": before.get(key), "after": after.get(key)}
        for key in keys
        if before.get(key) != after.get(key) or (key in before) != (key in after)
    ]


def flat(value: object, prefix: str = "") -> dict[str, Any]:
    """A nested mapping with dotted keys; lists stay whole."""
    if not isinstance(value, Mapping) or not value:
        return {prefix: value} if prefix else {}
    found: dict[str, Any] = {}
    for key, inner in value.items():
        found |= flat(inner, f"{prefix}.{key}" if prefix else str(key))
    return found


def metric_changes(before: Mapping[str, Interval], after: Mapping[str, Interval]) -> list[Change]:
    """How each metric of the candidate moved, with the interval of the difference.

    Two runs share no resamples, so the interval takes the two as independent: with the same
    rows of test it is wider than it need be.
    """
    changes = []
    for name in dict.fromkeys([*before, *after]):
        first, second = before.get(name), after.get(name)
        if first != second:
            sides = {"before": first and first.ends(), "after": second and second.ends()}
            changes.append({"metric": name, **sides, **_difference(first, second)})
    return changes


def _difference(first: Interval | None, second: Interval | None) -> Change:
    nothing = {"difference": None, "low": None, "high": None}
    if first is None or second is None or first.value is None or second.value is None:
        return nothing
    moved = second.value - first.value
    if None in (first.low, first.high, second.low, second.high):
        return {**nothing, "difference": moved}
    down = math.hypot(second.value - (second.low or 0.0), (first.high or 0.0) - first.value)
    up = math.hypot((second.high or 0.0) - second.value, first.value - (first.low or 0.0))
    return {"difference": moved, "low": moved - down, "high": moved + up}


def slice_changes(before: Evidence | None, after: Evidence | None, most: int) -> list[Change]:
    """The slices whose main metric moved most, and those that only one run has."""
    newest = after or before
    if newest is None:
        return []
    first, second = _slices(before, newest.metric), _slices(after, newest.metric)
    changes: list[Change] = []
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        if one != other:
            moved = None if one is None or other is None else other - one
            changes.append({"slice": name, "before": one, "after": other, "difference": moved})
    return sorted(changes, key=lambda entry: -abs(entry["difference"] or 0.0))[:most]


def _slices(evidence: Evidence | None, metric: str) -> dict[str, float | None]:
    return {
        slice_name(entry.slice): entry.metrics.get(metric, Interval()).value
        for entry in (evidence.slices if evidence else [])
    }


def gate_changes(before: Sequence[Gate], after: Sequence[Gate]) -> list[Change]:
    """The gates whose outcome changed, that are new, or that are gone."""
    first, second = _gates(before), _gates(after)
    changes = []
    for key in dict.fromkeys([*first, *second]):
        one, other = first.get(key), second.get(key)
        outcomes = [None if gate is None else gate.outcome for gate in (one, other)]
        newest = other or one
        if outcomes[0] != outcomes[1] and newest is not None:
            sides = {"before": outcomes[0], "after": outcomes[1]}
            changes.append({"gate": key, **sides, "reason": newest.reason})
    return changes


def _gates(gates: Sequence[Gate]) -> dict[str, Gate]:
    named: dict[str, Gate] = {}
    for gate in gates:
        name = _gate_name(gate)
        alike = sum(other == name or other.startswith(f"{name} #") for other in named)
        named[f"{name} #{alike + 1}" if alike else name] = gate
    return named


def _gate_name(gate: Gate) -> str:
    parts = [part for part in (gate.gate, gate.metric, gate.subject) if part]
    # A gate over all slices names the worst of them: another one is no other gate.
    if gate.slice and gate.outcome in ("block", "warn"):
        parts.append(f"({slice_name(gate.slice)})")
    return " ".join(parts)


def statistics_changes(
    before: Sequence[Raw], after: Sequence[Raw], figures: Sequence[str], most: int
) -> list[Change]:
    """The figures of features by split that differ, those that moved most of their size first."""
    first, second = _by_place(before), _by_place(after)
    found = [
        {"feature": place[0], "split": place[1], "figure": figure, "before": one, "after": other}
        for place in dict.fromkeys([*first, *second])
        for figure in figures
        for one, other in [(first.get(place, {}).get(figure), second.get(place, {}).get(figure))]
        if one != other
    ]
    return sorted(found, key=lambda entry: -_relative(entry["before"], entry["after"]))[:most]


def _by_place(columns: Sequence[Raw]) -> dict[tuple[str, str], Raw]:
    return {(column["feature"], column["split"]): column for column in columns}


def _relative(one: object, other: object) -> float:
    if not isinstance(one, (int, float)) or not isinstance(other, (int, float)):
        return math.inf
    size = max(abs(one), abs(other))
    return abs(one - other) / size if size else 0.0


def second_changes(before: Raw, after: Raw) -> list[Change]:
    """The components whose time changed notably."""
    return [
        {"component": name, "before": before.get(name), "after": after.get(name)}
        for name in dict.fromkeys([*before, *after])
        if name not in before or name not in after or _is_notable(before[name], after[name])
    ]


def _is_notable(before: float, after: float) -> bool:
    return abs(after - before) > max(_LEAST_SECONDS, _LEAST_SHARE * max(before, after))
