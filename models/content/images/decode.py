"""Encoded images as pixels, and why one cannot be decoded."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from contracts.arrays import Array
from contracts.images import image_size
from contracts.preparations.images import BROKEN, read_pixels

Fault = Literal["", "missing", "no image", "cut short", "broken", "too large"]

# A photograph has fewer; more is an attack on the memory.
MOST_PIXELS = 1 << 26
# How a file begins, and what its last bytes hold; some writers add a few after the end.
_ENDS = {b"\x89PNG": (b"IEND", 64), b"\xff\xd8": (b"\xff\xd9", 64), b"GIF8": (b";", 2)}


class UndecodableImage(Exception):
    """An image that cannot be decoded.

    Attributes:
      fault: Why.
    """

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault)
        self.fault = fault


def decode_image(encoded: bytes) -> Image.Image:
    """Decodes all of an image, upright, in RGB: the pixels that the transform graph sees.

    Pillow's own conversions would show white where a pixel has 16 bits, and colours where a GIF
    is transparent.

    Raises:
      UndecodableImage: It is no image of a known format, or not all of one.
    """
    size = image_size(encoded)
    if size is None:
        # Pillow decodes some that the graph does not.
        raise UndecodableImage("cut short" if _is_cut_short(encoded) else "no image")
    if size[0] * size[1] > MOST_PIXELS:
        raise UndecodableImage("too large")
    try:
        pixels = read_pixels(encoded)
    except Image.DecompressionBombError as error:
        raise UndecodableImage("too large") from error
    except BROKEN as error:
        if _is_cut_short(encoded):
            raise UndecodableImage("cut short") from error
        unknown = isinstance(error, UnidentifiedImageError)
        raise UndecodableImage("no image" if unknown else "broken") from error
    gray = pixels.shape[2] == 1
    return Image.fromarray(pixels[..., 0]).convert("RGB") if gray else Image.fromarray(pixels)


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
