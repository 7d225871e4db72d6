"""How gates come out and in which order they are reported."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.results.evidence import Severity
from contracts.results.gates import Gate, Outcome

_ORDER = {"block": 0, "warn": 1, "insufficient": 2, "pass": 3}


def outcome_of(severity: Severity) -> Outcome:
    """What a gate that fails does."""
    return "block" if severity == "block" else "warn"


def in_order(gates: Sequence[Gate]) -> list[Gate]:
    """Sorts gates, those that block first; a refusal names the config key that decides it."""
    named = [
        gate.model_copy(update={"reason": f"{gate.reason} Decided by {gate.key}."})
        if gate.key and gate.outcome in ("block", "warn")
        else gate
        for gate in gates
    ]
    return sorted(named, key=lambda gate: _ORDER[gate.outcome])
