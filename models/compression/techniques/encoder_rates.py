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


def slow_down(optimizer: Any, model: Any, shares: Mapping[str, float]) -> None:
    """Gives layers their learning rate, and takes the weight decay from them.

    Args:
      optimizer: Of tf_keras, before it is built.
      model: Wrappers around layers may have weights of their own, which learn as slowly.
      shares: From `hold_encoders`.
    """
    rates: dict[Any, float] = {}
    for layer in model.layers:
        share = shares.get(getattr(layer, "layer", layer).name)
        if share is not None:
            # A wrapper of quantisation trains its layer's kernel even where that is frozen.
            rates |= {optimizer._var_key(weight): share for weight in layer.trainable_weights}
    if not rates:
        return
    update, decays = optimizer.update_step, optimizer._use_weight_decay

    def update_step(gradient: Any, variable: Any) -> None:
        share = rates.get(optimizer._var_key(variable), 1.0)
        if share == 1.0:
            update(gradient, variable)
        elif share > 0.0:
            before = tf.identity(variable)
            update(gradient, variable)
            variable.assign(before + share * (variable - before))

    def use_weight_decay(variable: Any) -> bool:
        return optimizer._var_key(variable) not in rates and bool(decays(variable))

    optimizer.update_step = update_step
    optimizer._use_weight_decay = use_weight_decay
