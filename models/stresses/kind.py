"""What a stress is: a part of the config with its bound."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, get_args

import numpy as np
from pydantic import Field

from contracts.arrays import Array
from contracts.results.evidence import Severity
from contracts.spec import Spec


class Stress(Spec):
    """What the main metric may lose under a stress; None only reports."""

    max_drop: float | None = Field(None, ge=0)
    severity: Severity = "block"


class ValueStress(Stress):
    """A stress that changes each raw value by itself.

    Attributes:
      columns: The features that it falls on; empty: all that it applies to.
      share: The share of the rows that it falls on.
    """

    kind: str
    columns: tuple[str, ...] = ()
    share: float = Field(1.0, gt=0, le=1)

    @abstractmethod
    def change(self, value: Any, generator: np.random.Generator) -> Any:
        """Gives the value as it is under the stress."""

    def apply(self, values: Array, generator: np.random.Generator) -> Array:
        """Changes a share of a column's values; what is missing stays so.

        Each row has draws of its own, so that one stress of half the rows changes these as
        the same stress of all rows does.
        """
        changed: Array = values.copy()
        rows = generator.random(len(values)) < self.share
        draws = generator.spawn(1)[0].integers(0, 2**63, len(values))
        for row in np.flatnonzero(rows):
            if values[row]:
                changed[row] = self.change(values[row], np.random.default_rng(draws[row]))
        return changed


def stresses_of(union: Any) -> dict[str, bool]:
    """The stresses of a discriminated union by `kind`, as `FeatureKind.stresses` names them."""
    classes = get_args(get_args(union)[0])
    return {stress.model_fields["kind"].default: True for stress in classes}
