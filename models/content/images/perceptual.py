"""Near duplicates of images: hashes of what is seen, and a look-up without all pairs.

The hash has a bit for each of the lowest 64 frequencies of the brightness: whether it is above
their median. Compressing, resizing or brightening an image flips few of them. Images whose
hashes differ in few bits lie side by side once the hashes are sorted, in some rotation of
their bits; each is compared with its next neighbours there, and then pixel by pixel.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.fft import dctn

from contracts.arrays import Array
from models.content.kind import NearPairs

_LOW = 8
_ROTATIONS = 8
_NEIGHBOURS = 24
_MOST_BITS = 10
# Of the brightness of two images, pixel by pixel.
ALIKE = 0.985
_BATCH = 4096
_GREY = np.array([0.299, 0.587, 0.114], np.float32)


def perceptual_hashes(pixels: Array) -> Array:
    """Hashes images `[n, side, side, 3]` to 64 bits each."""
    hashes = np.zeros(len(pixels), np.uint64)
    for start in range(0, len(pixels), _BATCH):
        grey = to_grey(pixels[start : start + _BATCH])
        low = dctn(grey, axes=(1, 2))[:, :_LOW, :_LOW].reshape(len(grey), -1)
        # The first is the mean brightness, which says nothing of what is seen.
        low[:, 0] = 0
        bits = low > np.median(low, axis=1, keepdims=True)
        packed = np.packbits(bits, axis=1)
        hashes[start : start + _BATCH] = packed.view(">u8")[:, 0]
    return hashes


def to_grey(pixels: Array) -> Array:
    """The brightness of images, `[n, side, side]`."""
    return pixels.astype(np.float32) @ _GREY


def find_near_images(earlier: Array, later: Array) -> NearPairs:
    """Finds the images of `later` that are nearly one of `earlier`, or equal to one.

    Args:
      earlier: Records of `IMAGE` that were decoded.
      later: The same.
    """
    records = np.concatenate([earlier, later])
    cut = len(earlier)
    best = np.zeros(len(later))
    original = np.full(len(later), -1)
    for sources, copies in _candidates(records["hash"], cut):
        likeness = _likeness(records["pixels"], sources, copies)
        for first, second, alike in zip(sources, copies - cut, likeness, strict=True):
            if alike > best[second]:
                best[second], original[second] = alike, first
    near = np.flatnonzero(best >= ALIKE)
    return NearPairs(original[near], near)


def _candidates(hashes: Array, cut: int) -> Iterator[tuple[Array, Array]]:
    """Pairs across the cut whose hashes are close, without all pairs being compared."""
    for rotation in range(_ROTATIONS):
        turn = np.uint64(rotation * 64 // _ROTATIONS)
        rotated = hashes if not rotation else (hashes << turn) | (hashes >> (np.uint64(64) - turn))
        order = np.argsort(rotated, kind="stable")
        for step in range(1, min(_NEIGHBOURS, len(order) - 1) + 1):
            left, right = order[:-step], order[step:]
            across = (left < cut) != (right < cut)
            near = across & (_bits_apart(hashes[left], hashes[right]) <= _MOST_BITS)
            if near.any():
                ends = np.sort(np.stack([left[near], right[near]]), axis=0)
                yield ends[0], ends[1]


def _bits_apart(first: Array, second: Array) -> Array:
    apart = (first ^ second)[:, None].view(np.uint8)
    counts: Array = np.unpackbits(apart, axis=1).sum(axis=1)
    return counts


def _likeness(pixels: Array, left: Array, right: Array) -> Array:
    """The correlation of brightness; of flat images, none."""
    parts = []
    for start in range(0, len(left), _BATCH):
        first, second = (
            _standardised(pixels[places[start : start + _BATCH]]) for places in (left, right)
        )
        parts.append((first * second).mean(axis=1))
    return np.concatenate(parts)


def _standardised(pixels: Array) -> Array:
    grey = to_grey(pixels).reshape(len(pixels), -1)
    spread = grey.std(axis=1, keepdims=True)
    centred: Array = grey - grey.mean(axis=1, keepdims=True)
    scaled: Array = np.divide(centred, spread, out=np.zeros_like(centred), where=spread > 1)
    return scaled
