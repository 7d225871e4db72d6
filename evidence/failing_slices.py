"""Which slices fail the slice gate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from contracts.results.evidence import Loss, SliceEvidence
from evidence.config import EvaluationSpec

SliceLoss = Literal["change", "gap"]


def loss_of(entry: SliceEvidence, kind: SliceLoss) -> Loss | None:
    """What the gate checks of a slice: its change, or, of one that the config lists, its gap."""
    if kind == "gap":
        return entry.gap if entry.source == "config" else None
    return entry.change


def blocked_slices(
    slices: Sequence[SliceEvidence], kind: SliceLoss, spec: EvaluationSpec
) -> list[SliceEvidence]:
    """Gives the slices that fail, the worst first.

    A slice fails where its loss is above the bound, and beyond chance: its q value is at
    most what `confidence` leaves. Every slice is checked for its change, those
    that the config lists for their gap too. A slice with too few rows neither fails nor passes.
    """
    gate = spec.slice_gate
    bound = gate.max_loss if kind == "change" else gate.max_gap
    if bound is None:
        return []
    level = 1 - spec.confidence
    failed = [
        (-loss.value, place)
        for place, entry in enumerate(slices)
        if (loss := loss_of(entry, kind)) is not None
        and loss.value is not None
        and loss.value > bound
        and loss.q is not None
        and loss.q <= level
    ]
    return [slices[place] for _, place in sorted(failed)]
