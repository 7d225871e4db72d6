"""Whether the border of images alone gives away their label: a watermark, a background."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.ensemble import ExtraTreesClassifier
from threadpoolctl import threadpool_limits

from contracts.arrays import Array
from models.content.given_away import given_away, out_of_fold_probabilities
from models.content.images.perceptual import to_grey

# Of 32 pixels a side: a border as wide as a frame or the letters of a watermark.
_WIDTH = 2
_TREES = 60
_FEWEST_PER_LEAF = 3
_ROWS = 10_000
# A watermark is a few of the pixels: trees that try few of them miss it.
_TRIED = 0.3


@dataclass(frozen=True)
class BorderLeak:
    """The class that the border gives away best.

    Attributes:
      label: Its id.
      share: The share of its images that the border alone tells, nearly without a mistake.
      where: The part of the border that differs most.
      places: Some of these images.
    """

    label: int
    share: float
    where: str
    places: Array


def find_border_leak(pixels: Array, labels: Array) -> BorderLeak | None:
    """Predicts the label from the border; None where there are too few images of two classes.

    Args:
      pixels: `[n, side, side, 3]`.
      labels: Class ids.
    """
    rows = np.arange(len(labels))
    if len(rows) > _ROWS:
        rows = np.sort(np.random.default_rng(0).permutation(len(labels))[:_ROWS])
    side = pixels.shape[1]
    is_border = np.ones((side, side), bool)
    is_border[_WIDTH:-_WIDTH, _WIDTH:-_WIDTH] = False
    border = to_grey(pixels[rows])[:, is_border]
    model = ExtraTreesClassifier(
        _TREES, max_features=_TRIED, min_samples_leaf=_FEWEST_PER_LEAF, random_state=0
    )
    with threadpool_limits(1):
        probabilities = out_of_fold_probabilities(model, border, labels[rows])
    if probabilities is None:
        return None
    best = max(
        (given_away(probabilities[:, label], labels[rows] == label), label)
        for label in range(probabilities.shape[1])
    )
    share, label = best
    own = labels[rows] == label
    ranked = np.argsort(-probabilities[:, label], kind="stable")
    return BorderLeak(label, share, _where(border, is_border, own), rows[ranked[own[ranked]]])


def _where(border: Array, is_border: Array, own: Array) -> str:
    """The part of the border whose brightness differs most between a class and the others."""
    spread = border.std(axis=0) + 1.0
    apart = np.abs(border[own].mean(axis=0) - border[~own].mean(axis=0)) / spread
    across, down = (np.argwhere(is_border)[apart.argmax()] / is_border.shape[0])[::-1]
    vertical = "top" if down < 1 / 3 else "bottom" if down > 2 / 3 else ""
    horizontal = "left" if across < 1 / 3 else "right" if across > 2 / 3 else ""
    return f"{vertical} {horizontal}".strip() or "middle"
