"""A linear network of a forecast starts as the ridge regression of its features.

Neighbouring lags hardly differ, so that what tells them apart varies a thousand times less than
their mean: steps of one size for every weight need many epochs to learn of it. One pass over
train and a system of equations give these weights at once; the steps that follow change them from
the least squares to the quantiles of the loss.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from contracts.arrays import Array
from models.data.dataset import Split, ordered_batches
from models.networks import OutputSpec
from models.networks.linear import LinearSpec
from models.networks.memory import rows_at_once
from models.tasks import find_task
from models.tasks.forecast import point_forecast

_LOG = logging.getLogger(__name__)

# On the squares of the weights of standardised features, in shares of the rows. The strongest
# leave little but the season before: spikes in train lead least squares astray.
_PENALTIES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 0.3, 1.0, 10.0)
# What val says of penalties is little: of those that do as well, the strongest one varies least.
_AS_GOOD = 1.01
_MOST_FEATURES = 2_000
_LEAST_DEVIATION = 1e-6
_NO_PENALTY = 1e-9


def can_start_as_ridge(spec: Any, output: OutputSpec) -> bool:
    """Whether a network is one layer that gives a forecast."""
    return isinstance(spec, LinearSpec) and find_task(output.task).takes_steps


def start_as_ridge(
    network: Any,
    output: OutputSpec,
    train: Split,
    val_loss: Callable[[], float] | None,
    penalty: float | None = None,
) -> float | None:
    """Sets the weights of the head, and gives the penalty that they were learned with.

    Where encoders have weights to learn as well, or the equations are too many, nothing is set.

    Args:
      network: One for which `can_start_as_ridge` holds, as it was built.
      output: What it predicts.
      train: The rows to learn from.
      val_loss: Gives the loss on val of the network as it is now, to choose the penalty by.
      penalty: The penalty, where there is no val.
    """
    heads = {layer.name for layer in network.layers if layer.trainable_weights}
    size = network.get_layer("median").input.shape[-1]
    if heads != {"median", *_distances(output.quantiles)} or size > _MOST_FEATURES:
        return None
    if val_loss is None and penalty is None:
        return None
    equations = _equations(network, output, train)
    if val_loss is not None:
        losses = {}
        for share in _PENALTIES:
            _set_head(network, output, equations, share)
            losses[share] = val_loss()
        bound = _AS_GOOD * min(losses.values())
        penalty = max(share for share, loss in losses.items() if loss <= bound)
    assert penalty is not None
    _set_head(network, output, equations, penalty)
    _LOG.info("the network starts as a ridge regression with a penalty of %g", penalty)
    return penalty


@dataclass(frozen=True)
class _Equations:
    """The normal equations of a weighted regression; the last feature is the constant 1.

    Attributes:
      products: `[features, features]`.
      answers: `[features, horizon]`, with what is to be learned.
      squares: By step, the sum of the squares of what is to be learned.
      weight: The sum of all weights.
    """

    products: Array
    answers: Array
    squares: Array
    weight: float

    def solve(self, share: float) -> tuple[Array, Array]:
        """The weights, the constant last, and by step the deviation of what they leave."""
        mean = self.products[-1] / self.weight
        variances = np.diag(self.products) / self.weight - mean**2
        penalties = share * self.weight * np.maximum(variances, _NO_PENALTY)
        # What does not vary has no weight; the constant is free.
        penalties[variances <= _LEAST_DEVIATION**2] = self.weight
        penalties[-1] = _NO_PENALTY * self.weight
        weights = np.linalg.solve(self.products + np.diag(penalties), self.answers)
        left = self.squares - 2 * (weights * self.answers).sum(axis=0)
        left += (weights * (self.products @ weights)).sum(axis=0)
        return weights, np.sqrt(np.maximum(left / self.weight, _LEAST_DEVIATION**2))


def _equations(network: Any, output: OutputSpec, train: Split) -> _Equations:
    size = network.get_layer("median").input.shape[-1] + 1
    products, answers = np.zeros([size, size]), np.zeros([size, output.horizon])
    squares, weight = np.zeros(output.horizon), 0.0
    for features, factors, wanted in _rows(network, output, train):
        scaled = np.append(features, np.ones([len(features), 1]), axis=1) * factors
        products += scaled.T @ scaled
        answers += scaled.T @ wanted
        squares += (wanted**2).sum(axis=0)
        weight += float((factors**2).sum())
    return _Equations(products, answers, squares, weight)


def _rows(network: Any, output: OutputSpec, split: Split) -> Iterator[tuple[Array, Array, Array]]:
    """By batch: what the head takes, what its answer is multiplied by, and what is left to learn.

    A forecast is the head's answer times a factor of its row, plus the season before and the
    level: both are seen where the answer is 0, and where it is 1.
    """
    median = network.get_layer("median")
    both = keras.Model(network.input, [median.input, network.output])

    @tf.function(reduce_retracing=True)
    def ask(matrices: dict[str, tf.Tensor], constant: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        median.bias.assign(tf.fill([output.horizon], constant))
        features, predicted = both(split.features(matrices), training=False)
        return features, predicted

    median.kernel.assign(np.zeros(median.kernel.shape))
    for matrices, labels in ordered_batches(
        split, rows_at_once(network, split.call_rows), packed=True
    ):
        features, at_zero = (tensor.numpy() for tensor in ask(matrices, tf.constant(0.0)))
        start = point_forecast(at_zero, output.horizon).astype(np.float64)
        at_one = point_forecast(ask(matrices, tf.constant(1.0))[1].numpy(), output.horizon)
        factors = (at_one - start)[:, :1]
        yield features.astype(np.float64), factors, labels.numpy() - start


def _set_head(network: Any, output: OutputSpec, equations: _Equations, share: float) -> None:
    """The median, and the levels around it as far apart as those of a normal distribution."""
    weights, deviation = equations.solve(share)
    median = network.get_layer("median")
    median.kernel.assign(weights[:-1])
    median.bias.assign(weights[-1])
    for name, distance in _distances(output.quantiles).items():
        layer = network.get_layer(name)
        layer.kernel.assign(np.zeros(layer.kernel.shape))
        layer.bias.assign(distance * deviation)


def _distances(quantiles: Sequence[float]) -> dict[str, float]:
    """By layer, how many deviations each level is from the next one on the way to the median."""
    places = [NormalDist().inv_cdf(level) for level in quantiles]
    middle = len(places) // 2
    below = {f"below_{i}": places[middle - i + 1] - places[middle - i] for i in _upto(middle)}
    above = {f"above_{i}": places[middle + i] - places[middle + i - 1] for i in _upto(middle)}
    return below | above


def _upto(count: int) -> range:
    return range(1, count + 1)
