"""Layers that know which tokens are there, under Keras 3 and under tf_keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

# Off the score of padding: it then has less than a billionth of a share.
_ABSENT = 32.0


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
        # Fully converted to int8, a SUM is wrong, and the sum over many tokens leaves little of
        # one over few: a product, divided by the root before and after, is right for both.
        tokens, ids = inputs
        length, width = tokens.shape[1:]
        roots = tf.constant(np.maximum(np.arange(length + 1), 1) ** -0.5, tokens.dtype)
        there = tf.cast(ids > 0, tf.int32)
        root = tf.gather(roots, tf.reduce_sum(there, axis=1))[:, None]
        weights = tf.cast(there, tokens.dtype) * root
        mean = tf.reshape(tf.matmul(weights[:, None, :], tokens), [-1, width])
        return mean if self.root else mean * root

    def get_config(self) -> dict[str, Any]:
        """The arguments, for saving."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return {**config, "root": self.root}


class _TokenPlaces:
    """Adds to each token an embedding of its place.

    Args:
      places: How many places have one; None is the length of the texts.
    """

    def __init__(self, places: int | None = None, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.place_count = places

    def build(self, input_shape: Any) -> None:
        """Makes the embeddings."""
        _, length, width = input_shape
        self.places = self.add_weight(  # type: ignore[attr-defined]
            name="places", shape=(self.place_count or length, width), initializer="random_uniform"
        )
        super().build(input_shape)  # type: ignore[misc]

    def call(self, inputs: Any) -> Any:
        """Turns `[batch, length, width]` into the same shape."""
        places = tf.cast(self.places, inputs.dtype)
        if inputs.shape[1] != places.shape[0]:
            places = places[: tf.shape(inputs)[1]]
        return inputs + places

    def get_config(self) -> dict[str, Any]:
        """The arguments, for saving."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return {**config, "places": self.place_count}


class _TokenAttention:
    """How much each token attends to each other one, in every head; none attends to padding.

    Keras's own layer adds -1e9 where nothing may be attended to. Fully converted to int8, such
    a range leaves one step for all scores: a transformer's answers were 0.74 off.

    Args:
      heads: How many heads share the width.
    """

    def __init__(self, heads: int, **keywords: Any) -> None:
        super().__init__(**keywords)
        self.heads = heads

    def call(self, inputs: Any) -> Any:
        """Turns queries and keys `[batch, length, width]` and ids into shares.

        Returns:
          `[batch, heads, length, length]`.
        """
        queries, keys, ids = inputs
        width = int(queries.shape[-1]) // self.heads
        # Scores of padding are then 0 before they get theirs off, however large others are.
        keys = keys * tf.cast(ids > 0, keys.dtype)[:, :, None]
        queries, keys = (_by_head(value, self.heads) for value in (queries, keys))
        scores = tf.matmul(queries * width**-0.5, keys, transpose_b=True)
        absent = tf.cast(ids <= 0, scores.dtype)[:, None, None, :]
        return tf.nn.softmax(scores - _ABSENT * absent)

    def get_config(self) -> dict[str, Any]:
        """The arguments, for saving."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return {**config, "heads": self.heads}


class _TokenMix:
    """Mixes tokens by how much they attend to each other."""

    def call(self, inputs: Any) -> Any:
        """Turns shares `[batch, heads, length, length]` and `[batch, length, width]` into such."""
        shares, tokens = inputs
        mixed = tf.matmul(shares, _by_head(tokens, int(shares.shape[1])))
        shape = [-1, _length(tokens), tokens.shape[2]]
        return tf.reshape(tf.transpose(mixed, [0, 2, 1, 3]), shape)


def _by_head(tokens: Any, heads: int) -> Any:
    """Turns `[batch, length, width]` into `[batch, heads, length, width / heads]`."""
    parts = tf.reshape(tokens, [-1, _length(tokens), heads, tokens.shape[2] // heads])
    return tf.transpose(parts, [0, 2, 1, 3])


def _length(tokens: Any) -> Any:
    """How many tokens a text has: a constant where it is known, as converters like it."""
    known = tokens.shape[1]
    return tf.shape(tokens)[1] if known is None else known


TEXT_LAYERS = {
    "token_places": ("TokenPlaces", _TokenPlaces),
    "token_attention": ("TokenAttention", _TokenAttention),
    "token_mix": ("TokenMix", _TokenMix),
    "token_mask": ("TokenMask", _TokenMask),
    "token_mean": ("TokenMean", _TokenMean),
}
