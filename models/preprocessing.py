"""What TF Transform learns from train, and how it turns raw columns into features.

All numeric columns are analysed as one matrix: one analyzer for n columns makes one
Beam combine instead of n.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_transform as tft

from models.errors import ConfigError
from models.features import (
    MISSING_INT,
    MISSING_TEXT,
    MISSING_TOKEN,
    CategoricalSpec,
    CyclicSpec,
    FeaturesSpec,
    NumericSpec,
    VocabularySpec,
    indicator_name,
    is_number,
)

Tensors = dict[str, tf.Tensor]

_MEDIAN_ERROR = 0.005


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
    numbers = {
        name: to_number(name, inputs[name])
        for name, spec in problem.features.items()
        if is_number(spec)
    }
    outputs = _scale_numeric(problem, numbers)
    for name, spec in problem.features.items():
        if isinstance(spec, (CategoricalSpec, VocabularySpec)):
            outputs[name] = _to_ids(name, inputs[name], spec.min_count)
        elif isinstance(spec, CyclicSpec):
            outputs[name] = _to_circle(numbers[name], spec.period)
        elif not isinstance(spec, NumericSpec):
            yes = tf.cast(tf.not_equal(numbers[name], 0.0), tf.float32)
            outputs[name] = tf.where(tf.math.is_nan(numbers[name]), 0.5, yes)
        if getattr(spec, "missing_indicator", False):
            missing = tf.math.is_nan(numbers[name])
            outputs[indicator_name(name)] = tf.cast(missing, tf.float32)
    outputs[problem.label.name] = _encode_label(problem, inputs[problem.label.name])
    return outputs


def vocabulary_name(feature: str) -> str:
    """The file name of a feature's vocabulary; what a path can't hold is replaced."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "_", feature).strip())


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


def _scale_numeric(problem: FeaturesSpec, numbers: Tensors) -> Tensors:
    specs = {name: s for name, s in problem.features.items() if isinstance(s, NumericSpec)}
    by_median = [name for name, s in specs.items() if s.impute == "median"]
    moments = [n for n, s in specs.items() if s.scale == "z_score" or s.impute == "mean"]
    ranges = [name for name, s in specs.items() if s.scale == "min_max"]
    mean, deviation = _mean_and_deviation([numbers[name] for name in moments])
    low, high = _low_and_high([numbers[name] for name in ranges])
    median = _medians([numbers[name] for name in by_median])
    outputs: Tensors = {}
    for name, spec in specs.items():
        filler = (
            median[by_median.index(name)] if spec.impute == "median" else mean[moments.index(name)]
        )
        filled = tf.where(tf.math.is_nan(numbers[name]), filler, numbers[name])
        if spec.scale == "z_score":
            i = moments.index(name)
            filled = (filled - mean[i]) / deviation[i]
        elif spec.scale == "min_max":
            i = ranges.index(name)
            filled = (filled - low[i]) / _not_zero(high[i] - low[i])
        outputs[name] = filled
    return outputs


def _mean_and_deviation(columns: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    if not columns:
        return tf.zeros([0]), tf.zeros([0])
    # float64: the variance of large numbers drowns in float32's rounding.
    matrix = tf.cast(tf.concat(columns, axis=1), tf.float64)
    mean = tft.mean(matrix, reduce_instance_dims=False)
    variance = tft.var(matrix, reduce_instance_dims=False)
    return _finite(tf.cast(mean, tf.float32)), _not_zero(tf.cast(tf.sqrt(variance), tf.float32))


def _low_and_high(columns: list[tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    if not columns:
        return tf.zeros([0]), tf.zeros([0])
    matrix = tf.concat(columns, axis=1)
    least = tf.constant(-math.inf, tf.float32)
    missing = tf.math.is_nan(matrix)
    both = tf.concat([tf.where(missing, least, -matrix), tf.where(missing, least, matrix)], axis=1)
    extremes = _finite(tft.max(both, reduce_instance_dims=False))
    return -extremes[: len(columns)], extremes[len(columns) :]


def _medians(columns: list[tf.Tensor]) -> tf.Tensor:
    if not columns:
        return tf.zeros([0])
    matrix = tf.concat(columns, axis=1)
    bounds = tft.quantiles(matrix, num_buckets=2, epsilon=_MEDIAN_ERROR, reduce_instance_dims=False)
    return _finite(tf.reshape(bounds, [len(columns)]))


def _finite(values: tf.Tensor) -> tf.Tensor:
    return tf.where(tf.math.is_finite(values), values, 0.0)


def _not_zero(spread: tf.Tensor) -> tf.Tensor:
    """A constant feature has no spread: dividing by one keeps it at zero."""
    usable = tf.logical_and(tf.math.is_finite(spread), spread > 1e-12)
    return tf.where(usable, spread, 1.0)


def _to_ids(name: str, column: tf.Tensor, min_count: int) -> tf.Tensor:
    return tft.compute_and_apply_vocabulary(
        to_text(column),
        frequency_threshold=min_count if min_count > 1 else None,
        num_oov_buckets=1,
        vocab_filename=vocabulary_name(name),
        name=f"{vocabulary_name(name)}_vocabulary",
    )


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
