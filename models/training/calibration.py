"""Temperature scaling: one number, learned on val, that makes probabilities mean what they say.

The scores before the last activation are divided by it (Guo et al., "On Calibration of
Modern Neural Networks", 2017). The order of the rows, and for several classes the winner,
stay as they are. The number is folded into the weights of the last layer, so that the
SavedModel has no operation more.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from contracts.arrays import Array
from contracts.results.training import TemperatureScaling

BINS = 15
_LIMITS = (0.05, 20.0)  # where val is separated without an error, nothing else would bound it


def calibrate(network: Any, batches: Iterable[Any], labels: Array) -> TemperatureScaling:
    """Learns the temperature of a network and folds it into its last layer.

    Args:
      network: A Keras network for classes; its last layer is dense. It is changed.
      batches: `(features, label)` batches of val.
      labels: The label ids, in the order of the batches.
    """
    logits = _logits(network, batches)
    temperature = find_temperature(logits, labels)
    divide_scores(network, temperature)
    before, after = probabilities(logits), probabilities(logits / temperature)
    return TemperatureScaling(
        temperature=temperature,
        log_loss_before=_log_loss(logits, labels),
        log_loss_after=_log_loss(logits / temperature, labels),
        error_before=calibration_error(before, labels),
        error_after=calibration_error(after, labels),
    )


def divide_scores(network: Any, temperature: float) -> None:
    """Divides the scores before the last activation, in place, by a temperature."""
    last = network.layers[-1]
    last.set_weights([weights / np.float32(temperature) for weights in last.get_weights()])


def find_temperature(logits: Array, labels: Array) -> float:
    """Gives the temperature, within bounds, that has the smallest log loss.

    Args:
      logits: Log-odds of the second class `[rows]`, or a logit a class `[rows, classes]`.
      labels: The label ids.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return _log_loss(logits / math.exp(log_temperature), labels)

    low, high = map(math.log, _LIMITS)
    found = minimize_scalar(loss, bounds=(low, high), method="bounded", options={"xatol": 1e-5})
    # The search never tries exactly 1, and must not do worse than leaving it alone.
    return math.exp(found.x) if found.fun < loss(0.0) else 1.0


def probabilities(logits: Array) -> Array:
    """P(second class) from log-odds `[rows]`, class probabilities from `[rows, classes]`."""
    from scipy.special import expit, softmax

    given: Array = expit(logits) if logits.ndim == 1 else softmax(logits, axis=1)
    return given


def calibration_error(predicted: Array, labels: Array) -> float:
    """The expected calibration error, over bins of equal width.

    Args:
      predicted: P(second class) `[rows]`, compared with the share of that class; or class
        probabilities `[rows, classes]`, the winner's compared with how often it is right.
      labels: The label ids.
    """
    sure = predicted if predicted.ndim == 1 else predicted.max(axis=1)
    right = labels == (1 if predicted.ndim == 1 else predicted.argmax(axis=1))
    place = np.minimum((sure * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(place, weights=sure.astype(np.float64) - right, minlength=BINS)
    return float(np.abs(gaps).sum() / len(labels))


def _log_loss(logits: Array, labels: Array) -> float:
    """From scores, not from probabilities: the logarithm of 0 never comes up."""
    from scipy.special import logsumexp

    if logits.ndim == 1:
        return float(np.logaddexp(0.0, np.where(labels == 1, -logits, logits)).mean())
    chosen = np.take_along_axis(logits, labels[:, None].astype(np.int64), axis=1)[:, 0]
    return float((logsumexp(logits, axis=1) - chosen).mean())


def _logits(network: Any, batches: Iterable[Any]) -> Array:
    import keras

    last = network.layers[-1]
    kernel, bias = (weights.astype(np.float64) for weights in last.get_weights())
    body = keras.Model(network.input, last.input)

    @tf.function(reduce_retracing=True, autograph=False)
    def step(features: dict[str, tf.Tensor]) -> tf.Tensor:
        return body(features, training=False)

    with tf.device("/CPU:0"):
        hidden = np.concatenate([step(features).numpy() for features, _ in batches])
    logits: Array = hidden.astype(np.float64) @ kernel + bias
    return logits[:, 0] if logits.shape[1] == 1 else logits
