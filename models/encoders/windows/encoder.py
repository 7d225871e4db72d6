"""What the encoders of windows have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Literal

from contracts.spec import Spec

Normalization = Literal["level", "standard", "none"]


class WindowEncoder(Spec, ABC):
    """An encoder in the config; its `kind` names the class.

    Attributes:
      normalize: What each window loses before it is encoded: `level`, its mean; `standard`, its
        mean and its deviation; or `none`. Both come back beside the encoding, and a forecast
        of the window's own column returns to them.
      values: Whether the normalised values come beside the encoding, for a line through them.
    """

    normalize: Normalization = "level"
    values: bool = True

    @abstractmethod
    def encode(self, window: Any, keras_module: Any) -> Any:
        """Encodes a normalised window.

        Args:
          window: `[batch, steps, columns]`.
          keras_module: `keras` or `tf_keras`.

        Returns:
          `[batch, width]`; None where the values alone are the encoding.
        """


def patches(window: Any, length: int, keras_module: Any) -> Any:
    """Joins every `length` steps to one, `[batch, steps / length, columns * length]`.

    What does not fill a patch is dropped at the window's start, the oldest steps.
    """
    layers = keras_module.layers
    _, steps, columns = window.shape
    length = min(length, steps)
    left = steps % length
    recent = layers.Cropping1D((left, 0))(window) if left else window
    return layers.Reshape([(steps - left) // length, length * columns])(recent)


def last_step(sequence: Any, keras_module: Any) -> Any:
    """The last step of a sequence, `[batch, columns]`."""
    layers = keras_module.layers
    steps = sequence.shape[1]
    last = layers.Cropping1D((steps - 1, 0))(sequence) if steps > 1 else sequence
    return layers.Flatten()(last)
