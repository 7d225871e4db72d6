"""Figures of images that rows are sliced by."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from models.content.images.decode import decode_if_image, to_pixels
from models.content.images.perceptual import to_grey

_SIDE = 32
_THREADS = 2
_Figures = tuple[float, str, int]


def image_figures(values: pa.ChunkedArray) -> dict[str, pa.Array]:
    """The mean brightness from 0 to 255, the orientation and the number of pixels.

    Args:
      values: Encoded images; of what cannot be decoded, the figures are missing.
    """
    with ThreadPoolExecutor(_THREADS) as pool:
        figures = list(pool.map(_figures, values.to_pylist()))
    names = ("brightness", "orientation", "pixels")
    types = (pa.float64(), pa.string(), pa.int64())
    return {
        name: pa.array([None if row is None else row[at] for row in figures], kind)
        for at, (name, kind) in enumerate(zip(names, types, strict=True))
    }


def _figures(encoded: bytes | None) -> _Figures | None:
    image = decode_if_image(encoded)
    if image is None:
        return None
    width, height = image.size
    grey = to_grey(to_pixels(image, _SIDE)[None])
    # A bound between slices is read by people.
    return round(float(grey.mean()), 1), _orientation(width, height), width * height


def _orientation(width: int, height: int) -> str:
    if width == height:
        return "square"
    return "landscape" if width > height else "portrait"
