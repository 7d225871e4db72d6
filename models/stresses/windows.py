"""Stresses on windows of series: float32 `[rows, steps]` in and out, NaN where a step is missing.

A step that is missing stays so. Each raw column of a feature is changed by itself.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Annotated, Any, Literal, Union

import numpy as np
from pydantic import Field

from contracts.arrays import Array
from models.stresses.kind import ValueStress, stresses_of


class _WindowStress(ValueStress):
    def change(self, value: Any, generator: np.random.Generator) -> Array:
        """Changes one window."""
        changed: Array = self.change_windows(np.asarray(value)[None, :], generator)[0]
        return changed

    def apply(self, values: Array, generator: np.random.Generator) -> Array:
        """Changes a share of the windows, all at once."""
        rows = generator.random(len(values)) < self.share
        changed = self.change_windows(values, generator.spawn(1)[0])
        return np.where(rows[:, None], changed, values).astype(np.float32, copy=False)

    @abstractmethod
    def change_windows(self, values: Array, generator: np.random.Generator) -> Array:
        """Gives all windows as they are under the stress.

        Args:
          values: `[rows, steps]`.
          generator: Of draws that do not depend on the share.
        """


class MissingSteps(_WindowStress):
    """Steps go missing, in gaps of so many steps; about a rate of all steps."""

    kind: Literal["missing_steps"] = "missing_steps"
    rate: float = Field(0.1, gt=0, lt=1)
    gap: int = Field(1, ge=1)

    def change_windows(self, values: Array, generator: np.random.Generator) -> Array:
        """Leaves out the steps of gaps that begin at random."""
        rows, steps = values.shape
        gap = min(self.gap, steps)
        # A step is in a gap unless none of the `gap` places begins one: exact in expectation.
        begin = generator.random((rows, steps + gap - 1)) < 1 - (1 - self.rate) ** (1 / gap)
        counts = np.cumsum(np.pad(begin, ((0, 0), (1, 0))), axis=1)
        inside = counts[:, gap:] > counts[:, :-gap]
        return np.where(inside, np.nan, values)


class StuckSensor(_WindowStress):
    """The sensor gives the same value from some step on, to the window's end."""

    kind: Literal["stuck"] = "stuck"
    part: float = Field(0.25, gt=0, le=1)

    def change_windows(self, values: Array, generator: np.random.Generator) -> Array:
        """Repeats the value at which the sensor got stuck over the last part of the steps."""
        steps = values.shape[1]
        first = steps - max(1, round(self.part * steps))
        held = values[:, max(first - 1, 0)]
        after = np.arange(steps) >= first
        return np.where(after & ~np.isnan(values) & ~np.isnan(held)[:, None], held[:, None], values)


class Spikes(_WindowStress):
    """Single steps jump up or down by so many standard deviations of the column."""

    kind: Literal["spikes"] = "spikes"
    rate: float = Field(0.02, gt=0, lt=1)
    scale: float = Field(5.0, gt=0)

    def change_windows(self, values: Array, generator: np.random.Generator) -> Array:
        """Adds the spikes."""
        hit = generator.random(values.shape) < self.rate
        signs = np.where(generator.random(values.shape) < 0.5, -1.0, 1.0)
        known = values[~np.isnan(values)]
        deviation = float(known.std(dtype=np.float64)) if len(known) else 0.0
        return values + hit * signs * self.scale * deviation


class ShiftedClock(_WindowStress):
    """The sensor's clock is wrong: values lie so many steps later, or earlier where negative."""

    kind: Literal["shifted_clock"] = "shifted_clock"
    steps: int = Field(1, ge=-100_000, le=100_000)

    def change_windows(self, values: Array, generator: np.random.Generator) -> Array:
        """Moves the values; the steps at the end that they leave are missing."""
        width = values.shape[1]
        moved = np.full_like(values, np.nan)
        by = min(abs(self.steps), width)
        if self.steps >= 0:
            moved[:, by:] = values[:, : width - by]
        else:
            moved[:, : width - by] = values[:, by:]
        return moved


WindowStress = Annotated[
    Union[MissingSteps, StuckSensor, Spikes, ShiftedClock], Field(discriminator="kind")
]
"""Any stress on windows."""

WINDOW_STRESSES = stresses_of(WindowStress)
"""The stresses by `kind`, as `FeatureKind.stresses` names them."""
