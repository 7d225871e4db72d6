"""The config of evaluation: slices, bounds, costs."""

from __future__ import annotations

from pydantic import Field, model_validator

from models.operating_point import CostSpec
from models.spec import Spec


class BoundSpec(Spec):
    """Absolute bounds of one metric on the overall slice of test."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _not_empty(self) -> BoundSpec:
        if self.min is None and self.max is None:
            raise ValueError("a bound needs min, max or both")
        return self


class ChangeSpec(Spec):
    """How much worse than the baseline one metric may be, in the metric's own unit."""

    max_loss: float = Field(ge=0)


class EvaluationSpec(Spec):
    """How the candidate is judged on test.

    `slices` lists groups of columns: `[carrier]` makes a slice a carrier,
    `[origin, carrier]` a slice a pair. `bounds` and `change` are keyed by metric.
    """

    slices: tuple[tuple[str, ...], ...] = ()
    min_slice_rows: int = Field(100, ge=1)
    costs: CostSpec = CostSpec()
    bounds: dict[str, BoundSpec] = {}
    change: dict[str, ChangeSpec] = {}
