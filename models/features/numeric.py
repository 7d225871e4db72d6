"""Numbers: scaled, and imputed where they are missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from models.features.circles import guess_circle
from models.features.kind import ColumnProfile, FeatureKind, Recognition
from models.features.ports import InputSpec

if TYPE_CHECKING:
    from models.features.learned import Learned
    from models.features.tensors import LearnedConstants, RawColumns, Tensors

_FEW_VALUES = 10


class NumericSpec(FeatureKind):
    """A number, scaled; what is missing is imputed."""

    type: str = "numeric"
    scale: Literal["z_score", "min_max", "none"] = "z_score"
    impute: Literal["mean", "median"] = "mean"
    missing_indicator: bool = False

    raw_values = "numbers"
    audit_checks = frozenset({"outliers"})
    stresses = {"noise": True, "missing": True, "units": False, "adversarial": True}
    slice_key = True

    @classmethod
    def transform(cls, specs: Mapping[str, Any], raw: RawColumns) -> Tensors:
        """Fills and scales; `preparation` reads filler, offset and scale off these operators."""
        from models.features import tensors

        learned = _learn(specs, raw)
        plain = [name for name, spec in specs.items() if spec.scale == "none"]
        scaled = [name for name in specs if name not in plain]
        outputs: Tensors = {}
        for group in tensors.groups(plain):
            filled = tensors.fill(raw.numbers(group), learned.of("filler", group))
            outputs |= tensors.split_columns(filled, group)
        for group in tensors.groups(scaled):
            filled = tensors.fill(raw.numbers(group), learned.of("filler", group))
            offset, scale = learned.of("offset", group), learned.of("scale", group)
            outputs |= tensors.split_columns((filled - offset) / scale, group)
        return outputs

    def value_port(self, name: str, learned: Learned) -> InputSpec:
        """One number."""
        return InputSpec(name, "dense", 1)

    def preparation(self, name: str, learned: Learned) -> dict[str, Any]:
        """Gives `filler`, and `offset` and `scale` where the number is scaled."""
        operators = learned.operators
        column = operators.source(operators.output(name))
        _, matrix = operators.inputs(column, "Split", name)
        place, tensor = column.value_index, operators.source(matrix)
        constants: dict[str, Any] = {}
        if self.scale != "none":
            difference, scale = operators.inputs(tensor, "RealDiv", name)
            filled, offset = operators.inputs(operators.source(difference), "Sub", name)
            constants = {
                "offset": operators.value(offset, place),
                "scale": operators.value(scale, place),
            }
            tensor = operators.source(filled)
        _, filler, _ = operators.inputs(tensor, "SelectV2", name)
        return {"kind": "numeric", "filler": operators.value(filler, place), **constants}

    @classmethod
    def recognize(cls, column: ColumnProfile) -> Recognition | None:
        """Any number that is nothing else."""
        if column.kind not in ("integers", "numbers"):
            return None
        few = (
            column.kind == "integers"
            and column.distinct <= _FEW_VALUES
            and column.rows >= _FEW_VALUES * column.distinct
        )
        note = f"{column.distinct:,} values from {column.low:g} to {column.high:g}"
        note += ": categorical, if they are codes" if few else ""
        circle = guess_circle(column.name, column.values, column.names)
        return Recognition({"type": "numeric"}, note if circle is None else circle.reason)


def _learn(specs: Mapping[str, NumericSpec], raw: RawColumns) -> LearnedConstants:
    from models.features import tensors

    learned = tensors.LearnedConstants()
    moments = [n for n, s in specs.items() if s.scale == "z_score" or s.impute == "mean"]
    if moments:
        mean, deviation = tensors.mean_and_deviation(raw.numbers(moments))
        standard = [name for name in moments if specs[name].scale == "z_score"]
        by_mean = [name for name in moments if specs[name].impute == "mean"]
        learned.add("filler", by_mean, tensors.pick(mean, moments, by_mean))
        learned.add("offset", standard, tensors.pick(mean, moments, standard))
        learned.add("scale", standard, tensors.pick(deviation, moments, standard))
    ranges = [name for name, spec in specs.items() if spec.scale == "min_max"]
    if ranges:
        low, high = tensors.low_and_high(raw.numbers(ranges))
        learned.add("offset", ranges, low)
        learned.add("scale", ranges, tensors.not_zero(high - low))
    by_median = [name for name, spec in specs.items() if spec.impute == "median"]
    if by_median:
        learned.add("filler", by_median, tensors.medians(raw.numbers(by_median)))
    return learned
