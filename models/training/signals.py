"""What a network shows after its fit: how its layers move, which units are silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from contracts.arrays import Array
from models.data.dataset import Split, ordered_batches
from models.networks import OutputSpec
from models.networks.memory import rows_at_once
from models.tasks import find_task
from models.training.diagnosis import Signals

_ROWS = 512


def collect_signals(
    network: Any, output: OutputSpec, train: Split, val: Split, shares: Mapping[str, Any]
) -> Signals:
    """Runs a batch of val through the network, and one of train there and back.

    Args:
      network: After the fit.
      output: What it predicts.
      train: For the gradient.
      val: For the units.
      shares: `predicted` and `labels` of `Signals`, for classes.
    """
    with tf.device("/CPU:0"):
        rows = rows_at_once(network, _ROWS)
        features, label = next(iter(ordered_batches(train, rows)))
        movement = layer_movement(network, output, features, label)
        features, _ = next(iter(ordered_batches(val, rows)))
        return Signals(movement, silent_units(network, features), **shares)


def layer_movement(network: Any, output: OutputSpec, features: Any, label: Any) -> dict[str, float]:
    """By hidden layer, in order: the gradient's norm, divided by that of its weights.

    The last layers are left out: theirs may be a thousand times that of any other in a network
    that learns well, a pretrained one for instance.
    """
    last = {id(weight) for layer in _last_layers(network) for weight in layer.weights}
    kernels = [
        variable
        for variable in network.trainable_variables
        if variable.path.endswith("kernel")
        and len(variable.shape) == 2
        and id(variable) not in last
    ]
    loss = find_task(output.task).loss(output, keras)
    with tf.GradientTape() as tape:
        value = tf.reduce_mean(loss(label, network(features, training=False)))
    gradients = tape.gradient(value, [kernel.value for kernel in kernels])
    return {
        kernel.path.removesuffix("/kernel"): float(
            tf.norm(gradient) / tf.maximum(tf.norm(kernel.value), 1e-12)
        )
        for kernel, gradient in zip(kernels, gradients, strict=True)
        if gradient is not None
    }


def _last_layers(network: Any) -> Iterator[Any]:
    """The layers with weights from which layers without any lead to the outputs."""
    pending = keras.tree.flatten(network.outputs)
    passed = set()
    while pending:
        tensor = pending.pop()
        layer, node, _ = tensor._keras_history
        if id(tensor) in passed:
            continue
        passed.add(id(tensor))
        if layer.weights:
            yield from _last_layers(layer) if isinstance(layer, keras.Model) else [layer]
        else:
            pending += layer._inbound_nodes[node].input_tensors


def silent_units(network: Any, features: Any) -> dict[str, float]:
    """By layer of relu units: the share of units that are 0 for every row."""
    silent: dict[str, float] = {}

    def record(layer: Any, values: Any) -> None:
        active = tf.reduce_any(values > 0, axis=list(range(values.shape.rank - 1)))
        silent[layer] = float(1.0 - tf.reduce_mean(tf.cast(active, tf.float32)))

    with _recorded(network, record):
        network(features, training=False)
    return silent


@contextmanager
def _recorded(network: Any, record: Any) -> Iterator[None]:
    """Has every layer of relu units hand over its result, wherever it is nested."""
    relu = keras.activations.relu
    layers = {
        f"{top.name}/{layer.name}": layer
        for top in network.layers
        for layer in top._flatten_layers()
        if getattr(layer, "activation", None) is relu
    }

    def recording(name: str) -> Any:
        def activation(values: Any) -> Any:
            result = relu(values)
            record(name, result)
            return result

        return activation

    try:
        for name, layer in layers.items():
            layer.activation = recording(name)
        yield
    finally:
        for layer in layers.values():
            layer.activation = relu


def class_shares(names: list[str], classes: Array, labels: Array) -> dict[str, dict[str, float]]:
    """The share of rows that each class is predicted for, and has."""
    return {
        key: dict(
            zip(
                names,
                np.bincount(ids.astype(np.int64), minlength=len(names)) / len(ids),
                strict=True,
            )
        )
        for key, ids in (("predicted", classes), ("labels", labels))
    }
