"""A small convolutional network over features that are the pixels of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from contracts.errors import ConfigError
from models.features.ports import JointEncoding
from models.networks import parts
from models.networks.ports import InputSpec, OutputSpec
from models.networks.spec import CnnSpec


def build(spec: CnnSpec, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any) -> Any:
    """Builds the network; see models/networks/mlp.py for inputs and outputs.

    Raises:
      ConfigError: the features are not the pixels of an image of the spec's shape.
    """
    _check_pixels(spec, inputs)
    layers = keras_module.layers
    entries, joined = parts.joined_features(inputs, keras_module)
    hidden = layers.Reshape(spec.shape, name="image")(joined)
    for index, filters in enumerate(spec.filters):
        hidden = _block(index, filters, spec, keras_module)(hidden)
    hidden = layers.Flatten(name="flat")(hidden)
    for index, units in enumerate(spec.units):
        hidden = parts.dense_block(index, units, spec, keras_module)(hidden)
    outputs = parts.head(output, layers)(hidden)
    return keras_module.Model(inputs=entries, outputs=outputs, name="cnn")


def _block(index: int, filters: int, spec: CnnSpec, keras_module: Any) -> Any:
    layers = keras_module.layers
    steps = [layers.Conv2D(filters, spec.kernel, padding="same", use_bias=not spec.batch_norm)]
    if spec.batch_norm:
        steps.append(layers.BatchNormalization())
    steps += [layers.Activation(spec.activation), layers.MaxPooling2D(2, padding="same")]
    return keras_module.Sequential(steps, name=f"convolution_{index}")


def _check_pixels(spec: CnnSpec, inputs: Sequence[InputSpec]) -> None:
    width = sum(port.size for port in inputs)
    others = [
        port.name
        for port in inputs
        if port.encoding.design != "numbers" or isinstance(port.encoding, JointEncoding)
    ]
    if others or width != math.prod(spec.shape):
        raise ConfigError(
            "the features are not the pixels that network.shape tells of",
            where="network.shape",
            expected=f"{math.prod(spec.shape)} numbers: {' x '.join(map(str, spec.shape))}",
            received=f"{others[0]!r}, which is encoded" if others else f"{width} numbers",
            fix="correct network.shape, or choose the network kind mlp",
        )
