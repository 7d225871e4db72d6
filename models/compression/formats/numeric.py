"""The network alone, behind one signature: numbers after the transform in, its output out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf

from contracts.artifact import TensorInput
from models.compression.training_artifacts import Opened
from models.export.canonical_graph import write_canonical_graph

SIGNATURE = "serving_default"
OUTPUT = "output"


def ports(opened: Opened) -> list[TensorInput]:
    """The inputs in the network's order."""
    return [
        TensorInput(
            feature=port.name,
            tensor=f"input_{index}",
            dtype="float32" if port.encoding.dtype == "float32" else "int32",
            width=math.prod(port.row_shape),
            shape=port.row_shape if len(port.row_shape) > 1 else None,
        )
        for index, port in enumerate(opened.inputs)
    ]


def network_function(opened: Opened, network: Any) -> Any:
    """A `tf.function` from tensors by name to the network's output."""
    entries = ports(opened)
    body = plain_network(opened, network)
    specs = {
        entry.tensor: tf.TensorSpec([None, *entry.row_shape], entry.dtype, name=entry.tensor)
        for entry in entries
    }

    @tf.function(input_signature=[specs], autograph=False)
    def predict(tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        return {OUTPUT: body(to_features(entries, tensors))}

    return predict


def plain_network(opened: Opened, network: Any) -> Callable[[Mapping[str, tf.Tensor]], tf.Tensor]:
    """The network with its one-hot layers replaced by plain arithmetic.

    Keras's layer turns ids into floats on the way. A full int8 conversion would round those,
    and take one category for its neighbour.
    """
    import keras

    starts, sizes = dict(network.input), {}
    for port in opened.inputs:
        if port.kind == "one_hot":
            layer = _one_hot_layer(network, starts[port.name])
            if layer is not None:
                starts[port.name], sizes[port.name] = layer.output, port.size
    body = keras.Model(starts, network.output, name=network.name)

    def predict(features: Mapping[str, tf.Tensor]) -> tf.Tensor:
        encoded = {
            name: _one_hot(value, sizes[name]) if name in sizes else value
            for name, value in features.items()
        }
        return body(encoded, training=False)

    return predict


def _one_hot(ids: tf.Tensor, size: int) -> tf.Tensor:
    """`[batch, 1]` to `[batch, size]`, in arithmetic of integers.

    Fully converted to int8, the operator ONE_HOT gives its ones and zeros in a scale of their
    own, and they are read in the scale of its output: 1 became 4.5, and 0 became -3.9. The
    converter puts it in the place of a comparison with a range, too.
    """
    distance = ids - tf.range(size, dtype=ids.dtype)
    return tf.cast(1 - tf.minimum(distance * distance, 1), tf.float32)


def _one_hot_layer(network: Any, entry: Any) -> Any:
    """The one-hot layer that is all that reads an input; a user's network may read it elsewhere."""
    import keras

    readers = [
        layer
        for layer in network.layers
        if any(tensor is entry for tensor in keras.tree.flatten(layer.input))
        and not isinstance(layer, keras.layers.InputLayer)
    ]
    alone = len(readers) == 1 and isinstance(readers[0], keras.layers.CategoryEncoding)
    return readers[0] if alone else None


def without_loops(network: Any) -> Any:
    """The network with its recurrent layers unrolled, step by step.

    The TFLite converter cannot turn their loops into built-in operators: the lists that these
    write to have a size that is not known.
    """
    import keras

    kinds = (keras.layers.GRU, keras.layers.LSTM, keras.layers.SimpleRNN)

    def is_loop(layer: Any) -> bool:
        return isinstance(layer, kinds) and not layer.unroll

    if not any(map(is_loop, network.layers)):
        return network

    def copy(layer: Any) -> Any:
        more = {"unroll": True} if is_loop(layer) else {}
        return type(layer).from_config({**layer.get_config(), **more})

    plain = keras.models.clone_model(network, clone_function=copy)
    plain.set_weights(network.get_weights())
    return plain


def to_features(
    entries: list[TensorInput], tensors: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Turns tensors by name into the network's inputs; ids are 64 bits wide there."""
    return {
        port.feature: tf.cast(tensors[port.tensor], tf.int64)
        if port.dtype == "int32"
        else tensors[port.tensor]
        for port in entries
    }


def to_tensors(
    entries: list[TensorInput], features: Mapping[str, tf.Tensor]
) -> dict[str, tf.Tensor]:
    """Turns transformed features into tensors by name."""
    return {port.tensor: tf.cast(features[port.feature], port.dtype) for port in entries}


def save_network(opened: Opened, network: Any, folder: Path) -> None:
    """Writes the network alone as a SavedModel, its variables tracked.

    Untracked ones are dropped by converters without a word.
    """
    module = tf.Module()
    module.variables_of_network = [variable.value for variable in network.variables]
    function = network_function(opened, network)
    tf.saved_model.save(module, str(folder), signatures={SIGNATURE: function})
    write_canonical_graph(folder)  # converters follow its order
