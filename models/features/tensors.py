"""Tools for the transforms of kinds: raw columns as tensors, and what is learned of them.

Columns of a kind are analysed and transformed as one matrix: one analyzer for n columns makes
one Beam combine instead of n, and the graph stays small however many columns there are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import tensorflow as tf
import tensorflow_transform as tft

from contracts.columns import MISSING_INT, MISSING_TEXT, MISSING_TOKEN
from contracts.errors import ConfigError

Tensors = dict[str, tf.Tensor]

_MEDIAN_ERROR = 0.005
# Columns in a matrix. TF Transform walks the graph back from every output when it loads one,
# and an output depends on all inputs of its matrix.
_GROUP = 64


class RawColumns:
    """The raw columns of a batch: a dense `[batch, 1]` or `[batch, size]` tensor each."""

    def __init__(self, inputs: Mapping[str, tf.Tensor]) -> None:
        self._inputs = inputs

    def values(self, name: str) -> tf.Tensor:
        """Gives `[batch, 1]`: float32 with NaN where a number is missing, or text."""
        column = self._inputs[name]
        return column if column.dtype == tf.string else to_number(name, column)

    def numbers(self, names: Sequence[str]) -> tf.Tensor:
        """Gives float32 `[batch, names]`, NaN where a value is missing."""
        parts: list[tf.Tensor] = []
        places: dict[str, int] = {}
        # A few operators for many columns, not some for each.
        for dtype in dict.fromkeys(self._inputs[name].dtype for name in names):
            alike = [name for name in names if self._inputs[name].dtype == dtype]
            joined = tf.concat([self._inputs[name] for name in alike], axis=1)
            parts.append(to_number(alike[0], joined))
            places |= {name: len(places) + i for i, name in enumerate(alike)}
        return tf.gather(tf.concat(parts, axis=1), [places[name] for name in names], axis=1)

    def lists(self, name: str) -> tf.Tensor:
        """Gives float32 `[batch, size]`, NaN where a step is missing."""
        return to_number(name, self._inputs[name])

    def texts(self, names: Sequence[str]) -> tf.Tensor:
        """Gives text `[batch, names]`, `MISSING_TOKEN` where a value is missing."""
        return tf.concat([to_text(self._inputs[name]) for name in names], axis=1)


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


def groups(names: Sequence[str]) -> list[Sequence[str]]:
    """Gives the columns of each matrix."""
    return [names[start : start + _GROUP] for start in range(0, len(names), _GROUP)]


def split_columns(matrix: tf.Tensor, names: Sequence[str]) -> Tensors:
    """Gives the columns of a matrix by name."""
    return dict(zip(names, tf.split(matrix, len(names), axis=1), strict=True))


def attach(matrix: tf.Tensor, constants: Sequence[tf.Tensor]) -> tf.Tensor:
    """Gives the matrix, with learned constants as further inputs of its operator `IdentityN`.

    What no output depends on is left out of a transform graph. See `Operators` for reading
    them.
    """
    return tf.identity_n([matrix, *constants])[0]


def signed_log(numbers: tf.Tensor) -> tf.Tensor:
    """The logarithm of 1 + the number, mirrored below 0; NaN stays NaN."""
    return tf.sign(numbers) * tf.math.log1p(tf.abs(numbers))


def missing(numbers: tf.Tensor) -> tf.Tensor:
    """1 where a number is missing, else 0."""
    return tf.cast(tf.math.is_nan(numbers), tf.float32)


def fill(numbers: tf.Tensor, filler: tf.Tensor | float) -> tf.Tensor:
    """Puts a filler where a number is missing."""
    return tf.where(tf.math.is_nan(numbers), filler, numbers)


class LearnedConstants:
    """What was learned of features: vectors, and where each feature is in them."""

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


def pick(values: tf.Tensor, names: Sequence[str], chosen: Sequence[str]) -> tf.Tensor:
    """Gives the values of the chosen names."""
    places = {name: place for place, name in enumerate(names)}
    return tf.gather(values, tf.constant([places[name] for name in chosen], tf.int32))


def mean_and_deviation(numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Learns the mean and the standard deviation of each column; missing values do not count."""
    # float64: the variance of large numbers drowns in float32's rounding.
    matrix = tf.cast(numbers, tf.float64)
    mean = tft.mean(matrix, reduce_instance_dims=False)
    variance = tft.var(matrix, reduce_instance_dims=False)
    return finite(tf.cast(mean, tf.float32)), not_zero(tf.cast(tf.sqrt(variance), tf.float32))


def low_and_high(numbers: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Learns the least and the greatest number of each column."""
    least = tf.constant(-math.inf, tf.float32)
    absent = tf.math.is_nan(numbers)
    both = tf.concat([tf.where(absent, least, -numbers), tf.where(absent, least, numbers)], axis=1)
    extremes = finite(tft.max(both, reduce_instance_dims=False))
    count = numbers.shape[1]
    return -extremes[:count], extremes[count:]


def medians(numbers: tf.Tensor) -> tf.Tensor:
    """Learns the median of each column."""
    bounds = tft.quantiles(
        numbers, num_buckets=2, epsilon=_MEDIAN_ERROR, reduce_instance_dims=False
    )
    return finite(tf.reshape(bounds, [numbers.shape[1]]))


def not_zero(spread: tf.Tensor) -> tf.Tensor:
    """A constant feature has no spread: dividing by one keeps it at zero."""
    usable = tf.logical_and(tf.math.is_finite(spread), spread > 1e-12)
    return tf.where(usable, spread, 1.0)


def finite(values: tf.Tensor) -> tf.Tensor:
    """0 where nothing was learned: a column without values has no mean."""
    return tf.where(tf.math.is_finite(values), values, 0.0)
