"""A small convolutional network over features that are the pixels of an image."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field
from typing_extensions import Self

from contracts.errors import ConfigError
from models.networks import parts
from models.networks.hidden import HiddenSpec, dense_block, scaled
from models.networks.ports import InputSpec, OutputSpec


class CnnSpec(HiddenSpec):
    """A small convolutional network over features that are the pixels of an image.

    Attributes:
      shape: Height, width and channels; the features in this order, row by row.
      filters: The filters of each convolution; every one halves height and width.
      kernel: The filters' height and width.
      units: The dense layers after the convolutions.
    """

    kind: Literal["cnn"]
    shape: tuple[int, int, int]
    filters: tuple[int, ...] = Field((16, 32), min_length=1)
    kernel: int = Field(3, ge=1)
    units: tuple[int, ...] = Field((64,), min_length=1)

    def widths(self) -> tuple[int, ...]:
        """The units, and the filters."""
        return (*self.units, *self.filters)

    def student(self, scale: float, members: int | None) -> Self:
        """Fewer units, and fewer filters."""
        student = super().student(scale, members)
        return student.model_copy(update={"filters": scaled(self.filters, scale)})

    def build(self, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any) -> Any:
        """Convolutions and dense blocks; see `NetworkKind`.

        Raises:
          ConfigError: the features are not the pixels of an image of the spec's shape.
        """
        _check_pixels(self, inputs)
        layers = keras_module.layers
        entries, joined = parts.joined_features(inputs, keras_module)
        hidden = layers.Reshape(self.shape, name="image")(joined)
        for index, filters in enumerate(self.filters):
            hidden = _convolution(hidden, filters, self, keras_module, f"convolution_{index}")
        hidden = layers.Flatten(name="flat")(hidden)
        for index, units in enumerate(self.units):
            hidden = dense_block(hidden, units, self, keras_module, f"block_{index}")
        outputs = parts.head(output, layers)(hidden)
        return keras_module.Model(inputs=entries, outputs=outputs, name="cnn")


def _convolution(tensor: Any, filters: int, spec: CnnSpec, keras_module: Any, name: str) -> Any:
    layers = keras_module.layers
    tensor = layers.Conv2D(
        filters, spec.kernel, padding="same", use_bias=not spec.batch_norm, name=name
    )(tensor)
    if spec.batch_norm:
        tensor = layers.BatchNormalization(name=f"{name}_norm")(tensor)
    tensor = layers.Activation(spec.activation, name=f"{name}_activation")(tensor)
    return layers.MaxPooling2D(2, padding="same", name=f"{name}_pooling")(tensor)


def _check_pixels(spec: CnnSpec, inputs: Sequence[InputSpec]) -> None:
    width = sum(port.size for port in inputs)
    others = [
        port.name
        for port in inputs
        if port.encoding.design != "numbers"
        or port.encoding.to_numbers is not None
        or port.encoding.encode is None
    ]
    if others or width != math.prod(spec.shape):
        raise ConfigError(
            "the features are not the pixels that network.shape tells of",
            where="network.shape",
            expected=f"{math.prod(spec.shape)} numbers: {' x '.join(map(str, spec.shape))}",
            received=f"{others[0]!r}, which is encoded" if others else f"{width} numbers",
            fix="correct network.shape, or choose the network kind mlp",
        )
