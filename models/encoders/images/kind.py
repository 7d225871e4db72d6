"""What an encoder of images is: its keys in the config, and the layers that it builds.

Every layer with weights has a name of its own, and none is a model, see
models/networks/hidden.py: compression tools do not look into nested models.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from contracts.spec import Spec


class ImageEncoder(Spec, ABC):
    """An encoder in the config; its `kind` names the class."""

    @abstractmethod
    def encode(self, pixels: Any, prefix: str, keras_module: Any) -> Any:
        """Gives `[batch, width]`.

        Args:
          pixels: `[batch, height, width, channels]`.
          prefix: Of the layers' names.
          keras_module: `keras` or `tf_keras`.
        """

    def rebuild_conflict(self) -> str | None:
        """Says why tf_keras cannot build the encoder; None where it can."""
        return None


def conv_block(
    tensor: Any, filters: int, keras_module: Any, name: str, *, size: int = 3, stride: int = 1
) -> Any:
    """A convolution with its normalisation and activation."""
    layers = keras_module.layers
    convolution = layers.Conv2D(
        filters, size, strides=stride, padding="same", use_bias=False, name=name
    )
    tensor = layers.BatchNormalization(name=f"{name}_norm")(convolution(tensor))
    return layers.Activation("relu", name=f"{name}_activation")(tensor)
