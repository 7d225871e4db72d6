"""Numbers by waves of learned frequencies, beside the numbers themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from models.features.ports import Encoding, InputSpec


@dataclass(frozen=True)
class Waves:
    """How a number is encoded by waves.

    Attributes:
      frequencies: How many there are.
      frequency_scale: Their standard deviation before training, in waves a unit of the number.
      width: How many numbers encode one: itself, and mixtures of its waves.
    """

    frequencies: int
    frequency_scale: float
    width: int


def periodic_port(name: str, waves: Waves) -> InputSpec:
    """A number that the network encodes by waves; equal ones are encoded by one layer."""
    encoding = Encoding(
        "float32",
        None,
        "numbers",
        encode_together=partial(_encode, waves),
        group=("periodic", waves),
    )
    return InputSpec(name, "periodic", 1, own=encoding)


def _encode(
    waves: Waves, ports: Sequence[InputSpec], tensors: Sequence[Any], keras_module: Any
) -> list[Any]:
    from models.features.layers import layer_classes

    # float32 also under mixed precision: float16 has no room for the phase of a far number.
    layer = layer_classes(keras_module.layers.Layer)["periodic"](
        len(tensors), waves.frequencies, waves.frequency_scale, waves.width, dtype="float32"
    )
    return list(layer(list(tensors))) if len(tensors) > 1 else [layer(tensors[0])]
