"""Layers that encode numbers and windows inside a network, under Keras 3 and under tf_keras.

One layer encodes all columns of its kind: a few operators however many columns there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import tensorflow as tf

from models.encoders.texts.layers import TEXT_LAYERS

_PACKAGE = "kelp"
_LEAST_DEVIATION = 1e-3


class _Piecewise:
    """Piecewise linear encoding: each number becomes how far it has come through each bin.

    Numbers below the first and above the last knot are taken for these: full int8 has room for
    a range that is known only.

    Args:
      knots: By column, the bounds of its bins in rising order, at least two.
    """

    def __init__(self, knots: Sequence[Sequence[float]], **keywords: Any) -> None:
        super().__init__(**keywords)
        # A tuple, because Keras wraps lists in classes of its own.
        self.knots = tuple(tuple(float(knot) for knot in column) for column in knots)

    def call(self, inputs: Any) -> Any:
        """Turns `[batch, 1]` tensors into `[batch, bins]` tensors."""
        columns = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        matrix = tf.concat(columns, axis=1) if len(columns) > 1 else columns[0]
        low, high = self._bounds()
        # Clipped first: in full int8 no step in between is wider than the number's own range.
        within = tf.minimum(tf.maximum(matrix[:, :, None], low), high)
        filled = (within - low) * (np.float32(1.0) / (high - low))
        encoded = self._split(tf.reshape(filled, [-1, low.size]))
        return encoded if isinstance(inputs, (list, tuple)) else encoded[0]

    def _bounds(self) -> tuple[Any, Any]:
        """The bounds of all bins; a column with fewer bins gets its last one again."""
        most = max(map(len, self.knots)) - 1
        low = [[*c[:-1], *[c[-2]] * (most + 1 - len(c))] for c in self.knots]
        high = [[*c[1:], *[c[-1]] * (most + 1 - len(c))] for c in self.knots]
        return np.array([low], np.float32), np.array([high], np.float32)

    def _split(self, encoded: Any) -> list[Any]:
        bins = [len(column) - 1 for column in self.knots]
        most = max(bins)
        if min(bins) == most:
            return list(tf.split(encoded, len(bins), axis=1)) if len(bins) > 1 else [encoded]
        sizes = [size for count in bins for size in (count, most - count) if size]
        parts = iter(tf.split(encoded, sizes, axis=1))
        kept = []
        for count in bins:
            kept.append(next(parts))
            if count < most:
                next(parts)
        return kept

    def get_config(self) -> dict[str, Any]:
        """The arguments, for saving."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return {**config, "knots": [list(column) for column in self.knots]}


class _Periodic:
    """Periodic encoding: each number, beside mixtures of its cosines at learned frequencies.

    Holzmüller et al. 2024, "Better by default", section 3 (PBLD), after Gorishniy et al. 2022.

    Args:
      columns: How many numbers a row has.
      frequencies: How many frequencies each number has.
      frequency_scale: Their standard deviation before training, in waves a unit of the number.
      width: How many numbers encode one, itself among them.
    """

    keras_module: Any

    def __init__(
        self, columns: int, frequencies: int, frequency_scale: float, width: int, **keywords: Any
    ) -> None:
        super().__init__(**keywords)
        self.columns, self.frequency_count = columns, frequencies
        self.frequency_scale, self.width = frequency_scale, width

    def build(self, input_shape: Any) -> None:
        """Makes frequencies, phases and mixtures."""
        initializers = self.keras_module.initializers
        bound = self.frequency_count**-0.5
        mixtures = (self.columns, self.frequency_count, self.width - 1)
        for name, shape, initializer in (
            ("frequencies", mixtures[:2], initializers.RandomNormal(stddev=self.frequency_scale)),
            ("phases", mixtures[:2], initializers.RandomUniform(-0.5, 0.5)),
            ("mixtures", mixtures, initializers.RandomUniform(-bound, bound)),
            ("offsets", (self.columns, 1, self.width - 1), initializers.Zeros()),
        ):
            weight = self.add_weight(  # type: ignore[attr-defined]
                name=name, shape=shape, initializer=initializer
            )
            setattr(self, name, weight)
        super().build(input_shape)  # type: ignore[misc]

    def call(self, inputs: Any) -> Any:
        """Turns `[batch, 1]` tensors into `[batch, width]` tensors."""
        together = isinstance(inputs, (list, tuple))
        columns = tf.stack(inputs, axis=0) if together else inputs[None]
        frequencies, phases, mixtures, offsets = (
            tf.convert_to_tensor(getattr(self, name))
            for name in ("frequencies", "phases", "mixtures", "offsets")
        )
        turns = columns * frequencies[:, None, :] + phases[:, None, :]
        # Within one turn: runtimes differ in the cosine of large numbers.
        cosines = tf.cos(np.float32(2 * np.pi) * (turns - tf.floor(turns)))
        encoded = tf.concat([columns, tf.matmul(cosines, mixtures) + offsets], axis=2)
        return tf.unstack(encoded, num=self.columns, axis=0) if together else encoded[0]

    def get_config(self) -> dict[str, Any]:
        """The arguments, for saving."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return {
            **config,
            "columns": self.columns,
            "frequencies": self.frequency_count,
            "frequency_scale": self.frequency_scale,
            "width": self.width,
        }


class _Line:
    """A rising line of straight pieces, from scores to values; level beyond its ends.

    Args:
      scores: Where the pieces meet, in rising order.
      values: The line's value at each score.
    """

    def __init__(self, scores: Sequence[float], values: Sequence[float], **keywords: Any) -> None:
        super().__init__(**keywords)
        self.scores = tuple(map(float, scores))
        self.values = tuple(map(float, values))

    def call(self, inputs: Any) -> Any:
        """Turns `[batch, 1]` into `[batch, 1]`."""
        low = np.array(self.scores[:-1], np.float32)
        high = np.array(self.scores[1:], np.float32)
        rise = np.diff(np.array(self.values)).astype(np.float32)
        # The rectifier last: in full int8 a piece that is not reached must give a plain zero.
        within = tf.minimum(tf.nn.relu(inputs - low), high - low)
        risen = within * (rise / (high - low))
        return tf.reduce_sum(risen, axis=1, keepdims=True) + np.float32(self.values[0])

    def get_config(self) -> dict[str, Any]:
        """The arguments, for saving."""
        config: dict[str, Any] = super().get_config()  # type: ignore[misc]
        return {**config, "scores": list(self.scores), "values": list(self.values)}


class _WindowDeviation:
    """Divides a centred window by its deviation, and gives both.

    The deviation is at least a thousandth: a window that does not move stays as it is.
    """

    def call(self, inputs: Any) -> Any:
        """Turns `[batch, steps, columns]` into `[batch, columns]` and a window of that shape."""
        variance = tf.reduce_mean(tf.square(inputs), axis=1)
        deviation = tf.sqrt(variance + np.float32(_LEAST_DEVIATION**2))
        return deviation, inputs / deviation[:, None, :]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The two shapes."""
        batch, steps, columns = input_shape
        return (batch, columns), (batch, steps, columns)


_LAYERS = {
    "piecewise": ("PiecewiseEncoding", _Piecewise),
    "periodic": ("PeriodicEncoding", _Periodic),
    "line": ("PiecewiseLine", _Line),
    "deviation": ("WindowDeviation", _WindowDeviation),
    **TEXT_LAYERS,
}


@lru_cache
def layer_classes(layer: Any) -> dict[str, Any]:
    """The layers by name, derived from the class `Layer` of one Keras, and registered there."""
    if layer.__module__.startswith("tf_keras"):
        import tf_keras as keras_module
    else:
        import keras as keras_module
    register = keras_module.saving.register_keras_serializable(_PACKAGE)
    own = {"keras_module": keras_module}
    return {key: register(type(name, (of, layer), own)) for key, (name, of) in _LAYERS.items()}


def register_layers() -> None:
    """Makes the layers known to Keras 3, so that it loads networks that have them."""
    import keras

    layer_classes(keras.layers.Layer)
