"""The learning rate of encoders that start from other weights, where a network is trained again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tf_keras

from models.compression.training_artifacts import Opened
from models.training.fine_tuning import freeze_norms


def hold_encoders(opened: Opened, model: Any) -> dict[str, float]:
    """Freezes what training left frozen, and gives the share of the rate of encoders' layers.

    The head has been trained, so that no epoch is needed in which all of an encoder is frozen.

    Args:
      opened: The training artifacts.
      model: The network under tf_keras.

    Returns:
      By layer, its learning rate as a share of that of all others.
    """
    epochs = opened.artifacts.trainer.training.epochs
    shares: dict[str, float] = {}
    for port in opened.inputs:
        pretrained = port.encoding.pretrained
        if pretrained is None:
            continue
        tuned = pretrained.tuned_layers(model)
        for layer in tuned:
            freeze_norms(layer, tf_keras)
            layer.trainable = layer.trainable and pretrained.frozen_epochs < epochs
        shares |= {
            layer.name: pretrained.rate if layer.trainable else 0.0
            for layer in model.layers
            if layer.name.startswith(f"{pretrained.prefix}_")
        }
    return shares


class EncoderAdamW(tf_keras.optimizers.AdamW):
    """AdamW with a learning rate of its own for layers, and no weight decay on these."""

    def __init__(self, model: Any, shares: Mapping[str, float], *args: Any, **kwargs: Any) -> None:
        """Looks up which weights are of these layers.

        Args:
          model: Wrappers around layers may have weights of their own, which learn as slowly.
          shares: From `hold_encoders`.
          *args: Of AdamW.
          **kwargs: Of AdamW.
        """
        super().__init__(*args, **kwargs)
        rates: dict[Any, float] = {}
        for layer in model.layers:
            share = shares.get(getattr(layer, "layer", layer).name)
            if share is not None:
                # A wrapper of quantisation trains its layer's kernel even where that is frozen.
                rates |= {self._var_key(weight): share for weight in layer.trainable_weights}
        self._rates = rates

    def update_step(self, gradient: Any, variable: Any) -> None:
        """Takes the weight's share of AdamW's step."""
        share = self._rates.get(self._var_key(variable), 1.0)
        if share == 1.0:
            super().update_step(gradient, variable)
        elif share > 0.0:
            before = tf.identity(variable)
            super().update_step(gradient, variable)
            variable.assign(before + share * (variable - before))

    def _use_weight_decay(self, variable: Any) -> bool:
        return self._var_key(variable) not in self._rates and bool(
            super()._use_weight_decay(variable)
        )
