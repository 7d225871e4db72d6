"""A transformed feature as it enters a network: plain data, free of TensorFlow."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from models.encoders.pretrained import Pretrained


@dataclass(frozen=True)
class Encoding:
    """How a port's values become a tensor `[batch, width]` of the network.

    Attributes:
      dtype: The values' type.
      encode: From the port, its tensor and the Keras module to the encoded tensor; None where
        `encode_together` does it.
      design: What the values are to the baseline models: numbers, ids below the port's size,
        or the ids of a bag of tokens, 0 for none; None where those models cannot take them.
      to_numbers: From a row's values of any shape to the port's `size` numbers, for the
        baseline models; None where the values are these numbers.
      augment: Makes what changes batches of training, such as
        `models.encoders.images.augment.Augmenter`; None changes nothing.
      pretrained: The weights that the encoder's layers start from; None draws them at random.
      student: From the share of the width that is left to what a student's network encodes by;
        None is the same encoder.
      encode_together: From the ports of one group, their tensors and the Keras module to the
        encoded tensors, one for each port: a layer for each port would cost more than the layers
        that follow, on many columns.
      group: Ports whose groups are equal are encoded together.
    """

    dtype: Literal["float32", "int64"]
    encode: Callable[[InputSpec, Any, Any], Any] | None
    design: Literal["numbers", "ids", "bag"] | None = None
    to_numbers: Callable[[Any], Any] | None = None
    augment: Callable[[], Any] | None = None
    pretrained: Pretrained | None = None
    student: Callable[[float], Callable[[InputSpec, Any, Any], Any]] | None = None
    encode_together: Callable[[Sequence[InputSpec], Sequence[Any], Any], list[Any]] | None = None
    group: Hashable = None


@dataclass(frozen=True)
class InputSpec:
    """One transformed feature as it enters a network.

    Attributes:
      name: The feature's name after the transform.
      kind: A key of `ENCODINGS`, or a name for the port's own encoding.
      size: How many numbers a row has, or how many ids there are.
      dimension: The embedding's width; None derives it from `size`.
      shape: The shape of a row's values; None is that of the kind.
      own: An encoding that `ENCODINGS` lacks.
      knots: The bounds of the bins of a number that is encoded by them.
    """

    name: str
    kind: str
    size: int
    dimension: int | None = None
    shape: tuple[int, ...] | None = None
    own: Encoding | None = None
    knots: tuple[float, ...] = ()

    @property
    def encoding(self) -> Encoding:
        """How the values become a tensor of the network."""
        return self.own or ENCODINGS[self.kind]

    @property
    def row_shape(self) -> tuple[int, ...]:
        """The shape of a row's values: one id, or `size` numbers."""
        if self.shape is not None:
            return self.shape
        return (1,) if self.encoding.dtype == "int64" else (self.size,)

    def embedding_dimension(self) -> int:
        """The embedding's width: as configured, or grown slowly with the vocabulary."""
        if self.dimension is not None:
            return self.dimension
        return max(1, min(50, round(1.6 * math.pow(self.size, 0.56))))


def _one_hot(port: InputSpec, tensor: Any, keras_module: Any) -> Any:
    layers = keras_module.layers
    return layers.CategoryEncoding(num_tokens=port.size, output_mode="one_hot")(tensor)


def _embed(port: InputSpec, tensor: Any, keras_module: Any) -> Any:
    layers = keras_module.layers
    return layers.Flatten()(layers.Embedding(port.size, port.embedding_dimension())(tensor))


ENCODINGS: Mapping[str, Encoding] = {
    "dense": Encoding("float32", lambda port, tensor, keras_module: tensor, "numbers"),
    "one_hot": Encoding("int64", _one_hot, "ids"),
    "embedding": Encoding("int64", _embed, "ids"),
}
"""The encodings that kinds of features share."""


def encode_ports(
    ports: Sequence[InputSpec], tensors: Mapping[str, Any], keras_module: Any
) -> list[Any]:
    """Encodes the ports' values, those of one joint encoding together.

    Args:
      ports: The ports.
      tensors: Their values by name.
      keras_module: `keras` or `tf_keras`.

    Returns:
      A tensor of the network for each port, in their order.
    """
    encoded: dict[str, Any] = {}
    groups: dict[Hashable, list[InputSpec]] = {}
    for port in ports:
        if port.encoding.encode is None:
            groups.setdefault(port.encoding.group, []).append(port)
        else:
            encoded[port.name] = port.encoding.encode(port, tensors[port.name], keras_module)
    for members in groups.values():
        encode_together = members[0].encoding.encode_together
        assert encode_together is not None
        values = [tensors[port.name] for port in members]
        together = encode_together(members, values, keras_module)
        encoded |= {port.name: value for port, value in zip(members, together, strict=True)}
    return [encoded[port.name] for port in ports]
