"""A recurrent network over tokens, and the mean of its states."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from models.encoders.texts.kind import TextEncoderKind, embedded, masked_layer
from models.features.ports import InputSpec


class RecurrentSpec(TextEncoderKind):
    """A GRU or an LSTM.

    Padding comes after the last token, so that no state before it has seen any; the mean is
    that of the states at tokens.

    Attributes:
      kind: Which of the two.
      dimension: The width of an embedding.
      units: The width of the state.
      token_dropout: The share of tokens that a training step leaves out.
    """

    kind: Literal["gru", "lstm"]
    dimension: int = Field(32, ge=1, le=1024)
    units: int = Field(32, ge=1, le=1024)
    token_dropout: float = Field(0.2, ge=0, lt=1)

    def encode(self, port: InputSpec, ids: Any, keras_module: Any) -> Any:
        """The mean state; see `TextEncoderKind`."""
        layers = keras_module.layers
        tokens = embedded(ids, port.size, self.dimension, self.token_dropout, keras_module)
        layer = layers.GRU if self.kind == "gru" else layers.LSTM
        states = layer(self.units, return_sequences=True)(tokens)
        return masked_layer("token_mean", keras_module)([states, ids])
