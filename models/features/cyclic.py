"""Numbers on a circle: hours, months, directions."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from models.features.circles import guess_circle
from models.features.kind import ColumnProfile, FeatureKind, Recognition
from models.features.ports import InputSpec

if TYPE_CHECKING:
    from models.features.learned import Learned
    from models.features.tensors import RawColumns, Tensors


class CyclicSpec(FeatureKind):
    """A number on a circle (hour, month): becomes its sine and cosine."""

    type: str = "cyclic"
    period: float = Field(gt=0)
    missing_indicator: bool = False

    raw_values = "numbers"
    audit_checks = frozenset()
    stresses = {"noise": False, "missing": True, "units": False}
    slice_key = True

    @classmethod
    def transform(cls, specs: Mapping[str, Any], raw: RawColumns) -> Tensors:
        """A missing value is the circle's centre, as far from every hour as from any other."""
        import tensorflow as tf

        outputs: Tensors = {}
        for name, spec in specs.items():
            angle = raw.numbers([name]) * (2.0 * math.pi / spec.period)
            circle = tf.concat([tf.sin(angle), tf.cos(angle)], axis=1)
            outputs[name] = tf.where(tf.math.is_nan(circle), 0.0, circle)
        return outputs

    def value_port(self, name: str, learned: Learned) -> InputSpec:
        """The sine before the cosine."""
        return InputSpec(name, "dense", 2)

    def preparation(self, name: str, learned: Learned) -> dict[str, Any]:
        """What turns the number into radians."""
        return {"kind": "cyclic", "angle": float(np.float32(2.0 * math.pi / self.period))}

    @classmethod
    def recognize(cls, column: ColumnProfile) -> Recognition | None:
        """A number whose name and values go round in a circle."""
        if column.kind not in ("integers", "numbers"):
            return None
        circle = guess_circle(column.name, column.values, column.names)
        if circle is None or circle.period is None:
            return None
        return Recognition({"type": "cyclic", "period": circle.period}, circle.reason)
