"""Small pictures for the report."""

from __future__ import annotations

import base64
import io

from PIL import Image

from contracts.arrays import Array
from contracts.results.preview import Preview
from models.content.images.decode import UndecodableImage, decode_image

SIDE = 64
# 64 levels a colour: a thumbnail of noise would else take ten times the bytes.
_COLOURS = 64


def preview_image(encoded: bytes | None) -> Preview:
    """A thumbnail of an encoded image; its fault where there is none."""
    if not encoded:
        return Preview(note="missing")
    try:
        image = decode_image(encoded)
    except UndecodableImage as error:
        return Preview(note=error.fault)
    return to_preview(image)


def picture_of(pixels: Array, width: int, height: int) -> Preview:
    """A thumbnail of pixels that were stretched to a square."""
    longest = max(width, height, 1)
    size = (
        max(1, round(pixels.shape[1] * width / longest)),
        max(1, round(pixels.shape[0] * height / longest)),
    )
    return to_preview(Image.fromarray(pixels, "RGB").resize(size, Image.Resampling.BOX))


def to_preview(image: Image.Image) -> Preview:
    """An image of at most 64 pixels a side, as PNG in base64."""
    small = image.copy()
    small.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    few = small.quantize(_COLOURS, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    buffer = io.BytesIO()
    few.save(buffer, "PNG", optimize=True)
    png = base64.b64encode(buffer.getvalue()).decode()
    return Preview(png=png, width=small.width, height=small.height)
