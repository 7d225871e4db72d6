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


# Of the statistics that predictions use: they follow those of the batches within tens of steps,
# so that a small table with few steps an epoch is not predicted by what they began with.
_NORM_MOMENTUM = 0.9


def conv_block(
    tensor: Any, filters: int, keras_module: Any, name: str, *, size: int = 3, stride: int = 1
) -> Any:
    """A convolution with its normalisation and activation."""
    layers = keras_module.layers
    convolution = layers.Conv2D(
        filters, size, strides=stride, padding="same", use_bias=False, name=name
    )
    tensor = batch_norm(convolution(tensor), keras_module, f"{name}_norm")
    return layers.Activation("relu", name=f"{name}_activation")(tensor)


def batch_norm(tensor: Any, keras_module: Any, name: str) -> Any:
    """A normalisation whose statistics settle within tens of steps."""
    return keras_module.layers.BatchNormalization(momentum=_NORM_MOMENTUM, name=name)(tensor)
