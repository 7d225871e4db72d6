"""Attention between tokens, and their mean."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from models.encoders.texts.kind import TextEncoderKind, embedded, masked_layer
from models.features.ports import InputSpec


class TextTransformerSpec(TextEncoderKind):
    """A small transformer (Vaswani et al., 2017), normalised before each layer.

    Attributes:
      width: The width of a token.
      blocks: How many blocks of attention and a hidden layer there are.
      heads: How many heads an attention has.
      units: The hidden layer of each block.
      dropout: Of attentions and hidden layers.
      token_dropout: The share of tokens that a training step leaves out.
    """

    kind: Literal["transformer"]
    width: int = Field(64, ge=1)
    blocks: int = Field(1, ge=1)
    heads: int = Field(4, ge=1)
    units: int = Field(128, ge=1)
    dropout: float = Field(0.1, ge=0, lt=1)
    token_dropout: float = Field(0.2, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_are_equal(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads share the width: {self.width} is no multiple of {self.heads}")
        return self

    def encode(self, port: InputSpec, ids: Any, keras_module: Any) -> Any:
        """The mean of the tokens after all blocks; see `TextEncoderKind`."""
        layers = keras_module.layers
        tokens = embedded(ids, port.size, self.width, self.token_dropout, keras_module)
        tokens = masked_layer("token_places", keras_module)(tokens)
        for _ in range(self.blocks):
            tokens = self._block(tokens, ids, keras_module)
        tokens = layers.LayerNormalization(epsilon=1e-6)(tokens)
        return masked_layer("token_mean", keras_module)([tokens, ids])

    def _block(self, tokens: Any, ids: Any, keras_module: Any) -> Any:
        layers = keras_module.layers
        normed = layers.LayerNormalization(epsilon=1e-6)(tokens)
        queries, keys, values = (layers.Dense(self.width)(normed) for _ in range(3))
        attention = masked_layer("token_attention", keras_module, heads=self.heads)
        shares = layers.Dropout(self.dropout)(attention([queries, keys, ids]))
        mixed = masked_layer("token_mix", keras_module)([shares, values])
        tokens = layers.Add()([tokens, layers.Dense(self.width)(mixed)])
        hidden = layers.LayerNormalization(epsilon=1e-6)(tokens)
        hidden = layers.Dense(self.units, activation="relu")(hidden)
        hidden = layers.Dropout(self.dropout)(hidden)
        return layers.Add()([tokens, layers.Dense(self.width)(hidden)])
