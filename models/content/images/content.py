"""Images as a kind's content: their audit, embedding and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from contracts.arrays import Array
from contracts.results.preview import Preview
from models.content.images.audit import audit_images
from models.content.images.occlusion import occlude_image
from models.content.images.perceptual import to_grey
from models.content.images.picture import picture_of, preview_image
from models.content.images.scan import FAULTS, IMAGE, readable, scan_images
from models.content.kind import Content

_CELLS = 16
_COLOURS = 4


class ImageContent(Content):
    """Images; the audit keeps a small copy of each."""

    audit_key = "images"
    keeps_values = False
    strength = 0.1

    audit = staticmethod(audit_images)
    preview_value = staticmethod(preview_image)
    occlude = staticmethod(occlude_image)

    def scan(self, values: pa.ChunkedArray) -> Array:
        """Decodes each image; see models/content/images/scan.py."""
        return scan_images(values.to_pylist())

    def join(self, facts: Sequence[Any]) -> Array:
        """Joins records."""
        return np.concatenate([np.zeros(0, IMAGE), *facts])

    def digests(self, facts: Any) -> pa.ChunkedArray:
        """Of the encoded bytes."""
        missing = facts["fault"] == FAULTS.index("missing")
        return pa.chunked_array([pa.array(facts["digest"].view(np.int64), mask=missing)])

    def take(self, facts: Any, places: Array) -> Array:
        """Picks records."""
        picked: Array = facts[places]
        return picked

    def embed(self, facts: Any) -> Array:
        """Brightness in 16 x 16 cells, and colour in 4 x 4."""
        grey = _cells(to_grey(facts["pixels"])[..., None], _CELLS)
        colours = _cells(facts["pixels"].astype(np.float32), _COLOURS)
        return np.concatenate([grey, colours], axis=1) / 255.0

    def preview(self, facts: Any, place: int) -> Preview:
        """The small copy that the audit kept."""
        record = facts[place]
        if record["fault"]:
            return Preview(note=FAULTS[record["fault"]])
        return picture_of(record["pixels"], int(record["width"]), int(record["height"]))

    def statistics(self, facts: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Sizes and brightness."""
        known = facts[readable(facts)]
        if not len(known):
            return {"images": 0}
        grey = to_grey(known["pixels"])
        return {
            "images": len(known),
            "width": [int(value) for value in np.quantile(known["width"], (0, 0.5, 1))],
            "height": [int(value) for value in np.quantile(known["height"], (0, 0.5, 1))],
            "brightness": float(grey.mean()),
            "contrast": float(grey.std(axis=(1, 2)).mean()),
        }


def _cells(pixels: Array, cells: int) -> Array:
    rows, side, _, channels = pixels.shape
    step = side // cells
    parts = pixels.reshape(rows, cells, step, cells, step, channels).mean(axis=(2, 4))
    flat: Array = parts.reshape(rows, -1)
    return flat
