"""Encoded images as pixels, and why one cannot be decoded."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from contracts.arrays import Array
from contracts.images import image_size

Fault = Literal["", "missing", "no image", "cut short", "broken", "too large"]

# A photograph has fewer; more is an attack on the memory.
MOST_PIXELS = 1 << 26
FORMATS = ("PNG", "JPEG", "BMP", "GIF")
# How a file begins, and what its last bytes hold; some writers add a few after the end.
_ENDS = {b"\x89PNG": (b"IEND", 64), b"\xff\xd8": (b"\xff\xd9", 64), b"GIF8": (b";", 2)}
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)


class UndecodableImage(Exception):
    """An image that cannot be decoded.

    Attributes:
      fault: Why.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def decode_image(encoded: bytes) -> Image.Image:
    """Decodes all of an image, turned as its EXIF orientation says, in RGB.

    What is transparent shows black, as it does to a decoder that drops the alpha channel.

    Raises:
      UndecodableImage: It is no image of a known format, or not all of one.
    """
    try:
        image = Image.open(io.BytesIO(encoded), formats=FORMATS)
        if image.width * image.height > MOST_PIXELS:
            raise UndecodableImage("too large")
        # The header of some images that Pillow decodes is none for the transform graph.
        if image_size(encoded) is None:
            raise UndecodableImage("no image")
        image.load()
        return ImageOps.exif_transpose(image).convert("RGB")
    except Image.DecompressionBombError as error:
        raise UndecodableImage("too large") from error
    except _BROKEN as error:
        if _is_cut_short(encoded):
            raise UndecodableImage("cut short") from error
        unknown = isinstance(error, UnidentifiedImageError)
        raise UndecodableImage("no image" if unknown else "broken") from error


def decode_if_image(encoded: bytes | None) -> Image.Image | None:
    """Decodes an image; None for a missing one, and for what is no image."""
    if not encoded:
        return None
    try:
        return decode_image(encoded)
    except UndecodableImage:
        return None


def _is_cut_short(encoded: bytes) -> bool:
    """Whether an image that cannot be decoded lacks the end that its format has."""
    for begin, (end, tail) in _ENDS.items():
        if encoded.startswith(begin):
            return end not in encoded[-tail:]
    # The header of a BMP has the size of the file.
    return encoded.startswith(b"BM") and len(encoded) < int.from_bytes(encoded[2:6], "little")


def encode_png(image: Image.Image) -> bytes:
    """Encodes an altered image without a further loss: as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def to_pixels(image: Image.Image, side: int) -> Array:
    """The image as `[side, side, 3]`, uint8; its sides are stretched alike."""
    # A box filter sees every pixel, and is the fastest that does.
    reducing = min(image.size) >= side
    resample = Image.Resampling.BOX if reducing else Image.Resampling.BILINEAR
    return np.asarray(image.resize((side, side), resample), np.uint8)
