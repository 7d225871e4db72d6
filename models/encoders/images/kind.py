"""What an encoder of images is: its keys in the config, and the layers that it builds.

Every layer with weights has a name of its own, and none is a model, see
models/networks/hidden.py: compression tools do not look into nested models.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import partial
from typing import Any

from pydantic import Field, model_validator

from contracts.spec import Spec
from models.encoders.pretrained import Pretrained, check_digest, start_from_network, weights_digest

NONE = "none"
Scale = tuple[float, float]


class ImageEncoder(Spec, ABC):
    """An encoder in the config; its `kind` names the class.

    Attributes:
      weights: `none`, or the path of a `network.keras` that a run has left: the layers start from
        those of its encoder, which must be configured alike.
      sha256: The digest of these weights, which is part of what the cache goes by.
      frozen_epochs: Of layers with such weights: for how many epochs they stay as they are.
      fine_tune_rate: After that, their learning rate as a share of that of all others.
    """

    weights: str = NONE
    sha256: str = ""
    frozen_epochs: int = Field(2, ge=0)
    fine_tune_rate: float = Field(0.1, gt=0, le=1)

    @model_validator(mode="before")
    @classmethod
    def _weights_are_there(cls, value: Any) -> Any:
        if not isinstance(value, Mapping) or value.get("sha256"):
            return value
        weights = value.get("weights", NONE)
        if not isinstance(weights, str) or weights == NONE:
            return value
        return {**value, "sha256": weights_digest(cls.weights_file(value))}

    @classmethod
    def weights_file(cls, keys: Mapping[str, Any]) -> str:
        """The path of the weights that keys of the config name."""
        return str(keys["weights"])

    def pretrained(self, prefix: str) -> Pretrained | None:
        """The weights that the layers start from; None where they start at random."""
        if self.weights == NONE:
            return None
        start = partial(self._start, prefix)
        return Pretrained(start, prefix, self.frozen_epochs, self.fine_tune_rate)

    def _start(self, prefix: str, network: Any) -> None:
        path = self.weights_file(self.model_dump())
        check_digest(path, self.sha256)
        self.start(path, prefix, network)

    def start(self, path: str, prefix: str, network: Any) -> None:
        """Puts the weights of a file into a network."""
        start_from_network(path, prefix, network)

    @abstractmethod
    def encode(self, pixels: Any, prefix: str, scale: Scale, keras_module: Any) -> Any:
        """Gives `[batch, width]`.

        Args:
          pixels: `[batch, height, width, channels]`.
          prefix: Of the layers' names.
          scale: What was subtracted from values of 0 to 255, and what they were then divided by.
          keras_module: `keras` or `tf_keras`.
        """

    @abstractmethod
    def student(self, scale: float) -> ImageEncoder:
        """A smaller encoder, to be taught by this one, of which `scale` of the width is left."""

    def fewest_pixels(self) -> int:
        """The fewest rows and columns of pixels that the layers take."""
        return 1


# Of the statistics that predictions use: they follow those of the batches within tens of steps,
# so that a small table with few steps an epoch is not predicted by what they began with.
NORM_MOMENTUM = 0.9


def conv_block(tensor: Any, filters: int, keras_module: Any, name: str, *, stride: int = 1) -> Any:
    """A convolution with its normalisation and activation."""
    layers = keras_module.layers
    convolution = layers.Conv2D(
        filters, 3, strides=stride, padding="same", use_bias=False, name=name
    )
    tensor = batch_norm(convolution(tensor), keras_module, f"{name}_norm")
    return layers.Activation("relu", name=f"{name}_activation")(tensor)


def batch_norm(tensor: Any, keras_module: Any, name: str) -> Any:
    """A normalisation whose statistics settle within tens of steps."""
    return keras_module.layers.BatchNormalization(momentum=NORM_MOMENTUM, name=name)(tensor)


def narrower(filters: tuple[int, ...], scale: float) -> tuple[int, ...]:
    """Filters of which `scale` is left, one at least."""
    return tuple(max(1, round(count * scale)) for count in filters)
