"""What the report shows of the variants, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from report.view import Gate, Interval, Tone


@dataclass(frozen=True)
class Relative:
    """A figure and what multiple of float32's it is, and of a lean float32's."""

    value: float | None = None
    ratio: float | None = None
    lean: float | None = None


@dataclass(frozen=True)
class Variant:
    """One variant: what was made, what it costs, what it is worth, and the verdict."""

    name: str
    weights: str
    settings: str
    format: str
    status: str
    tone: Tone
    told: str
    sizes: Mapping[str, Relative]
    sparsity: float | None
    distinct: int | None
    preparing_ms: float | None
    metric: Interval
    difference: Interval
    worst: str
    worst_loss: Interval
    parity: float | None
    tolerance: float | None
    is_reference: bool


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
    gates: list[Gate]
