"""How numbers are clipped, filled and scaled in the transform graph, and read back off it.

The constants of plain scales are read off the operators that use them. All others are attached
to the matrix of their columns: see `tensors.attach`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from models.features import quantiles, tensors

if TYPE_CHECKING:
    from models.features.learned import Learned
    from models.features.numeric import NumericSpec
    from models.features.tensors import LearnedConstants, RawColumns, Tensors

Specs = Mapping[str, "NumericSpec"]

_SHIFTED = ("z_score", "min_max")


@dataclass(frozen=True)
class _Way:
    """What is done with the columns of one matrix.

    Attributes:
      scale: `none`, `shift`, `log` or `quantile`.
      clips: Whether numbers are clipped first.
      bins: Whether the bounds of bins are kept for the network.
    """

    scale: str
    clips: bool
    bins: bool

    @property
    def constants(self) -> tuple[str, ...]:
        """The constants that are attached, in their order; none with plain scales."""
        if self.scale in ("none", "shift") and not self.clips and not self.bins:
            return ()
        return (
            "filler",
            *(("low", "high") if self.clips else ()),
            *(("offset", "scale") if self.scale in ("shift", "log") else ()),
            *(("table", "scores") if self.scale == "quantile" else ()),
            *(("knots",) if self.bins else ()),
        )


def _way(spec: NumericSpec) -> _Way:
    scale = "shift" if spec.scale in _SHIFTED else spec.scale
    return _Way(scale, spec.clip is not None, spec.embedding == "piecewise")


def scale_numbers(specs: Specs, raw: RawColumns) -> Tensors:
    """Transforms all numeric features, in one matrix for those that are treated alike."""
    learned = _learn(specs, raw)
    ways: dict[_Way, list[str]] = {_Way("none", False, False): []}
    for name, spec in specs.items():
        ways.setdefault(_way(spec), []).append(name)
    outputs: Tensors = {}
    for way, names in ways.items():
        for group in tensors.groups(names):
            outputs |= tensors.split_columns(_scale_group(specs, way, group, raw, learned), group)
    return outputs


def _scale_group(
    specs: Specs, way: _Way, group: Sequence[str], raw: RawColumns, learned: LearnedConstants
) -> tf.Tensor:
    numbers = _clip(raw.numbers(group), way, group, learned)
    matrix = _scale(tensors.fill(numbers, learned.of("filler", group)), way, group, learned)
    if not way.constants:
        return matrix
    constants = {
        constant: learned.of(constant, group) for constant in way.constants if constant != "knots"
    }
    if way.bins:
        # Ranks have no far values.
        bounds = quantiles.knots(
            learned.of("table", group),
            [specs[name].bins for name in group],
            inner=way.scale != "quantile",
        )
        # Scaling keeps the order, so that bounds of bins stay those of the same rows.
        scaled = _scale(_clip(tf.transpose(bounds), way, group, learned), way, group, learned)
        constants["knots"] = tf.transpose(scaled)
    return tensors.attach(matrix, [constants[constant] for constant in way.constants])


def _clip(
    numbers: tf.Tensor, way: _Way, group: Sequence[str], learned: LearnedConstants
) -> tf.Tensor:
    if not way.clips:
        return numbers
    clipped = tf.clip_by_value(numbers, learned.of("low", group), learned.of("high", group))
    return tf.where(tf.math.is_nan(numbers), numbers, clipped)


def _scale(
    filled: tf.Tensor, way: _Way, group: Sequence[str], learned: LearnedConstants
) -> tf.Tensor:
    if way.scale == "none":
        return filled
    if way.scale == "quantile":
        table, scores = learned.of("table", group), learned.of("scores", group)
        return quantiles.interpolate(filled, table, scores)
    shifted = tensors.signed_log(filled) if way.scale == "log" else filled
    return (shifted - learned.of("offset", group)) / learned.of("scale", group)


def _learn(specs: Specs, raw: RawColumns) -> LearnedConstants:
    learned = tensors.LearnedConstants()
    _learn_tables(specs, raw, learned)
    moments = [n for n, s in specs.items() if s.scale == "z_score" or s.impute == "mean"]
    if moments:
        mean, deviation = tensors.mean_and_deviation(_clipped(specs, raw, moments, learned))
        standard = [name for name in moments if specs[name].scale == "z_score"]
        by_mean = [name for name in moments if specs[name].impute == "mean"]
        learned.add("filler", by_mean, tensors.pick(mean, moments, by_mean))
        learned.add("offset", standard, tensors.pick(mean, moments, standard))
        learned.add("scale", standard, tensors.pick(deviation, moments, standard))
    ranges = [name for name, spec in specs.items() if spec.scale == "min_max"]
    if ranges:
        low, high = tensors.low_and_high(_clipped(specs, raw, ranges, learned))
        learned.add("offset", ranges, low)
        learned.add("scale", ranges, tensors.not_zero(high - low))
    logs = [name for name, spec in specs.items() if spec.scale == "log"]
    if logs:
        numbers = tensors.signed_log(_clipped(specs, raw, logs, learned))
        mean, deviation = tensors.mean_and_deviation(numbers)
        learned.add("offset", logs, mean)
        learned.add("scale", logs, deviation)
    by_median = [name for name, spec in specs.items() if spec.impute == "median"]
    if by_median:
        learned.add("filler", by_median, tensors.medians(raw.numbers(by_median)))
    return learned


def _learn_tables(specs: Specs, raw: RawColumns, learned: LearnedConstants) -> None:
    """Learns the quantiles of the columns that need them, and what follows from these."""
    names = [n for n, s in specs.items() if s.scale == "quantile" or s.clip or _way(s).bins]
    if names:
        table = quantiles.learn_table(raw.numbers(names))
        learned.add("table", names, table)
        learned.add("scores", names, quantiles.normal_scores(table))
    clipped = [name for name, spec in specs.items() if spec.clip is not None]
    if clipped:
        widths = tf.constant([specs[name].clip for name in clipped], tf.float32)
        low, high = quantiles.robust_bounds(learned.of("table", clipped), widths)
        learned.add("low", clipped, low)
        learned.add("high", clipped, high)


def _clipped(
    specs: Specs, raw: RawColumns, names: Sequence[str], learned: LearnedConstants
) -> tf.Tensor:
    """The numbers to learn from, clipped where the features are."""
    clipped = [name for name in names if specs[name].clip is not None]
    if not clipped:
        return raw.numbers(names)
    others = [name for name in names if specs[name].clip is None]
    way = _way(specs[clipped[0]])
    parts = [_clip(raw.numbers(clipped), way, clipped, learned)]
    parts += [raw.numbers(others)] if others else []
    joined = [*clipped, *others]
    return tf.gather(tf.concat(parts, axis=1), [joined.index(name) for name in names], axis=1)


def read_knots(spec: NumericSpec, name: str, learned: Learned) -> tuple[float, ...]:
    """The bounds of a feature's bins, in the unit of the scaled number."""
    constants, place = _attached(spec, name, learned)
    return learned.operators.row(constants["knots"], place)


def read_constants(spec: NumericSpec, name: str, learned: Learned) -> dict[str, Any]:
    """The constants of a feature, by the keys of its preparation."""
    way = _way(spec)
    if not way.constants:
        return _constants_of_operators(way, name, learned)
    tensors_by_name, place = _attached(spec, name, learned)
    operators = learned.operators
    constants: dict[str, Any] = {
        key: operators.value(tensors_by_name[key], place)
        for key in ("filler", "low", "high", "offset", "scale")
        if key in tensors_by_name
    }
    if way.scale == "quantile":
        constants["quantiles"] = operators.row(tensors_by_name["table"], place)
        constants["scores"] = operators.row(tensors_by_name["scores"], place)
    return constants | ({"log": True} if way.scale == "log" else {})


def _attached(spec: NumericSpec, name: str, learned: Learned) -> tuple[dict[str, Any], int]:
    """The constants attached to a feature's matrix, and its place in them."""
    operators = learned.operators
    column = operators.source(operators.output(name))
    _, matrix = operators.inputs(column, "Split", name)
    _, *constants = operators.inputs(operators.source(matrix), "IdentityN", name)
    return dict(zip(_way(spec).constants, constants, strict=True)), column.value_index


def _constants_of_operators(way: _Way, name: str, learned: Learned) -> dict[str, Any]:
    operators = learned.operators
    column = operators.source(operators.output(name))
    _, matrix = operators.inputs(column, "Split", name)
    place, tensor = column.value_index, operators.source(matrix)
    constants: dict[str, Any] = {}
    if way.scale != "none":
        difference, scale = operators.inputs(tensor, "RealDiv", name)
        filled, offset = operators.inputs(operators.source(difference), "Sub", name)
        constants = {
            "offset": operators.value(offset, place),
            "scale": operators.value(scale, place),
        }
        tensor = operators.source(filled)
    _, filler, _ = operators.inputs(tensor, "SelectV2", name)
    return {"filler": operators.value(filler, place), **constants}
