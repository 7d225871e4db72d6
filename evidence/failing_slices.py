"""Which slices fail the slice gate: a rule over `evidence.json`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from evidence.config import EvaluationSpec


def blocked_slices(
    slices: Sequence[Mapping[str, Any]], kind: Literal["change", "gap"], spec: EvaluationSpec
) -> list[Mapping[str, Any]]:
    """Gives the entries of `evidence["slices"]` that fail, the worst first.

    A slice fails where its loss is above the bound, and beyond chance: its q value is at
    most what `confidence` leaves. A change is asked of every slice, a gap of the slices
    that the config lists. A slice with too few rows neither fails nor passes.
    """
    gate = spec.slice_gate
    bound = gate.max_loss if kind == "change" else gate.max_gap
    if bound is None:
        return []
    asked = [
        entry
        for entry in slices
        if entry.get(kind) and (kind == "change" or entry["source"] == "config")
    ]
    failed = [entry for entry in asked if _fails(entry[kind], bound, 1 - spec.confidence)]
    return sorted(failed, key=lambda entry: -entry[kind]["value"])


def _fails(loss: Mapping[str, float | None], bound: float, level: float) -> bool:
    value, q = loss["value"], loss["q"]
    return value is not None and q is not None and value > bound and q <= level
