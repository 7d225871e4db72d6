"""What an encoder of texts is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from contracts.spec import Spec
from models.encoders.pretrained import Pretrained
from models.features.ports import InputSpec

PADDING = 0
"""The id of a token that is not there."""


class TextEncoderKind(Spec, ABC):
    """An encoder in the config; its `kind` names the class.

    Attributes:
      takes_ngrams: Whether the order of ids does not count, so that those of n-grams may follow
        those of tokens.
    """

    takes_ngrams: ClassVar[bool] = False

    @abstractmethod
    def encode(self, port: InputSpec, ids: Any, keras_module: Any) -> Any:
        """Builds the encoder.

        Args:
          port: The text after the transform: `size` ids, `length` of them a row.
          ids: int64 `[batch, length]`; `PADDING` where there is no token.
          keras_module: `keras` or `tf_keras`.

        Returns:
          `[batch, width]`.
        """

    def pretrained(self, name: str, length: int) -> Pretrained | None:
        """The weights that the layers start from; None where they start at random.

        Args:
          name: The feature.
          length: How many tokens a text has.
        """
        return None

    def student(self, share: float) -> TextEncoderKind:
        """An encoder to be taught by this one, of which `share` of the width is left."""
        return self


def embedded(ids: Any, size: int, width: int, token_dropout: float, keras_module: Any) -> Any:
    """Embeds ids `[batch, length]`; in training whole tokens are left out."""
    layers = keras_module.layers
    tokens = layers.Embedding(size, width)(ids)
    if token_dropout:
        tokens = layers.Dropout(token_dropout, noise_shape=(None, ids.shape[1], 1))(tokens)
    return tokens


def masked_layer(name: str, keras_module: Any, /, **keywords: Any) -> Any:
    """A layer of models/encoders/texts/layers.py."""
    from models.features.layers import layer_classes

    return layer_classes(keras_module.layers.Layer)[name](**keywords)
