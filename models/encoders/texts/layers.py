"""Layers that know which tokens are there, under Keras 3 and under tf_keras."""

from __future__ import annotations

from typing import Any

import tensorflow as tf


class _TokenMask:
    """Sets what stands for padding to 0: `[batch, length, width]` and its ids."""

    def call(self, inputs: Any) -> Any:
        """Multiplies by 1 for a token and by 0 for padding."""
        tokens, ids = inputs
        return tokens * tf.cast(ids > 0, tokens.dtype)[:, :, None]


class _TokenMean:
    """The sum of tokens over their number, or over its square root.

    Args:
      root: Whether it is the square root: long texts then say more.
    """

    def __init__(self, root: bool = False, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.root = root

    def call(self, inputs: Any) -> Any:
        """Turns `[batch, length, width]` and ids into `[batch, width]`."""
        tokens, ids = inputs
        there = tf.cast(ids > 0, tokens.dtype)
        count = tf.maximum(tf.reduce_sum(there, axis=1, keepdims=True), 1.0)
        total = tf.reduce_sum(tokens * there[:, :, None], axis=1)
        return total / (tf.sqrt(count) if self.root else count)

    def get_config(self) -> dict[str, Any]:
        """The arguments, for saving."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return {**config, "root": self.root}


class _TokenPlaces:
    """Adds to each token an embedding of its place."""

    def build(self, input_shape: Any) -> None:
        """Makes the embeddings."""
        self.places = self.add_weight(  # type: ignore[attr-defined]
            name="places", shape=tuple(input_shape[1:]), initializer="random_uniform"
        )
        super().build(input_shape)  # type: ignore[misc]

    def call(self, inputs: Any) -> Any:
        """Turns `[batch, length, width]` into the same shape."""
        return inputs + tf.cast(self.places, inputs.dtype)


class _TokenAttention:
    """Who may be attended to: tokens, not padding."""

    def call(self, inputs: Any) -> Any:
        """Turns ids `[batch, length]` into bool `[batch, 1, length]`."""
        return (inputs > 0)[:, None, :]


TEXT_LAYERS = {
    "token_places": ("TokenPlaces", _TokenPlaces),
    "token_attention": ("TokenAttention", _TokenAttention),
    "token_mask": ("TokenMask", _TokenMask),
    "token_mean": ("TokenMean", _TokenMean),
}
