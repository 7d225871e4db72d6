"""A transformer over patches of the window (PatchTST)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from models.encoders.windows.encoder import WindowEncoder, last_step, patches


class TransformerEncoder(WindowEncoder):
    """Self-attention among patches, each with a learned place.

    Attributes:
      width: Of each patch's vector.
      heads: Of the attention; they share the width.
      blocks: How many blocks of attention and dense layers there are.
      patch: How many steps of the window one vector stands for.
    """

    kind: Literal["transformer"] = "transformer"
    width: int = Field(64, ge=2, le=2048)
    heads: int = Field(4, ge=1, le=64)
    blocks: int = Field(2, ge=1, le=24)
    patch: int = Field(12, ge=1)

    @model_validator(mode="after")
    def _heads_share(self) -> TransformerEncoder:
        if self.width % self.heads:
            raise ValueError(
                f"Invalid width. Expected: a multiple of {self.heads} heads. Received: {self.width}"
            )
        return self

    def encode(self, window: Any, keras_module: Any) -> Any:
        """The mean of the patches' vectors, and the last one."""
        layers = keras_module.layers
        hidden = layers.Dense(self.width)(patches(window, self.patch, keras_module))
        # Its offsets belong to a place each: a learned position in a layer that every tool knows.
        hidden = layers.LayerNormalization(axis=(1, 2))(hidden)
        for _ in range(self.blocks):
            hidden = self._block(hidden, keras_module)
        hidden = layers.LayerNormalization()(hidden)
        parts = [last_step(hidden, keras_module), layers.GlobalAveragePooling1D()(hidden)]
        return layers.Concatenate()(parts)

    def _block(self, hidden: Any, keras_module: Any) -> Any:
        layers = keras_module.layers
        normal = layers.LayerNormalization()(hidden)
        attention = layers.MultiHeadAttention(self.heads, self.width // self.heads)
        hidden = layers.Add()([hidden, attention(normal, normal)])
        normal = layers.LayerNormalization()(hidden)
        wide = layers.Dense(2 * self.width, activation="relu")(normal)
        return layers.Add()([hidden, layers.Dense(self.width)(wide)])
