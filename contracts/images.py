"""Encoded images: which files hold them, and their size as their first bytes give it."""

from __future__ import annotations

import struct
from pathlib import PurePath

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
"""The names of files that hold images which a model can decode."""

MAX_PIXELS = 1 << 26
"""How many pixels an image may have where the config does not say."""

_PNG = b"\x89PNG\r\n\x1a\n"
_NO_SIZE = frozenset({0xC4, 0xC8, 0xCC})


def is_image_name(path: PurePath) -> bool:
    """Whether a file is an image by its name."""
    return path.suffix.lower() in IMAGE_SUFFIXES


def image_size(content: bytes) -> tuple[int, int] | None:
    """Gives width and height from the header, without decoding; None where there is none.

    Args:
      content: An encoded PNG, JPEG, BMP or GIF.
    """
    if content.startswith(_PNG):
        return _unpacked(">II", content, 16)
    if content.startswith((b"GIF87a", b"GIF89a")):
        return _unpacked("<HH", content, 6)
    if content.startswith(b"BM"):
        size = _unpacked("<ii", content, 18)
        return None if size is None else (abs(size[0]), abs(size[1]))
    return _jpeg_size(content) if content.startswith(b"\xff\xd8") else None


def _unpacked(form: str, content: bytes, start: int) -> tuple[int, int] | None:
    if len(content) < start + struct.calcsize(form):
        return None
    width, height = struct.unpack_from(form, content, start)
    return width, height


def _jpeg_size(content: bytes) -> tuple[int, int] | None:
    """Walks over the segments up to the frame, which has the size."""
    place = 2
    while place + 9 <= len(content) and content[place] == 0xFF:
        marker = content[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if 0xC0 <= marker <= 0xCF and marker not in _NO_SIZE:
            size = _unpacked(">HH", content, place + 5)
            return None if size is None else (size[1], size[0])
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return None
