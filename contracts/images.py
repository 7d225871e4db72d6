"""Encoded images: which files hold them, and their size as their first bytes give it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import PurePath
from typing import Literal

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
"""The names of files that hold images which a model can decode."""

OTHER_SUFFIXES = (".webp", ".tif", ".tiff", ".heic", ".heif", ".avif", ".jp2", ".jxl")
"""The names of files that hold images which no model can decode."""

MAX_PIXELS = 1 << 26
"""How many pixels an image may have where the config does not say."""

GRAY_WEIGHTS = (0.299, 0.587, 0.114)
"""Red, green and blue in gray, by ITU-R BT.601."""

MOST_BLOCKS = 1024
"""How many blocks of a JPEG or GIF are read for its size: more are no image, but an attack."""

BMP_HEADER = 40
"""The fewest bytes of the second header of a BMP that can be decoded."""

BMP_BITS = (8, 24, 32)
"""How many bits a pixel of a BMP may have, without compression."""

BMP_COMPRESSIONS = (0, 3)
"""Pixels as they are, or with masks."""

_PNG = b"\x89PNG\r\n\x1a\n"
_ORIENTATION = 0x0112
_NO_SIZE = frozenset({0xC4, 0xC8, 0xCC})
# These markers have no length behind them.
_BARE = frozenset({0x01, *range(0xD0, 0xD8)})


def is_image_name(path: PurePath) -> bool:
    """Whether a file is an image by its name."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def image_size(content: bytes) -> tuple[int, int] | None:
    """Gives width and height from the header, without decoding; None where there is none.

    Of a GIF, these are those of the first frame, which is what is decoded.

    Args:
      content: An encoded PNG, JPEG, BMP or GIF.
    """
    if content.startswith(_PNG):
        return _unpacked(">II", content, 16)
    if content.startswith((b"GIF87a", b"GIF89a")):
        return _gif_size(content)
    if content.startswith(b"BM"):
        return _bmp_size(content)
    return _jpeg_size(content) if content.startswith(b"\xff\xd8") else None


def _unpacked(form: str, content: bytes, start: int) -> tuple[int, int] | None:
    if len(content) < start + struct.calcsize(form):
        return None
    width, height = struct.unpack_from(form, content, start)
    return width, height


def _bmp_size(content: bytes) -> tuple[int, int] | None:
    if len(content) < 14 + BMP_HEADER:
        return None
    header, width, height, _, bits, compression = struct.unpack_from("<IiiHHI", content, 14)
    known = bits in BMP_BITS and compression in BMP_COMPRESSIONS and header >= BMP_HEADER
    return (width, abs(height)) if known else None


def _gif_size(content: bytes) -> tuple[int, int] | None:
    place = 13 + _gif_colours(content, 10)
    left = MOST_BLOCKS
    while content[place : place + 1] == b"!":
        place += 2
        while left and (size := int.from_bytes(content[place : place + 1], "big")):
            place, left = place + 1 + size, left - 1
        place, left = place + 1, left - 1
        if left <= 0:
            return None
    is_frame = content[place : place + 1] == b","
    return _unpacked("<HH", content, place + 5) if is_frame else None


def _gif_colours(content: bytes, place: int) -> int:
    """How many bytes a table of colours has, by its flags."""
    flags = int.from_bytes(content[place : place + 1], "big")
    return 6 << (flags & 7) if flags & 0x80 else 0


def jpeg_orientation(content: bytes) -> int:
    """Gives what EXIF says of how the camera was held, 1 to 8; 1 is upright, or unknown."""
    orientation = 1
    for marker, place in _jpeg_segments(content):
        if marker == 0xE1 and content[place + 4 : place + 10] == b"Exif\0\0":
            orientation = _tiff_orientation(content, place + 10)
    return orientation


def _jpeg_segments(content: bytes) -> Iterator[tuple[int, int]]:
    """The markers before the first scan, each with its place."""
    place = 2
    for _ in range(MOST_BLOCKS):
        if place + 9 >= len(content) or content[place] != 0xFF:
            return
        marker = content[place + 1]
        if marker in (0x00, 0xDA):
            return
        yield marker, place
        if marker == 0xFF:
            place += 1
        else:
            length = int.from_bytes(content[place + 2 : place + 4], "big")
            place += 2 if marker in _BARE else 2 + length


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    size = None
    for marker, place in _jpeg_segments(content):
        if 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            size = _unpacked(">HH", content, place + 5)
    return None if size is None else (size[1], size[0])


def _tiff_orientation(content: bytes, start: int) -> int:
    order: Literal["little", "big"] = "little" if content[start : start + 1] == b"I" else "big"

    def number(place: int, size: int) -> int:
        # What lies beyond the end is 0, as in the graph.
        return int.from_bytes(content[place : place + size].ljust(size, b"\0"), order)

    first = start + number(start + 4, 4)
    if first + 2 > len(content):
        return 1
    count = min(number(first, 2), max(0, (len(content) - first - 2) // 12))
    entries = range(first + 2, first + 2 + 12 * count, 12)
    values = [number(place + 8, 2) for place in entries if number(place, 2) == _ORIENTATION]
    orientation = max(values, default=1)
    return orientation if 1 <= orientation <= 8 else 1
