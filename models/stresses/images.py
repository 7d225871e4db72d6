"""Stresses on images: encoded bytes in, encoded bytes out.

An image that cannot be decoded stays as it is. All but `jpeg` give a PNG, so that nothing is
lost but what the stress takes.
"""

from __future__ import annotations

import io
from abc import abstractmethod
from typing import Annotated, Any, Literal, Union

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter
from pydantic import Field

from models.content.images.decode import UndecodableImage, decode_image, encode_png
from models.stresses.kind import ValueStress, stresses_of

_MIDDLE = 128


class _ImageStress(ValueStress):
    def change(self, value: Any, generator: np.random.Generator) -> bytes:
        """Decodes, alters and encodes."""
        encoded = bytes(value)
        try:
            image = decode_image(encoded)
        except UndecodableImage:
            return encoded
        return self.encode(self.alter(image, generator))

    @abstractmethod
    def alter(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        """Gives the image under the stress."""

    def encode(self, image: Image.Image) -> bytes:
        """Encodes it."""
        return encode_png(image)


class ImageNoise(_ImageStress):
    """Gaussian noise on every pixel, as a share of the range of brightness."""

    kind: Literal["image_noise"] = "image_noise"
    scale: float = Field(0.1, gt=0, le=1)

    def alter(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        """Adds the noise."""
        pixels = np.asarray(image, np.float32)
        noisy = pixels + generator.normal(0.0, 255 * self.scale, pixels.shape)
        return Image.fromarray(np.clip(np.rint(noisy), 0, 255).astype(np.uint8), "RGB")


class Blur(_ImageStress):
    """A Gaussian blur; its radius is a share of the shorter side."""

    kind: Literal["blur"] = "blur"
    radius: float = Field(0.04, gt=0, le=0.5)

    def alter(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        """Blurs."""
        return image.filter(ImageFilter.GaussianBlur(self.radius * min(image.size)))


class Brightness(_ImageStress):
    """Brightness times a factor: darker below 1."""

    kind: Literal["brightness"] = "brightness"
    factor: float = Field(0.6, ge=0)

    def alter(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        """Darkens or brightens."""
        return ImageEnhance.Brightness(image).enhance(self.factor)


class Contrast(_ImageStress):
    """Distances from the mean brightness times a factor: flatter below 1."""

    kind: Literal["contrast"] = "contrast"
    factor: float = Field(0.5, ge=0)

    def alter(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        """Flattens or hardens."""
        return ImageEnhance.Contrast(image).enhance(self.factor)


class JpegQuality(_ImageStress):
    """Compression as JPEG of a low quality."""

    kind: Literal["jpeg"] = "jpeg"
    quality: int = Field(20, ge=1, le=95)

    def alter(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        """Leaves the pixels to the encoder."""
        return image

    def encode(self, image: Image.Image) -> bytes:
        """Encodes as JPEG."""
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=self.quality)
        return buffer.getvalue()


class OccludedPart(_ImageStress):
    """A grey square somewhere in the image; its area is a share of the image's."""

    kind: Literal["occlusion"] = "occlusion"
    area: float = Field(0.1, gt=0, lt=1)

    def alter(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        """Covers the square."""
        share = self.area**0.5
        wide, high = (max(1, round(share * size)) for size in image.size)
        left = int(generator.integers(0, image.width - wide + 1))
        top = int(generator.integers(0, image.height - high + 1))
        covered = image.copy()
        covered.paste((_MIDDLE,) * 3, (left, top, left + wide, top + high))
        return covered


class Rotation(_ImageStress):
    """A rotation by up to so many degrees, to either side; corners show the mean colour."""

    kind: Literal["rotation"] = "rotation"
    degrees: float = Field(15.0, gt=0, le=180)

    def alter(self, image: Image.Image, generator: np.random.Generator) -> Image.Image:
        """Rotates."""
        angle = float(generator.uniform(-self.degrees, self.degrees))
        mean = np.asarray(image.resize((1, 1), Image.Resampling.BOX))[0, 0]
        red, green, blue = (int(part) for part in mean)
        return image.rotate(angle, Image.Resampling.BILINEAR, fillcolor=(red, green, blue))


ImageStress = Annotated[
    Union[ImageNoise, Blur, Brightness, Contrast, JpegQuality, OccludedPart, Rotation],
    Field(discriminator="kind"),
]
"""Any stress on images."""

IMAGE_STRESSES = stresses_of(ImageStress)
"""The stresses by `kind`, as `FeatureKind.stresses` names them."""
