"""Layers that start from other weights: frozen first, then tuned at a rate of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from models.networks import InputSpec


class FineTuning:
    """The learning rate of the layers that started from other weights.

    A batch normalisation among them stays in inference mode: its statistics are of more data
    than are learned from now.
    """

    def __init__(self, network: Any, inputs: Sequence[InputSpec], steps_per_epoch: int) -> None:
        """Puts the weights into the network.

        Args:
          network: Under Keras 3, before it is compiled.
          inputs: Its inputs: some bring weights.
          steps_per_epoch: For how long layers are frozen.
        """
        self._steps = steps_per_epoch
        self._tuned: list[tuple[Any, int, float]] = []
        for port in inputs:
            pretrained = port.encoding.pretrained
            if pretrained is None:
                continue
            pretrained.start(network)
            for layer in pretrained.tuned_layers(network):
                freeze_norms(layer, keras)
                self._tuned += [
                    (weight, pretrained.frozen_epochs, pretrained.rate)
                    for weight in layer.trainable_weights
                ]

    def slow_down(self, optimizer: Any) -> None:
        """Gives the layers their learning rate, and takes the weight decay from them.

        Args:
          optimizer: Before it is built.
        """
        if not self._tuned:
            return
        rates: Mapping[Any, tuple[int, float]] = {
            optimizer._var_key(weight): (epochs, rate) for weight, epochs, rate in self._tuned
        }
        update, decays = optimizer.update_step, optimizer._use_weight_decay

        def update_step(gradient: Any, variable: Any, learning_rate: Any) -> None:
            key = optimizer._var_key(variable)
            if key in rates:
                epochs, rate = rates[key]
                frozen = tf.cast(optimizer.iterations, tf.int64) < epochs * self._steps
                share = tf.where(frozen, 0.0, rate)
                learning_rate = tf.cast(learning_rate, tf.float32) * share
            update(gradient, variable, learning_rate)

        def use_weight_decay(variable: Any) -> bool:
            return optimizer._var_key(variable) not in rates and bool(decays(variable))

        optimizer.update_step = update_step
        optimizer._use_weight_decay = use_weight_decay


def freeze_norms(layer: Any, keras_module: Any) -> None:
    """Leaves the statistics of a layer's batch normalisations, and what they learned, as they are.

    Args:
      layer: Of a network.
      keras_module: Which Keras it is of.
    """
    for part in layer._flatten_layers():
        if isinstance(part, keras_module.layers.BatchNormalization):
            part.trainable = False
