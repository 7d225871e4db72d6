"""Covers an image's cells one after the other: what the score loses is what they add."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from contracts.results.preview import HeatMap, Preview
from models.content.images.decode import decode_if_image, encode_png
from models.content.images.picture import to_preview
from models.content.kind import Occlusion

GRID = 8
# A cell is covered with half a cell around it: a smaller patch hardly hides anything.
_AROUND = 0.5
_MOST_SIDE = 512


def occlude_image(encoded: bytes | None) -> Occlusion | None:
    """Covers each of 8 x 8 cells with the image's mean colour; None for what is no image."""
    image = decode_if_image(encoded)
    if image is None:
        return None
    pixels = np.asarray(_bounded(image), np.uint8)
    down, across = (_cuts(size) for size in pixels.shape[:2])
    colour = pixels.reshape(-1, 3).mean(axis=0)
    covered = []
    for top, bottom in down:
        for left, right in across:
            changed = pixels.copy()
            changed[top:bottom, left:right] = colour
            covered.append(encode_png(Image.fromarray(changed, "RGB")))

    def show(weights: Sequence[float]) -> Preview:
        rows = np.asarray(weights, np.float64).reshape(len(down), len(across))
        return to_preview(image).model_copy(update={"heat": HeatMap(weights=rows.tolist())})

    return Occlusion(covered, show)


def _bounded(image: Image.Image) -> Image.Image:
    """The image, shrunk where 64 copies of it would take too much room."""
    if max(image.size) <= _MOST_SIDE:
        return image
    small = image.copy()
    small.thumbnail((_MOST_SIDE, _MOST_SIDE))
    return small


def _cuts(size: int) -> list[tuple[int, int]]:
    cells = min(GRID, size)
    step = size / cells
    return [
        (
            max(0, int((cell - _AROUND) * step)),
            min(size, int(np.ceil((cell + 1 + _AROUND) * step))),
        )
        for cell in range(cells)
    ]
