"""What the report shows of the variants, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from contracts.results.evidence import Interval
from contracts.results.variant import PlacedVariant
from report.view import GateRow, Tone


@dataclass(frozen=True)
class Relative:
    """A figure and what multiple of float32's it is, and of a lean float32's."""

    value: float | None = None
    ratio: float | None = None
    lean: float | None = None


@dataclass(frozen=True)
class Variant:
    """One variant: its verdict, and what the table shows beside it.

    Attributes:
      verdict: The verdict.
      place: Where it was pushed to, or why it was not.
      settings: Of its weights.
      tone: Of its status.
      sizes: Figures by name.
      distinct: Values a layer, of clustered weights.
      worst: The slice that lost most.
      worst_loss: What it lost.
    """

    verdict: PlacedVariant
    place: str
    settings: str
    tone: Tone
    sizes: Mapping[str, Relative]
    distinct: int | None
    worst: str
    worst_loss: Interval


@dataclass(frozen=True)
class Advice:
    """Which variant to take where, and why; `name` is empty where none is blessed."""

    place: str
    name: str
    reason: str


@dataclass(frozen=True)
class Variants:
    """All variants; `fronts` has by measure those that no other beats in it and the metric."""

    metric: str
    counts: Mapping[str, int]
    variants: list[Variant]
    advice: list[Advice]
    fronts: Mapping[str, list[str]]
    gates: list[GateRow]
