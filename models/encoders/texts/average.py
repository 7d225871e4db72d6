"""The mean of the tokens' embeddings."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import Field

from models.encoders.texts.kind import TextEncoderKind, embedded, masked_layer
from models.features.ports import InputSpec


class AverageSpec(TextEncoderKind):
    """Averages embeddings (Joulin et al., 2017): fast, and hard to beat on few texts.

    Attributes:
      dimension: The width of an embedding.
      token_dropout: The share of tokens that a training step leaves out.
    """

    takes_ngrams: ClassVar[bool] = True

    kind: Literal["average"] = "average"
    dimension: int = Field(16, ge=1, le=1024)
    token_dropout: float = Field(0.5, ge=0, lt=1)

    def encode(self, port: InputSpec, ids: Any, keras_module: Any) -> Any:
        """The mean; see `TextEncoderKind`."""
        tokens = embedded(ids, port.size, self.dimension, self.token_dropout, keras_module)
        return masked_layer("token_mean", keras_module, root=True)([tokens, ids])
