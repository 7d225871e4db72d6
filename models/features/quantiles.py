"""Quantiles of columns: learned as a table, and the maps that are made of it.

A table has the quantiles 0/128 to 128/128 of each column, a column a row. A value that many rows
share takes several places in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import NormalDist

import numpy as np
import tensorflow as tf
import tensorflow_transform as tft

from models.features.tensors import finite, low_and_high

BUCKETS = 128
LARGEST_SCORE = 3.5
"""The least and the greatest value of a column become this far from 0."""

_ERROR = 0.001
# Of a table's steps at either end: what lies in them lies outside of all bins.
_OUTSIDE = 2
# The interquartile range of the normal distribution, in standard deviations.
_NORMAL_RANGE = 1.349


def learn_table(numbers: tf.Tensor) -> tf.Tensor:
    """Learns the quantiles `[columns, BUCKETS + 1]` of `[batch, columns]`, NaN left out."""
    inner = tft.quantiles(numbers, num_buckets=BUCKETS, epsilon=_ERROR, reduce_instance_dims=False)
    inner = finite(tf.reshape(inner, [numbers.shape[1], BUCKETS - 1]))
    low, high = low_and_high(numbers)
    # The sketch is not exact at its ends.
    inner = tf.clip_by_value(inner, low[:, None], high[:, None])
    return tf.concat([low[:, None], inner, high[:, None]], axis=1)


def robust_bounds(table: tf.Tensor, widths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Gives the bounds that are `widths` robust deviations from each column's median.

    A column of which half the values are equal has no such deviation: it is bounded by its
    least and its greatest value.
    """
    lower, median, upper = (table[:, BUCKETS * part // 4] for part in (1, 2, 3))
    deviation = (upper - lower) / _NORMAL_RANGE
    spread = deviation > 0
    low = tf.where(spread, median - widths * deviation, table[:, 0])
    high = tf.where(spread, median + widths * deviation, table[:, -1])
    return low, high


def normal_scores(table: tf.Tensor) -> tf.Tensor:
    """Gives the normal score of each entry; entries that are equal share their middle rank."""
    first = tf.searchsorted(table, table, side="left")
    last = tf.searchsorted(table, table, side="right") - 1
    return tf.gather(tf.constant(_scores_of_half_ranks()), first + last)


def _scores_of_half_ranks() -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    """The normal scores of the ranks 0, 0.5, ... BUCKETS."""
    normal = NormalDist()
    least = normal.cdf(-LARGEST_SCORE)
    shares = [min(max(half / (2 * BUCKETS), least), 1 - least) for half in range(2 * BUCKETS + 1)]
    return np.array([normal.inv_cdf(share) for share in shares], np.float32)


def interpolate(matrix: tf.Tensor, table: tf.Tensor, scores: tf.Tensor) -> tf.Tensor:
    """Maps `[batch, columns]` by the straight lines between the points of each column.

    Args:
      matrix: What is mapped; beyond the first and the last point it gets their score.
      table: The points, in order: `[columns, points]`.
      scores: What they are mapped to.
    """
    values = tf.transpose(matrix)
    place = tf.searchsorted(table, values, side="right")
    place = tf.clip_by_value(place, 1, table.shape[1] - 1)
    below, above = _both_ends(table, place)
    width = above - below
    share = (values - below) / tf.where(width > 0, width, 1.0)
    low, high = _both_ends(scores, place)
    return tf.transpose(low + (high - low) * tf.clip_by_value(share, 0.0, 1.0))


def _both_ends(points: tf.Tensor, place: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    below = tf.gather(points, place - 1, batch_dims=1)
    return below, tf.gather(points, place, batch_dims=1)


def knots(table: tf.Tensor, bins: Sequence[int], *, inner: bool = False) -> tf.Tensor:
    """Gives the bounds of equally filled bins of each column; the last one fills the row up.

    Args:
      table: The quantiles of each column.
      bins: How many bins each has.
      inner: Whether the farthest 64th of the rows at either end lies outside of all bins, so that
        what is learned of the many is not drawn out to a few far values. A column that has one
        value in all other rows has its bins between its least and its greatest value.
    """
    most = max(bins)
    places = [
        [round(BUCKETS * min(place, count) / count) for place in range(most + 1)] for count in bins
    ]
    if inner:
        low, high = table[:, _OUTSIDE : _OUTSIDE + 1], table[:, BUCKETS - _OUTSIDE : -_OUTSIDE]
        spread = high > low
        low, high = tf.where(spread, low, table[:, :1]), tf.where(spread, high, table[:, -1:])
        table = tf.clip_by_value(table, low, high)
    return tf.gather(table, places, batch_dims=1)
