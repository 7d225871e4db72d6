"""Images: decoded, resized and scaled inside the graph, and encoded by layers of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
from pydantic import Field, model_validator

from contracts.arrays import Array
from contracts.images import MAX_PIXELS
from models.encoders.images.augment import Augmenter, AugmentSpec
from models.encoders.images.kind import ImageEncoder
from models.encoders.images.spec import CnnEncoder, ImageEncoderSpec
from models.features.kind import FeatureKind, RawValues
from models.features.ports import Encoding, InputSpec
from models.stresses.images import IMAGE_STRESSES

if TYPE_CHECKING:
    from models.features.learned import Learned
    from models.features.tensors import RawColumns, Tensors


_SCALES: Mapping[str, tuple[float, float]] = {"unit": (0.0, 255.0), "symmetric": (127.5, 127.5)}
_DESIGN_SIDE = 16


class ImageSpec(FeatureKind):
    """An image: PNG, JPEG, BMP, or the first frame of a GIF; an absent one is black.

    Attributes:
      height: Rows of pixels that the network sees.
      width: Columns of pixels that the network sees.
      channels: 1 for gray, 3 for colour.
      fit: How an image of another aspect becomes one of these: `crop` cuts what exceeds them,
        `pad` adds black bars.
      scale: Pixels from 0 to 1 (`unit`), or from -1 to 1 (`symmetric`).
      max_pixels: An image of more pixels is refused before it is decoded.
      encoder: The layers between the pixels and the other features.
      augment: What is changed at random in training.
    """

    type: str = "image"
    height: int = Field(ge=1, le=2048)
    width: int = Field(ge=1, le=2048)
    channels: Literal[1, 3] = 3
    fit: Literal["crop", "pad"] = "pad"
    scale: Literal["unit", "symmetric"] = "unit"
    max_pixels: int = Field(MAX_PIXELS, ge=1)
    encoder: ImageEncoderSpec = CnnEncoder()
    augment: AugmentSpec | None = None

    @model_validator(mode="after")
    def _encoder_takes_it(self) -> ImageSpec:
        fewest = self.encoder.fewest_pixels()
        if min(self.height, self.width) < fewest:
            raise ValueError(
                f"the encoder takes images of at least {fewest} x {fewest} pixels; "
                f"height and width are {self.height} and {self.width}"
            )
        return self

    raw_values: ClassVar[RawValues] = "files"
    content_type = "models.content.images.content:ImageContent"
    stresses = {"missing": True, **IMAGE_STRESSES}
    slice_figures = ("brightness", "orientation", "pixels")

    @classmethod
    def transform(cls, specs: Mapping[str, Any], raw: RawColumns) -> Tensors:
        """Decodes and scales the images of each feature."""
        import tensorflow as tf

        from models.features.pixels import PixelForm, decode_images

        outputs: Tensors = {}
        for name, spec in specs.items():
            form = PixelForm(spec.height, spec.width, spec.channels, spec.fit, spec.max_pixels)
            pixels = decode_images(tf.squeeze(raw.values(name), axis=1), form)
            offset, divisor = _SCALES[spec.scale]
            outputs[name] = (pixels - offset) / divisor
        return outputs

    def value_port(self, name: str, learned: Learned) -> InputSpec:
        """Pixels, encoded by the configured layers."""
        scale = _SCALES[self.scale]

        def student(share: float) -> Callable[..., Any]:
            return partial(_encode, self.encoder.student(share), scale)

        design = partial(_small_gray, scale)
        return InputSpec(
            name,
            "image",
            size=len(design(np.zeros([1, *self.shape], np.float32))[0]),
            shape=self.shape,
            own=Encoding(
                "float32",
                partial(_encode, self.encoder, scale),
                "numbers",
                design,
                self._augment_layers(),
                self.encoder.pretrained(f"{name}_image"),
                student,
            ),
        )

    @classmethod
    def figures(cls, values: pa.ChunkedArray) -> dict[str, pa.Array]:
        """The mean brightness from 0 to 255, and what the size says."""
        from models.content.images.figures import image_figures

        return image_figures(values)

    def preparation(self, name: str, learned: Learned) -> dict[str, Any]:
        """What decodes and scales an image."""
        offset, divisor = _SCALES[self.scale]
        return {
            "kind": "image",
            "height": self.height,
            "width": self.width,
            "channels": self.channels,
            "fit": self.fit,
            "max_pixels": self.max_pixels,
            "offset": offset,
            "scale": divisor,
        }

    def _augment_layers(self) -> Callable[[], Augmenter] | None:
        if self.augment is None:
            return None
        offset, divisor = _SCALES[self.scale]
        black, white = (0.0 - offset) / divisor, (255.0 - offset) / divisor
        return partial(Augmenter, self.augment, self.shape, (black, white))

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of the transformed pixels."""
        return self.height, self.width, self.channels


def _encode(
    encoder: ImageEncoder,
    scale: tuple[float, float],
    port: InputSpec,
    pixels: Any,
    keras_module: Any,
) -> Any:
    return encoder.encode(pixels, f"{port.name}_image", scale, keras_module)


def _small_gray(scale: tuple[float, float], pixels: Array) -> Array:
    """Gray pixels `[rows, n]` of a small copy, for models that know nothing of pictures."""
    offset, divisor = scale
    rows, height, width, _ = pixels.shape
    step = -(-max(height, width) // _DESIGN_SIDE)
    gray = pixels.mean(axis=-1, dtype=np.float32)
    padded = np.pad(gray, [(0, 0), (0, -height % step), (0, -width % step)], mode="edge")
    blocks = padded.reshape(rows, padded.shape[1] // step, step, padded.shape[2] // step, step)
    small = blocks.mean(axis=(2, 4), dtype=np.float32)
    levels: Array = (small * divisor + offset) / np.float32(255.0)
    return levels.reshape(rows, small.shape[1] * small.shape[2])
