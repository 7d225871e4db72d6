"""Convolutions over tokens, and the strongest answer of each filter."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.encoders.texts.kind import TextEncoderKind, embedded, masked_layer
from models.features.ports import InputSpec


class TextCnnSpec(TextEncoderKind):
    """Convolutions of several widths side by side (Kim, 2014).

    Attributes:
      dimension: The width of an embedding.
      filters: The filters of each width.
      kernels: How many tokens the filters see.
      token_dropout: The share of tokens that a training step leaves out.
    """

    kind: Literal["cnn"]
    dimension: int = Field(64, ge=1, le=1024)
    filters: int = Field(64, ge=1, le=2048)
    kernels: tuple[int, ...] = Field((2, 3, 4), min_length=1)
    token_dropout: float = Field(0.2, ge=0, lt=1)

    def encode(self, port: InputSpec, ids: Any, keras_module: Any) -> Any:
        """The strongest answers; see `TextEncoderKind`."""
        layers = keras_module.layers
        tokens = embedded(ids, port.size, self.dimension, self.token_dropout, keras_module)
        tokens = masked_layer("token_mask", keras_module)([tokens, ids])
        strongest = []
        for kernel in self.kernels:
            answers = layers.Conv1D(self.filters, kernel, padding="same", activation="relu")(tokens)
            answers = masked_layer("token_mask", keras_module)([answers, ids])
            strongest.append(layers.GlobalMaxPooling1D()(answers))
        return layers.Concatenate()(strongest) if len(strongest) > 1 else strongest[0]
