"""Images in a few figures each: all that the audit keeps of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from contracts.arrays import Array
from models.content.images.decode import Fault, UndecodableImage, decode_image, to_pixels
from models.content.images.perceptual import perceptual_hashes

SIDE = 32
FAULTS: tuple[Fault, ...] = ("", "missing", "no image", "cut short", "broken", "too large")
# `digest` is of the encoded bytes, `hash` of what is seen.
IMAGE = np.dtype(
    [
        ("fault", "u1"),
        ("width", "i4"),
        ("height", "i4"),
        ("digest", "u8"),
        ("hash", "u8"),
        ("pixels", "u1", (SIDE, SIDE, 3)),
    ]
)
_THREADS = 2
_BATCH = 1024


def scan_images(encoded: Sequence[bytes | None]) -> Array:
    """Decodes images and keeps what the audit needs: about 3 KiB of each.

    Args:
      encoded: PNG, JPEG, BMP or GIF files; None or empty where there is none.

    Returns:
      A record of `IMAGE` for each.
    """
    records = np.zeros(len(encoded), IMAGE)
    with ThreadPoolExecutor(_THREADS) as pool:
        for start in range(0, len(encoded), _BATCH):
            part = encoded[start : start + _BATCH]
            for place, (fault, size, pixels) in enumerate(pool.map(_scanned, part), start):
                records["fault"][place] = FAULTS.index(fault)
                records["width"][place], records["height"][place] = size
                records["pixels"][place] = pixels
    records["digest"] = [_digest(image) for image in encoded]
    records["hash"] = perceptual_hashes(records["pixels"])
    return records


def readable(records: Array) -> Array:
    """Which of the records are of images that were decoded."""
    flags: Array = records["fault"] == 0
    return flags


def _scanned(encoded: bytes | None) -> tuple[Fault, tuple[int, int], Array | int]:
    if not encoded:
        return "missing", (0, 0), 0
    try:
        image = decode_image(encoded)
    except UndecodableImage as error:
        return error.fault, (0, 0), 0
    return "", image.size, to_pixels(image, SIDE)


def _digest(encoded: bytes | None) -> int:
    return int.from_bytes(hashlib.blake2b(encoded or b"", digest_size=8).digest(), "little")
