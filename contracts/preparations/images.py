"""Images: decoded by Pillow, then sized as TensorFlow's own operator does it."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from contracts.arrays import Array
from contracts.errors import DataError
from contracts.images import GRAY_WEIGHTS, image_size, jpeg_orientation
from contracts.preparations.raw_feature import RawFeature

BROKEN = (OSError, SyntaxError, ValueError, EOFError, IndexError, struct.error, zlib.error)
"""What Pillow raises for a file that is no image, or not a whole one."""

_ROWS_AT_ONCE = 256
_IN_WORDS = (
    "image: decode the PNG, JPEG, BMP or GIF (the first frame alone, without the screen around "
    "it, transparent pixels black), turn it as EXIF says (JPEG), and drop alpha. Scale it by one "
    "factor, bilinearly (when it shrinks, with the triangle kernel as wide as the factor), so that "
    "it covers height x width (`crop`) or fits into it (`pad`), "
    "its centre in the centre; the rest is 0. Gray of colour is 0.299 R + 0.587 G + 0.114 B; "
    "colour of gray repeats it. Then subtract `offset` and divide by `scale`. A missing image is "
    "all zeros before that."
)
_FLIPPED = (2, 3, 6, 7)
_UPSIDE_DOWN = (3, 4, 7, 8)


class ImagePixels:
    """Decodes, sizes and scales the images of each column.

    Args:
      features: How each raw column becomes a feature.
    """

    def __init__(self, features: Sequence[ImageFeature]) -> None:
        self._features = features

    def __call__(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Gives pixels float32 `[rows, height, width, channels]` by feature.

        Raises:
          DataError: An image cannot be decoded, or has too many pixels.
        """
        return {
            feature.column: _pixels(feature, columns[feature.port]) for feature in self._features
        }


class ImageFeature(RawFeature):
    """An image.

    Attributes:
      height: Rows of pixels.
      width: Columns of pixels.
      channels: 1 for gray, 3 for colour.
      fit: Whether what exceeds the form is cropped, or the rest of the form is black.
      max_pixels: How many pixels an encoded image may have.
      offset: Is taken from each pixel.
      scale: Divides what is left.
    """

    preparer = ImagePixels
    # A few bytes may hold very many pixels.
    is_steady = False

    kind: Literal["image"]
    raw: Literal["string"]
    height: int
    width: int
    channels: Literal[1, 3]
    fit: Literal["crop", "pad"]
    max_pixels: int
    offset: float
    scale: float

    @property
    def rules(self) -> tuple[str, ...]:
        """How an image is prepared."""
        return (_IN_WORDS,)


def decode_image(content: bytes, column: str, max_pixels: int, row: int = 1) -> Array:
    """Decodes an image upright, uint8 `[height, width, 1 or 3]`.

    Args:
      content: An encoded PNG, JPEG, BMP or GIF.
      column: The raw column, for errors.
      max_pixels: How many pixels it may have: that is checked before it is decoded.
      row: The row's number, for errors.

    Raises:
      DataError: It is no such image, not a whole one, or too large.
    """
    from PIL import Image

    where = f"column {column}, row {row}"
    check_size(content, column, max_pixels, where)
    try:
        return read_pixels(content)
    except (*BROKEN, Image.DecompressionBombError) as error:
        raise DataError(
            f"column {column!r} holds an image that cannot be decoded",
            where=where,
            expected="a whole PNG, JPEG, BMP or GIF",
            received=str(error).splitlines()[0] if str(error) else type(error).__name__,
            fix="give a whole file, its bytes as they are",
        ) from error


def find_undecodable(
    columns: Mapping[str, Array], limits: Mapping[str, int]
) -> tuple[str, int, DataError] | None:
    """Finds the first image that cannot be decoded, after a model has refused its inputs.

    Args:
      columns: What the model was given.
      limits: By input that takes images, how many pixels these may have.

    Returns:
      The input, the row from 0, and what is wrong with it.
    """
    # Signatures of serialised examples have no input of images.
    for name, most in [item for item in limits.items() if item[0] in columns]:
        for row, content in enumerate(np.ravel(columns[name])):
            try:
                if content:
                    decode_image(bytes(content), name, most, row + 1)
            except DataError as error:
                return name, row, error
    return None


def require_decodable(columns: Mapping[str, Array], limits: Mapping[str, int]) -> None:
    """Raises what is wrong with the first image that cannot be decoded; see `find_undecodable`.

    Raises:
      DataError: there is one.
    """
    found = find_undecodable(columns, limits)
    if found is not None:
        raise found[2]


def read_pixels(content: bytes) -> Array:
    """Decodes an image upright as the transform graph does, uint8 `[height, width, 1 or 3]`.

    Raises:
      One of `BROKEN`: It is no such image, or not a whole one.
      PIL.Image.DecompressionBombError: A GIF's screen is very large.
    """
    from PIL import Image

    with Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "BMP", "GIF")) as image:
        if image.format == "PNG":
            _check_png(content)
        pixels = _first_frame(image) if image.format == "GIF" else _plain(image)
    return _upright(pixels, jpeg_orientation(content)) if content[:2] == b"\xff\xd8" else pixels


def _check_png(content: bytes) -> None:
    """Checks the chunks of a PNG, as the transform graph's decoder does and Pillow does not.

    Raises:
      ValueError: It lacks its end, or what it holds is not what was written.
    """
    place, kind = 8, b""
    while kind != b"IEND":
        end = place + 12 + int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        if end > len(content):
            raise ValueError("a PNG that is cut short")
        is_critical = not kind[0] & 32
        checksum = zlib.crc32(content[place + 4 : end - 4]).to_bytes(4, "big")
        if is_critical and checksum != content[end - 4 : end]:
            raise ValueError(f"a PNG whose chunk {kind.decode('latin-1')} is broken")
        place = end


def check_size(content: bytes, column: str, max_pixels: int, where: str) -> None:
    """Refuses what is no image, or has too many pixels, by its header alone.

    Raises:
      DataError: It is no PNG, JPEG, BMP or GIF, or too large.
    """
    size = image_size(content)
    if size is None:
        raise DataError(
            f"column {column!r} holds no image",
            where=where,
            expected="a PNG, JPEG, BMP or GIF",
            received=f"{len(content):,} bytes that begin with {content[:8]!r}",
        )
    width, height = size
    if not 0 < width * height <= max_pixels:
        raise DataError(
            f"column {column!r} holds an image of {width:,} x {height:,} pixels",
            where=where,
            expected=f"at most {max_pixels:,} pixels",
            received=f"{width * height:,}",
            fix="send a smaller copy, or raise max_pixels of the feature and train again",
        )


def fitted(image: Array, height: int, width: int, fit: str) -> Array:
    """Scales an image bilinearly, aspect kept, around its centre: float32 `[height, width, n]`.

    This is TensorFlow's ScaleAndTranslate with the triangle kernel and antialiasing.
    """
    ratios = (
        np.float32(height) / np.float32(image.shape[0]),
        np.float32(width) / np.float32(image.shape[1]),
    )
    scale = max(ratios) if fit == "crop" else min(ratios)
    down = _weights(image.shape[0], height, scale)
    across = _weights(image.shape[1], width, scale)
    rows = np.zeros([height, image.shape[1] * image.shape[2]], np.float32)
    for start in range(0, image.shape[0], _ROWS_AT_ONCE):
        part = image[start : start + _ROWS_AT_ONCE].astype(np.float32)
        rows += down[:, start : start + _ROWS_AT_ONCE] @ part.reshape(len(part), -1)
    lines = rows.reshape(height, image.shape[1], image.shape[2])
    resized: Array = np.einsum("yxc,wx->ywc", lines, across, optimize=True)
    return resized


def _pixels(feature: ImageFeature, contents: Array) -> Array:
    shape = (len(contents), feature.height, feature.width, feature.channels)
    pixels = np.zeros(shape, np.float32)
    for row, content in enumerate(contents):
        if content:
            image = decode_image(bytes(content), feature.column, feature.max_pixels, row + 1)
            resized = fitted(image, feature.height, feature.width, feature.fit)
            pixels[row] = _to_channels(resized, feature.channels)
    scaled: Array = (pixels - np.float32(feature.offset)) / np.float32(feature.scale)
    return scaled


def _plain(image: Any) -> Array:
    """Gray or colour, eight bits a channel."""
    if image.mode in ("L", "LA", "1"):
        gray = image.convert("L") if image.mode == "1" else image.getchannel(0)
        return np.asarray(gray)[:, :, None]
    if image.mode.startswith("I"):  # 16 bits a pixel
        return (np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)[:, :, None]
    return np.asarray(
        image.convert("RGBA").convert("RGB") if image.mode == "P" else image.convert("RGB")
    )


def _first_frame(image: Any) -> Array:
    """The first frame of a GIF without the screen around it; what is transparent is black."""
    extents = image.tile[0].extents
    pixels = np.asarray(image.convert("RGBA").crop(extents))
    return np.where(pixels[..., 3:] > 0, pixels[..., :3], 0).astype(np.uint8)


def _upright(image: Array, orientation: int) -> Array:
    if orientation >= 5:
        image = image.transpose(1, 0, 2)
    if orientation in _FLIPPED:
        image = image[:, ::-1]
    return image[::-1] if orientation in _UPSIDE_DOWN else image


def _to_channels(image: Array, channels: int) -> Array:
    if channels == 3:
        return np.broadcast_to(image, (*image.shape[:2], 3)) if image.shape[2] == 1 else image
    if image.shape[2] == 1:
        return image
    gray: Array = image @ np.array(GRAY_WEIGHTS, np.float32)
    return gray[:, :, None]


def _weights(size: int, target: int, scale: np.float32) -> Array:
    """What each input pixel counts in each output pixel, `[target, size]`."""
    inverse = np.float32(1) / scale
    shift = (np.float32(target) - np.float32(size) * scale) / np.float32(2)
    reach = np.maximum(inverse, np.float32(1))
    centres = (np.arange(target, dtype=np.float32) + np.float32(0.5)) * inverse - inverse * shift
    places = np.arange(size, dtype=np.float32) + np.float32(0.5)
    weights = np.maximum(1 - np.abs(places[None, :] - centres[:, None]) / reach, np.float32(0))
    inside = (centres >= 0) & (centres <= size)
    totals = weights.sum(axis=1, keepdims=True)
    weights = np.where(inside[:, None] & (totals > 0), weights / np.maximum(totals, 1e-12), 0)
    return weights.astype(np.float32)
