"""One gate: what was asked of a model, what came of it, and the config key that decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from evidence.config import Severity

Outcome = Literal["pass", "block", "warn", "insufficient"]
Evidence = Mapping[str, Any]

_ORDER = {"block": 0, "warn": 1, "insufficient": 2, "pass": 3}


@dataclass(frozen=True)
class Gate:
    """One thing that was asked of the candidate, and what came of it.

    `subject` names the baseline model, the stress or the sensitive column it is about;
    `key` is the config key that decides, empty where none does.
    """

    gate: str
    metric: str
    outcome: Outcome
    reason: str
    slice: Mapping[str, Any] | None = None
    value: float | None = None
    low: float | None = None
    high: float | None = None
    bound: float | None = None
    subject: str = ""
    key: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The gate as JSON."""
        return asdict(self)


def outcome_of(severity: Severity) -> Outcome:
    """What a gate that fails does."""
    return "block" if severity == "block" else "warn"


def in_order(gates: Sequence[Gate]) -> list[Gate]:
    """Sorts gates, those that block first; a refusal names the config key that decides it."""
    named = [
        replace(gate, reason=f"{gate.reason} Decided by {gate.key}.")
        if gate.key and gate.outcome in ("block", "warn")
        else gate
        for gate in gates
    ]
    return sorted(named, key=lambda gate: _ORDER[gate.outcome])
