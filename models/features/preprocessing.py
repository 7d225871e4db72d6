"""What TF Transform learns from train, and how it turns raw columns into features.

Columns of a kind are analysed and transformed as one matrix: one analyzer for n columns makes
one Beam combine instead of n, and the graph stays small however many columns there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from contracts.errors import ConfigError
from models.features.spec import (
    MISSING_INT,
    MISSING_TEXT,
    MISSING_TOKEN,
    BooleanSpec,
    CyclicSpec,
    FeaturesSpec,
    NumericSpec,
    indicator_name,
)
from models.features.vocabularies import categorical_features
from models.features.vocabulary_analyzer import learn_and_look_up

Tensors = dict[str, tf.Tensor]

_MEDIAN_ERROR = 0.005
# Columns in a matrix. TF Transform walks the graph back from every output when it loads one,
# and an output depends on all inputs of its matrix.
_GROUP = 64


def preprocessing_fn(inputs: Mapping[str, tf.Tensor], custom_config: Mapping[str, Any]) -> Tensors:
    """Turns raw columns into the features and the label of the problem.

    Args:
      inputs: One dense `[batch, 1]` tensor per column.
      custom_config: Has the `FeaturesSpec` as JSON under `spec`.

    Returns:
      Numeric and boolean features as float32 `[batch, 1]`, cyclic ones as float32
      `[batch, 2]`, categories as int64 ids `[batch, 1]`, and the label as `[batch]`.
    """
    problem = FeaturesSpec.model_validate_json(custom_config["spec"])
    numbers = _Numbers(inputs)
    outputs = {
        **_scale_numeric(problem, numbers),
        **_to_ids(problem, inputs),
        **_to_booleans(problem, numbers),
        **_missing_indicators(problem, numbers),
    }
    for name, spec in problem.features.items():
        if isinstance(spec, CyclicSpec):
            outputs[name] = _to_circle(numbers.matrix([name]), spec.period)
    outputs[problem.label.name] = _encode_label(problem, inputs[problem.label.name])
    return outputs


def to_number(name: str, column: tf.Tensor) -> tf.Tensor:
    """Casts a raw column to float32, with NaN where the value is missing or infinite."""
    if column.dtype == tf.string:
        raise ConfigError(
            f"feature {name!r} is configured as a number, and its column holds text",
            where=f"features.{name}.type",
            expected="a column of numbers or booleans",
            received="a column of text",
            fix="make it categorical or vocabulary, or correct the data",
        )
    nan = tf.constant(math.nan, tf.float32)
    if column.dtype == tf.int64:
        return tf.where(tf.equal(column, MISSING_INT), nan, tf.cast(column, tf.float32))
    return tf.where(tf.math.is_finite(column), column, nan)


def to_text(column: tf.Tensor) -> tf.Tensor:
    """Casts a raw column to text, with `MISSING_TOKEN` where the value is missing."""
    if column.dtype == tf.string:
        return tf.where(tf.equal(column, MISSING_TEXT), MISSING_TOKEN, column)
    if column.dtype == tf.int64:
        text = tf.strings.as_string(column)
        return tf.where(tf.equal(column, MISSING_INT), MISSING_TOKEN, text)
    text = tf.strings.as_string(column, shortest=True)
    return tf.where(tf.math.is_nan(column), MISSING_TOKEN, text)


class _Numbers:
    """Columns of numbers as float32: a few operators for many of them, not some for each."""

    def __init__(self, inputs: Mapping[str, tf.Tensor]) -> None:
        self._inputs = inputs

    def matrix(self, names: Sequence[str]) -> tf.Tensor:
        """Gives `[batch, names]`, NaN where a value is missing."""
        parts: list[tf.Tensor] = []
        places: dict[str, int] = {}
        for dtype in dict.fromkeys(self._inputs[name].dtype for name in names):
            alike = [name for name in names if self._inputs[name].dtype == dtype]
            joined = tf.concat([self._inputs[name] for name in alike], axis=1)
            parts.append(to_number(alike[0], joined))
            places |= {name: len(places) + i for i, name in enumerate(alike)}
        return tf.gather(tf.concat(parts, axis=1), [places[name] for name in names], axis=1)


def _groups(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + _GROUP] for start in range(0, len(names), _GROUP)]


def _columns(matrix: tf.Tensor, names: Sequence[str]) -> Tensors:
    return dict(zip(names, tf.split(matrix, len(names), axis=1), strict=True))


def _scale_numeric(problem: FeaturesSpec, numbers: _Numbers) -> Tensors:
    specs = {name: s for name, s in problem.features.items() if isinstance(s, NumericSpec)}
    learned = _learn(specs, numbers)
    plain = [name for name, spec in specs.items() if spec.scale == "none"]
    scaled = [name for name in specs if name not in plain]
    outputs: Tensors = {}
    # models/compression/constants.py reads filler, offset and scale off these operators.
    for group in _groups(plain):
        outputs |= _columns(_fill(numbers.matrix(group), learned, group), group)
    for group in _groups(scaled):
        filled = _fill(numbers.matrix(group), learned, group)
        offset, scale = learned.of("offset", group), learned.of("scale", group)
        outputs |= _columns((filled - offset) / scale, group)
    return outputs


def _fill(matrix: tf.Tensor, learned: _Learned, names: Sequence[str]) -> tf.Tensor:
    return tf.where(tf.math.is_nan(matrix), learned.of("filler", names), matrix)


class _Learned:
    """What was learned of numeric features: vectors, and where each feature is in them."""

    def __init__(self) -> None:
        self._places: dict[str, dict[str, int]] = {}
        self._vectors: dict[str, list[tf.Tensor]] = {}

    def add(self, constant: str, names: Sequence[str], values: tf.Tensor) -> None:
        """Adds `values`, one for each of `names`."""
        places = self._places.setdefault(constant, {})
        places |= {name: len(places) + i for i, name in enumerate(names)}
        self._vectors.setdefault(constant, []).append(values)

    def of(self, constant: str, names: Sequence[str]) -> tf.Tensor:
        """Gives the constants of `names`, in their order."""
        places = [self._places[constant][name] for name in names]
        return tf.gather(tf.concat(self._vectors[constant], axis=0), places)


def _learn(specs: Mapping[str, NumericSpec], numbers: _Numbers) -> _Learned:
    learned = _Learned()
    moments = [n for n, s in specs.items() if s.scale == "z_score" or s.impute == "mean"]
    if moments:
        mean, deviation = _mean_and_deviation(numbers.matrix(moments))
        standard = [name for name in moments if specs[name].scale == "z_score"]
        by_mean = [name for name in moments if specs[name].impute == "mean"]
        learned.add("filler", by_mean, _pick(mean, moments, by_mean))
        learned.add("offset", standard, _pick(mean, moments, standard))
        learned.add("scale", standard, _pick(deviation, moments, standard))
    ranges = [name for name, spec in specs.items() if spec.scale == "min_max"]
    if ranges:
        low, high = _low_and_high(numbers.matrix(ranges))
        learned.add("offset", ranges, low)
        learned.add("scale", ranges, _not_zero(high - low))
    by_median = [name for name, spec in specs.items() if spec.impute == "median"]
    if by_median:
        learned.add("filler", by_median, _medians(numbers.matrix(by_median)))
    return learned


def _pick(values: tf.Tensor, names: Sequence[str], chosen: Sequence[str]) -> tf.Tensor:
    places = {name: place for place, name in enumerate(names)}
    return tf.gather(values, tf.constant([places[name] for name in chosen], tf.int32))


def _mean_and_deviation(columns: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    # float64: the variance of large numbers drowns in float32's rounding.
    matrix = tf.cast(columns, tf.float64)
    mean = tft.mean(matrix, reduce_instance_dims=False)
    variance = tft.var(matrix, reduce_instance_dims=False)
    return _finite(tf.cast(mean, tf.float32)), _not_zero(tf.cast(tf.sqrt(variance), tf.float32))


def _low_and_high(matrix: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    least = tf.constant(-math.inf, tf.float32)
    missing = tf.math.is_nan(matrix)
    both = tf.concat([tf.where(missing, least, -matrix), tf.where(missing, least, matrix)], axis=1)
    extremes = _finite(tft.max(both, reduce_instance_dims=False))
    count = matrix.shape[1]
    return -extremes[:count], extremes[count:]


def _medians(matrix: tf.Tensor) -> tf.Tensor:
    bounds = tft.quantiles(matrix, num_buckets=2, epsilon=_MEDIAN_ERROR, reduce_instance_dims=False)
    return _finite(tf.reshape(bounds, [matrix.shape[1]]))


def _finite(values: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.math.is_finite(values), values, 0.0)


def _not_zero(spread: tf.Tensor) -> tf.Tensor:
    """A constant feature has no spread: dividing by one keeps it at zero."""
    usable = tf.logical_and(tf.math.is_finite(spread), spread > 1e-12)
    return tf.where(usable, spread, 1.0)


def _to_ids(problem: FeaturesSpec, inputs: Mapping[str, tf.Tensor]) -> Tensors:
    specs = categorical_features(problem)
    if not specs:
        return {}
    groups = _groups(list(specs))
    words = [tf.concat([to_text(inputs[name]) for name in group], axis=1) for group in groups]
    ids = learn_and_look_up(words, [spec.min_count for spec in specs.values()])
    outputs: Tensors = {}
    for group, matrix in zip(groups, ids, strict=True):
        outputs |= _columns(matrix, group)
    return outputs


def _to_booleans(problem: FeaturesSpec, numbers: _Numbers) -> Tensors:
    names = [name for name, spec in problem.features.items() if isinstance(spec, BooleanSpec)]
    outputs: Tensors = {}
    for group in _groups(names):
        matrix = numbers.matrix(group)
        yes = tf.cast(tf.not_equal(matrix, 0.0), tf.float32)
        outputs |= _columns(tf.where(tf.math.is_nan(matrix), 0.5, yes), group)
    return outputs


def _missing_indicators(problem: FeaturesSpec, numbers: _Numbers) -> Tensors:
    specs = problem.features.items()
    names = [name for name, spec in specs if getattr(spec, "missing_indicator", False)]
    outputs: Tensors = {}
    for group in _groups(names):
        missing = tf.cast(tf.math.is_nan(numbers.matrix(group)), tf.float32)
        outputs |= _columns(missing, [indicator_name(name) for name in group])
    return outputs


def _to_circle(number: tf.Tensor, period: float) -> tf.Tensor:
    """A missing value is the circle's centre, as far from every hour as from any other."""
    angle = number * (2.0 * math.pi / period)
    circle = tf.concat([tf.sin(angle), tf.cos(angle)], axis=1)
    return tf.where(tf.math.is_nan(circle), 0.0, circle)


def _encode_label(problem: FeaturesSpec, column: tf.Tensor) -> tf.Tensor:
    """Ids by comparing with every class: no table, so nothing to initialise."""
    name = problem.label.name
    if problem.task == "regression":
        return tf.squeeze(to_number(name, column), axis=1)
    if column.dtype == tf.string:
        matches = tf.equal(column, [str(c) for c in problem.label_classes()])
    else:
        matches = tf.equal(tf.cast(column, tf.float64), _class_numbers(problem))
    ids = tf.argmax(tf.cast(matches, tf.int32), axis=1, output_type=tf.int64)
    return tf.where(tf.reduce_any(matches, axis=1), ids, tf.constant(-1, tf.int64))


def _class_numbers(problem: FeaturesSpec) -> list[float]:
    try:
        return [float(value) for value in problem.label_classes()]
    except ValueError as error:
        raise ConfigError(
            f"label {problem.label.name!r} holds numbers, and its classes are text",
            where="label.classes",
            expected="the label's own values",
            received=", ".join(map(str, problem.label_classes())),
            fix="list the values as they are in the data",
        ) from error
