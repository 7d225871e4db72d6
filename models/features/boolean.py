"""Yes or no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from models.features.kind import ColumnProfile, FeatureKind, Recognition
from models.features.ports import InputSpec

if TYPE_CHECKING:
    from models.features.learned import Learned
    from models.features.tensors import RawColumns, Tensors

_HALF = 0.5


class BooleanSpec(FeatureKind):
    """A yes or no; missing becomes one half."""

    type: str = "boolean"
    missing_indicator: bool = False

    raw_values = "numbers"
    audit_checks = frozenset()
    stresses = {"missing": True}
    slice_key = True
    few_values = True

    @classmethod
    def transform(cls, specs: Mapping[str, Any], raw: RawColumns) -> Tensors:
        """1 for what is not 0."""
        import tensorflow as tf

        from models.features import tensors

        outputs: Tensors = {}
        for group in tensors.groups(list(specs)):
            numbers = raw.numbers(group)
            yes = tf.cast(tf.not_equal(numbers, 0.0), tf.float32)
            flags = tf.where(tf.math.is_nan(numbers), _HALF, yes)
            outputs |= tensors.split_columns(flags, group)
        return outputs

    def value_port(self, name: str, learned: Learned) -> InputSpec:
        """One number: 0, 1, or one half."""
        return InputSpec(name, "dense", 1)

    def preparation(self, name: str, learned: Learned) -> dict[str, Any]:
        """What stands for a missing value."""
        return {"kind": "boolean", "filler": _HALF}

    @classmethod
    def recognize(cls, column: ColumnProfile) -> Recognition | None:
        """True and false, or whole 0 and 1."""
        if column.kind == "booleans":
            return Recognition({"type": "boolean"}, "true or false")
        if column.distinct == 2 and (column.low, column.high) == (0, 1):
            return Recognition({"type": "boolean"}, "0 or 1")
        return None
