"""The unit in which a number is learned: of the label itself, its logarithm or its rank.

The network's last layers undo it, so that all that follows sees the label's own unit.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from contracts.arrays import Array
from models.tasks.output import OutputSpec

LabelScale = Literal["standard", "log1p", "quantile"]

LEAST_LOG1P = -1.0
"""Labels must be greater where `log1p` is learned."""

_POINTS = 65
_LARGEST_SCORE = 3.5
# Predictions may leave the range of train's labels by so much of it, in the unit learned.
_BEYOND = 0.5
_LEAST_RATIO = 1e-6
# The greatest logarithm of a float32.
_GREATEST_LOG = 88.0


def scaled_output(output: OutputSpec, scale: LabelScale, labels: Array) -> OutputSpec:
    """Gives what a network learns where the label is scaled; `labels` are train's."""
    if scale == "standard":
        return output
    points = _quantile_points(labels) if scale == "quantile" else ((), ())
    scaled = replace(output, scale=scale, scores=points[0], values=points[1])
    learned = (
        np.log1p(labels.astype(np.float64))
        if scale == "log1p"
        else np.interp(labels, scaled.values, scaled.scores)
    )
    deviation = float(np.std(learned))
    low, high = float(learned.min()), float(learned.max())
    margin = _BEYOND * (high - low) or 1.0
    return replace(
        scaled,
        mean=float(np.mean(learned)),
        deviation=deviation if deviation > 0 else 1.0,
        low=low - margin,
        high=min(high + margin, _GREATEST_LOG),
    )


def _quantile_points(labels: Array) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Normal scores and the labels that have them, both rising; ends that go on in a line."""
    normal = NormalDist()
    least = normal.cdf(-_LARGEST_SCORE)
    ranks = np.linspace(0.0, 1.0, _POINTS)
    values, place = np.unique(np.quantile(labels.astype(np.float64), ranks), return_inverse=True)
    # The middle rank of the points that a frequent label takes.
    shares = np.bincount(place, ranks) / np.bincount(place)
    scores = np.array([normal.inv_cdf(min(max(share, least), 1 - least)) for share in shares])
    if len(values) == 1:
        return (0.0, 1.0), (float(values[0]), float(values[0]) + 1.0)
    step = _BEYOND * (scores[-1] - scores[0])
    first = values[0] - step * (values[1] - values[0]) / (scores[1] - scores[0])
    last = values[-1] + step * (values[-1] - values[-2]) / (scores[-1] - scores[-2])
    return (
        (float(scores[0] - step), *map(float, scores), float(scores[-1] + step)),
        (float(first), *map(float, values), float(last)),
    )


def to_learned(output: OutputSpec, labels: Array) -> Array:
    """Gives labels in the unit that is learned."""
    numbers = labels.astype(np.float64)
    learned: Array = numbers
    if output.scale == "log1p":
        learned = np.log1p(numbers)
    if output.scale == "quantile":
        learned = np.interp(numbers, output.values, output.scores)
    return learned


def to_label(output: OutputSpec, learned: Array) -> Array:
    """Gives numbers of the learned unit in the label's own, within the network's bounds."""
    numbers: Array = learned
    if output.scale == "log1p":
        numbers = np.expm1(np.clip(learned, output.low, output.high))
    if output.scale == "quantile":
        numbers = np.interp(learned, output.scores, output.values)
    return numbers


def undo_scale(output: OutputSpec, layers: Any, learned: Any) -> Any:
    """The last layers of a network: from units of the deviation to the label's own."""
    if output.scale == "standard":
        return layers.Rescaling(output.deviation, output.mean, dtype="float32", name="prediction")(
            learned
        )
    if output.scale == "quantile":
        from models.features.layers import layer_classes

        scores = layers.Rescaling(output.deviation, output.mean, dtype="float32")(learned)
        line = layer_classes(layers.Layer)["line"]
        return line(output.scores, output.values, dtype="float32", name="prediction")(scores)
    # Bounded, so that the exponential is finite: layers that every converter knows.
    above = layers.Rescaling(output.deviation, output.mean - output.low, dtype="float32")(learned)
    bounded = layers.ReLU(max_value=output.high - output.low, dtype="float32")(above)
    grown = layers.Activation("exponential", dtype="float32")(bounded)
    return layers.Rescaling(math.exp(output.low), -1.0, dtype="float32", name="prediction")(grown)


def learned_error(output: OutputSpec, label: Any, predicted: Any) -> Any:
    """The error of predictions in units of the deviation of what is learned."""
    if output.scale == "standard":
        return (label - predicted) / output.deviation
    return (_learned(output, label) - _learned(output, predicted)) / output.deviation


def _learned(output: OutputSpec, values: Any) -> Any:
    import tensorflow as tf

    values = tf.cast(values, tf.float32)
    if output.scale == "log1p":
        return tf.math.log(tf.maximum(1.0 + values, _LEAST_RATIO))
    labels = tf.constant(output.values, tf.float32)
    place = tf.searchsorted(labels, tf.reshape(values, [-1]), side="right")
    place = tf.reshape(tf.clip_by_value(place, 1, len(output.values) - 1), tf.shape(values))
    low, high = tf.gather(labels, place - 1), tf.gather(labels, place)
    scores = tf.constant(output.scores, tf.float32)
    first, last = tf.gather(scores, place - 1), tf.gather(scores, place)
    return first + (last - first) * (values - low) / (high - low)
