"""The network alone, behind one signature: numbers after the transform in, its output out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from models.compression.material import Opened

SIGNATURE = "serving_default"
OUTPUT = "output"


@dataclass(frozen=True)
class Port:
    """One input of a converted network.

    Attributes:
      feature: The transformed feature.
      tensor: Its name in the file: features have names that formats do not take.
      dtype: `float32`, or `int32` for ids.
      width: How many numbers a row has.
    """

    feature: str
    tensor: str
    dtype: str
    width: int


def ports(opened: Opened) -> list[Port]:
    """The inputs in the network's order."""
    return [
        Port(
            port.name,
            f"input_{index}",
            "float32" if port.kind == "dense" else "int32",
            port.size if port.kind == "dense" else 1,
        )
        for index, port in enumerate(opened.inputs)
    ]


def network_function(opened: Opened, network: Any, batch: int | None = None) -> Any:
    """A `tf.function` from tensors by name to the network's output."""
    entries = ports(opened)
    specs = {
        port.tensor: tf.TensorSpec([batch, port.width], port.dtype, name=port.tensor)
        for port in entries
    }

    @tf.function(input_signature=[specs], autograph=False)
    def predict(tensors: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        features = to_features(entries, tensors)
        return {OUTPUT: network(features, training=False)}

    return predict


def to_features(entries: list[Port], tensors: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    """Turns tensors by name into the network's inputs; ids are 64 bits wide there."""
    return {
        port.feature: tf.cast(tensors[port.tensor], tf.int64)
        if port.dtype == "int32"
        else tensors[port.tensor]
        for port in entries
    }


def to_tensors(entries: list[Port], features: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
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
