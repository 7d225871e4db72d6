"""Small images and texts without a defect, for tests to plant some in."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from contracts.results.checked import Checked
from models.content.kind import Content, ContentSplits

CLASSES = ("circle", "cross", "bar")
_WORDS = [
    f"{first}{second}" for first in "bdfgklmnprstvz" for second in ("alo", "eri", "ina", "otu")
]


def encode(pixels: Any, form: str = "PNG", **options: Any) -> bytes:
    """Pixels as an encoded image."""
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, form, **options)
    return buffer.getvalue()


def pixels_of(label: int, rng: np.random.Generator, side: int = 28) -> Any:
    """A shape of one of three classes, somewhere near the middle, with noise inside it."""
    down, across = np.mgrid[:side, :side] - (side / 2 + rng.uniform(-3, 3, 2))[:, None, None]
    size = rng.uniform(5, 8)
    inside = {
        0: down**2 + across**2 < size**2,
        1: ((abs(down) < 2) | (abs(across) < 2)) & (abs(down) < size) & (abs(across) < size),
        2: (abs(across) < 2) & (abs(down) < size + 1),
    }[label]
    return np.where(inside, rng.integers(100, 255, (side, side)), 0).astype(np.uint8)


def images(rows: int, seed: int) -> tuple[list[bytes], Any]:
    """PNGs and their class ids."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, len(CLASSES), rows)
    return [encode(pixels_of(int(label), rng)) for label in labels], labels


def texts(rows: int, seed: int) -> tuple[list[str], Any]:
    """Sentences of made-up words, and class ids of which the words tell something."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, rows)
    weights = np.ones((2, len(_WORDS)))
    weights[1, :8], weights[0, 8:16] = 3.0, 3.0
    weights /= weights.sum(axis=1, keepdims=True)
    made = [
        " ".join(rng.choice(_WORDS, rng.integers(12, 30), p=weights[label])) for label in labels
    ]
    return made, labels


def content_splits(
    content: Content, values: dict[str, tuple[Sequence[Any], Any]], classes: tuple[str, ...]
) -> ContentSplits:
    """What an audit gets of values and labels by split."""
    kind = pa.string() if content.keeps_values else pa.binary()
    return ContentSplits(
        "content",
        "label",
        classes,
        {
            split: content.scan(pa.chunked_array([pa.array(found, kind)]))
            for split, (found, _) in values.items()
        },
        {split: np.asarray(labels) for split, (_, labels) in values.items()},
        lambda split, place: f"row {place + 1} of split {split}",
    )


def checked(checks: list[Checked], name: str, split: str = "") -> Checked:
    """The only check of a name, in a split."""
    (found,) = [
        check for check in checks if check.check == name and (not split or check.split == split)
    ]
    return found
