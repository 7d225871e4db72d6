"""What differs between the records of two runs: pure functions over plain values."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from report.sections.model import slice_name

Raw = Mapping[str, Any]
Change = dict[str, Any]
_GATE_KEYS = ("gate", "metric", "subject")


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


def metric_changes(before: Raw, after: Raw) -> list[Change]:
    """How each metric of the candidate moved, with the interval of the difference.

    Two runs share no resamples, so the interval takes the two as independent: with the same
    rows of test it is wider than it need be.
    """
    found = []
    for name in dict.fromkeys([*before, *after]):
        first, second = _candidate(before.get(name)), _candidate(after.get(name))
        if first != second:
            found.append(
                {"metric": name, "before": first, "after": second, **_difference(first, second)}
            )
    return found


def _candidate(entry: Raw | None) -> Raw | None:
    return (entry or {}).get("candidate")


def _difference(first: Raw | None, second: Raw | None) -> Change:
    nothing = {"difference": None, "low": None, "high": None}
    if not first or not second or first.get("value") is None or second.get("value") is None:
        return nothing
    moved = second["value"] - first["value"]
    ends = [one.get(end) for one in (first, second) for end in ("low", "high")]
    if any(end is None for end in ends):
        return {**nothing, "difference": moved}
    down = math.hypot(second["value"] - second["low"], first["high"] - first["value"])
    up = math.hypot(second["high"] - second["value"], first["value"] - first["low"])
    return {"difference": moved, "low": moved - down, "high": moved + up}


def slice_changes(before: Raw, after: Raw, most: int) -> list[Change]:
    """The slices whose main metric moved most, and those that only one run has."""
    metric = after.get("metric") or before.get("metric")
    first, second = _slices(before, metric), _slices(after, metric)
    found = []
    for name in dict.fromkeys([*first, *second]):
        one, other = first.get(name), second.get(name)
        if one != other:
            found.append({"slice": name, "before": one, "after": other, **_moved(one, other)})
    return sorted(found, key=lambda entry: -abs(entry["difference"] or 0.0))[:most]


def _slices(evidence: Raw, metric: str | None) -> dict[str, float | None]:
    return {
        slice_name(one.get("slice")): ((one.get("metrics") or {}).get(metric) or {}).get("value")
        for one in evidence.get("slices") or []
    }


def _moved(one: float | None, other: float | None) -> Change:
    return {"difference": None if one is None or other is None else other - one}


def gate_changes(before: Sequence[Raw], after: Sequence[Raw]) -> list[Change]:
    """The gates whose outcome changed, that are new, or that are gone."""
    first, second = _gates(before), _gates(after)
    found = []
    for key in dict.fromkeys([*first, *second]):
        one, other = first.get(key), second.get(key)
        if (one or {}).get("outcome") != (other or {}).get("outcome"):
            told: Raw = other or one or {}
            found.append(
                {
                    "gate": key,
                    "before": (one or {}).get("outcome"),
                    "after": (other or {}).get("outcome"),
                    "reason": told.get("reason", ""),
                }
            )
    return found


def _gates(gates: Sequence[Raw]) -> dict[str, Raw]:
    named: dict[str, Raw] = {}
    for gate in gates:
        name = _gate_name(gate)
        alike = sum(other == name or other.startswith(f"{name} #") for other in named)
        named[f"{name} #{alike + 1}" if alike else name] = gate
    return named


def _gate_name(gate: Raw) -> str:
    parts = [str(gate[key]) for key in _GATE_KEYS if gate.get(key)]
    # A gate over all slices names the worst of them: another one is no other gate.
    if gate.get("slice") and gate.get("outcome") in ("block", "warn"):
        parts.append(f"({slice_name(gate['slice'])})")
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


def second_changes(before: Raw, after: Raw, told: Callable[[float, float], bool]) -> list[Change]:
    """The components whose time changed so much that it is worth telling."""
    return [
        {"component": name, "before": before.get(name), "after": after.get(name)}
        for name in dict.fromkeys([*before, *after])
        if name not in before or name not in after or told(before[name], after[name])
    ]
