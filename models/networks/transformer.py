"""A small feature transformer: a token for each feature, attention between them, their mean."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any, Literal

from pydantic import Field, model_validator
from typing_extensions import Self

from models.networks import parts
from models.networks.hidden import scaled
from models.networks.kind import NetworkKind
from models.networks.ports import InputSpec, OutputSpec


class TransformerSpec(NetworkKind):
    """Attention between features (Gorishniy et al., 2021).

    Attributes:
      width: The width of a token.
      blocks: How many blocks of attention and a hidden layer there are.
      heads: How many heads an attention has.
      units: The hidden layer of each block.
      activation: Of the hidden layers.
      dropout: Of attentions and hidden layers.
    """

    kind: Literal["transformer"]
    width: int = Field(32, ge=1)
    blocks: int = Field(2, ge=1)
    heads: int = Field(4, ge=1)
    units: int = Field(64, ge=1)
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    dropout: float = Field(0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _heads_are_equal(self) -> Self:
        if self.width % self.heads:
            raise ValueError(f"heads share the width: {self.width} is no multiple of {self.heads}")
        return self

    def widths(self) -> tuple[int, ...]:
        """The tokens' width, and the hidden layers' units."""
        return (self.width, self.units)

    def student(self, scale: float, members: int | None) -> Self:
        """Narrower tokens and hidden layers; a head at least is left."""
        heads = scaled([self.heads], scale)[0]
        width = heads * max(1, round(self.width * scale / heads))
        units = scaled([self.units], scale)[0]
        return self.model_copy(update={"width": width, "heads": heads, "units": units})

    def build(self, inputs: Sequence[InputSpec], output: OutputSpec, keras_module: Any) -> Any:
        """Tokens, blocks and their mean; see `NetworkKind`."""
        layers = keras_module.layers
        entries, encoded = parts.encoded_features(inputs, keras_module)
        joined = parts.join_features(encoded, keras_module)
        widths = [int(tensor.shape[-1]) for tensor in encoded]
        hidden = self._tokens(joined, widths, keras_module)
        for index in range(self.blocks):
            hidden = self._block(hidden, keras_module, f"attention_{index}")
        hidden = layers.LayerNormalization(name="last_norm")(hidden)
        hidden = layers.GlobalAveragePooling1D(name="pooled")(hidden)
        outputs = parts.head(output, layers)(hidden)
        return keras_module.Model(inputs=entries, outputs=outputs, name="transformer")

    def _tokens(self, joined: Any, widths: Sequence[int], keras_module: Any) -> Any:
        """Cuts the joined features apart, so that explanations can start from them."""
        layers = keras_module.layers
        total = sum(widths)
        column = layers.Reshape([total, 1], name="feature_columns")(joined)
        tokens = []
        for index, (start, stop) in enumerate(pairwise([0, *accumulate(widths)])):
            name = f"token_{index}"
            cropped = layers.Cropping1D((start, total - stop), name=f"{name}_crop")(column)
            row = layers.Reshape([stop - start], name=f"{name}_row")(cropped)
            token = layers.Dense(self.width, name=name)(row)
            tokens.append(layers.Reshape([1, self.width], name=f"{name}_column")(token))
        if len(tokens) == 1:
            return tokens[0]
        return layers.Concatenate(axis=1, name="tokens")(tokens)

    def _block(self, tokens: Any, keras_module: Any, name: str) -> Any:
        """Attention and a hidden layer, each normalised before and added to what came in."""
        layers = keras_module.layers
        normed = layers.LayerNormalization(name=f"{name}_norm")(tokens)
        attention = layers.MultiHeadAttention(
            self.heads, self.width // self.heads, dropout=self.dropout, name=name
        )
        tokens = layers.Add(name=f"{name}_sum")([tokens, attention(normed, normed)])
        hidden = layers.LayerNormalization(name=f"{name}_hidden_norm")(tokens)
        hidden = layers.Dense(self.units, name=f"{name}_hidden")(hidden)
        hidden = layers.Activation(self.activation, name=f"{name}_activation")(hidden)
        if self.dropout:
            hidden = layers.Dropout(self.dropout, name=f"{name}_dropout")(hidden)
        hidden = layers.Dense(self.width, name=f"{name}_out")(hidden)
        return layers.Add(name=f"{name}_hidden_sum")([tokens, hidden])
