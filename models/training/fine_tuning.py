"""Layers that start from other weights: frozen first, then tuned at a rate of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from models.networks import InputSpec


@dataclass(frozen=True)
class TunedWeight:
    """A weight that started from another value than chance gives.

    Attributes:
      weight: Under Keras 3.
      frozen_steps: For how many steps it stays as it is.
      rate: Its learning rate afterwards, as a share of that of all others.
    """

    weight: Any
    frozen_steps: int
    rate: float


class FineTuning:
    """The layers that started from other weights.

    A batch normalisation among them stays in inference mode: its statistics are of more data
    than are learned from now.

    Attributes:
      weights: What is trained of these layers.
    """

    def __init__(self, network: Any, inputs: Sequence[InputSpec], steps_per_epoch: int) -> None:
        """Puts the weights into the network.

        Args:
          network: Under Keras 3, before it is compiled.
          inputs: Its inputs: some bring weights.
          steps_per_epoch: For how long layers are frozen.
        """
        self.weights: list[TunedWeight] = []
        for port in inputs:
            pretrained = port.encoding.pretrained
            if pretrained is None:
                continue
            pretrained.start(network)
            steps = pretrained.frozen_epochs * steps_per_epoch
            for layer in pretrained.tuned_layers(network):
                freeze_norms(layer, keras)
                self.weights += [
                    TunedWeight(weight, steps, pretrained.rate)
                    for weight in layer.trainable_weights
                ]


class TuningOptimizer(keras.optimizers.Optimizer):
    """What an optimizer has beside its own: a learning rate for each of some weights.

    Its other base is the optimizer's class.
    """

    def tune(self, weights: Sequence[TunedWeight]) -> None:
        """Gives weights their learning rate.

        Args:
          weights: Of the network.
        """
        self._tuned = {
            self._var_key(tuned.weight): (tuned.frozen_steps, tuned.rate) for tuned in weights
        }

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """Takes the optimizer's step, at the weight's own rate."""
        if self._var_key(variable) in self._tuned:
            frozen_steps, rate = self._tuned[self._var_key(variable)]
            frozen = tf.cast(self.iterations, tf.int64) < frozen_steps
            share = tf.where(frozen, 0.0, rate)
            learning_rate = tf.cast(learning_rate, tf.float32) * share
        super().update_step(gradient, variable, learning_rate)


def freeze_norms(layer: Any, keras_module: Any) -> None:
    """Leaves the statistics of a layer's batch normalisations, and what they learned, as they are.

    Args:
      layer: Of a network.
      keras_module: Which Keras it is of.
    """
    for part in layer._flatten_layers():
        if isinstance(part, keras_module.layers.BatchNormalization):
            part.trainable = False
