"""Quantisation-aware training: weights that have felt the rounding to eight bits."""

from __future__ import annotations

from typing import Any

import tf_keras

from models.compression.spec import QatSpec
from models.compression.techniques.legacy import Bench, Weights, fine_tune, under_tf_keras


@under_tf_keras
def train_aware(bench: Bench, spec: QatSpec) -> Weights:
    """Trains Dense and Conv2D layers on under fake quantisation.

    Returns:
      The bench's own model with the trained weights, and the history.
    """
    from tensorflow_model_optimization.quantization.keras import (
        quantize_annotate_layer,
        quantize_apply,
    )

    kinds = (tf_keras.layers.Dense, tf_keras.layers.Conv2D)

    def wrap(layer: Any) -> Any:
        return quantize_annotate_layer(layer) if isinstance(layer, kinds) else layer

    annotated = tf_keras.models.clone_model(bench.model, clone_function=wrap)
    model = quantize_apply(annotated)
    history = fine_tune(bench, model, spec)
    trained = {str(layer.name).removeprefix("quant_"): layer for layer in model.layers}
    for layer in bench.model.layers:
        if layer.weights:
            layer.set_weights(_own_weights(trained[layer.name], layer))
    return bench.model, history


def _own_weights(trained: Any, layer: Any) -> list[Any]:
    """A wrapper's layer lost its kernel to the wrapper while it was trained."""
    inner = getattr(trained, "layer", None)
    if inner is None:
        weights: list[Any] = trained.get_weights()
        return weights
    names = [_last(weight.name) for weight in layer.weights]
    found = {_last(weight.name): weight for weight in (*trained.weights, *inner.weights)}
    return [found[name].numpy() for name in names]


def _last(name: str) -> str:
    return name.rsplit("/", maxsplit=1)[-1].split(":", maxsplit=1)[0]
