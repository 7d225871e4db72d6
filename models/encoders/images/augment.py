"""Augmentation of images, in training only: no layer of it is part of the network.

It is applied to the batches that a network is trained on, so that neither the exported model
nor a copy of the network under tf_keras has anything of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from contracts.spec import Spec


class AugmentSpec(Spec):
    """What is changed at random in each image of a batch of training.

    Attributes:
      flip: Mirrors half of the images.
      rotation: The largest angle, in degrees.
      zoom: The largest change of size, such as 0.1 for 10 %.
      shift: The largest shift, as a share of height and width.
      crop: How much of height and width is cut off, at a random place; the rest is enlarged.
      brightness: The largest change, as a share of the range.
      contrast: The largest change, as a share.
      saturation: The largest change, as a share; of colour only.
      erase: The chance of an image to lose a random rectangle.
      mixup: Mixes each image, and its label, with another (Zhang et al., 2018); the alpha of the
        Beta distribution of the shares.
      cutmix: Pastes a rectangle of another image, and mixes the labels by its area (Yun et al.,
        2019); the alpha of the Beta distribution of the areas.
    """

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    rotation: float = Field(0.0, ge=0, le=180)
    zoom: float = Field(0.0, ge=0, lt=1)
    shift: float = Field(0.0, ge=0, lt=1)
    crop: float = Field(0.0, ge=0, lt=1)
    brightness: float = Field(0.0, ge=0, le=1)
    contrast: float = Field(0.0, ge=0, lt=1)
    saturation: float = Field(0.0, ge=0, lt=1)
    erase: float = Field(0.0, ge=0, le=1)
    mixup: float | None = Field(None, gt=0)
    cutmix: float | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _one_mixture(self) -> AugmentSpec:
        if self.mixup is not None and self.cutmix is not None:
            raise ValueError("mixup and cutmix both mix an image with another: choose one")
        return self


class Augmenter:
    """Changes batches of pixels.

    Attributes:
      mixes: Whether images are mixed, and labels with them.
    """

    def __init__(
        self, spec: AugmentSpec, shape: tuple[int, int, int], value_range: tuple[float, float]
    ) -> None:
        """Makes Keras's layers, under the current seed.

        Args:
          spec: What is changed.
          shape: Height, width and channels.
          value_range: Of the pixels; the first is black.
        """
        self.mixes = spec.mixup is not None or spec.cutmix is not None
        self._spec = spec
        self._layers = _layers(spec, shape, value_range)

    def __call__(self, pixels: Any) -> Any:
        """Gives a changed copy of `[batch, height, width, channels]`."""
        for layer in self._layers:
            pixels = layer(pixels, training=True)
        return pixels

    def mix(self, pixels: Any) -> tuple[Any, Any]:
        """Mixes each image with the one before it in the batch.

        Returns:
          The mixtures, and the share of its own image that each has, `[batch]`.
        """
        import tensorflow as tf

        alpha = self._spec.mixup or self._spec.cutmix or 1.0
        share = _beta(alpha, tf.shape(pixels)[0])
        other = tf.roll(pixels, 1, axis=0)
        if self._spec.mixup is not None:
            column = tf.cast(share[:, None, None, None], pixels.dtype)
            return column * pixels + (1 - column) * other, share
        return _pasted(pixels, other, share)


def _layers(
    spec: AugmentSpec, shape: tuple[int, int, int], value_range: tuple[float, float]
) -> Sequence[Any]:
    from keras import layers

    height, width, channels = shape
    black = value_range[0]
    moved = {"fill_mode": "constant", "fill_value": black, "dtype": "float32"}
    ranged = {"value_range": value_range, "dtype": "float32"}
    made: list[Any] = []
    if spec.flip != "none":
        mode = "horizontal_and_vertical" if spec.flip == "both" else spec.flip
        made.append(layers.RandomFlip(mode, dtype="float32"))
    if spec.rotation:
        made.append(layers.RandomRotation(spec.rotation / 360, **moved))
    if spec.zoom:
        made.append(layers.RandomZoom(spec.zoom, **moved))
    if spec.shift:
        made.append(layers.RandomTranslation(spec.shift, spec.shift, **moved))
    if spec.crop:
        kept = [max(1, round(size * (1 - spec.crop))) for size in (height, width)]
        made.append(layers.RandomCrop(*kept, dtype="float32"))
        made.append(layers.Resizing(height, width, dtype="float32"))
    if spec.brightness:
        made.append(layers.RandomBrightness(spec.brightness, **ranged))
    if spec.contrast:
        made.append(layers.RandomContrast(spec.contrast, **ranged))
    if spec.saturation and channels == 3:
        made.append(layers.RandomSaturation(spec.saturation, **ranged))
    if spec.erase:
        made.append(layers.RandomErasing(spec.erase, scale=(0.02, 0.2), **ranged))
    return made


def _beta(alpha: float, rows: Any) -> Any:
    import tensorflow as tf

    first, second = (tf.random.gamma([rows], alpha) for _ in range(2))
    share = (first + 1e-7) / (first + second + 2e-7)
    return tf.maximum(share, 1.0 - share)


def _pasted(pixels: Any, other: Any, share: Any) -> tuple[Any, Any]:
    """A rectangle of other images, the rest of the share's own."""
    import tensorflow as tf

    rows, height, width = (tf.shape(pixels)[axis] for axis in range(3))
    side = tf.sqrt(1.0 - share)
    inside = tf.ones([rows, 1, 1], tf.bool)
    for axis, size in ((1, height), (2, width)):
        length = tf.cast(tf.round(side * tf.cast(size, tf.float32)), tf.int32)
        free = tf.cast(size - length + 1, tf.float32)
        start = tf.cast(tf.floor(tf.random.uniform([rows]) * free), tf.int32)
        places = tf.range(size)[None, :]
        within = (places >= start[:, None]) & (places < (start + length)[:, None])
        inside &= within[:, :, None] if axis == 1 else within[:, None, :]
    own = 1.0 - tf.reduce_mean(tf.cast(inside, tf.float32), axis=[1, 2])
    return tf.where(inside[..., None], other, pixels), own
