"""How far two distributions lie apart, and how far chance alone would take them."""

from __future__ import annotations

import numpy as np

from components.data_gate.audit.columns import Floats

SHUFFLES = 100
_SIGMAS = 5.0


def l_infinity(ours: Floats, theirs: Floats) -> Floats:
    """The largest difference of a value's share; counts by value in the last axis."""
    found: Floats = np.abs(_shares(ours) - _shares(theirs)).max(axis=-1)
    return found


def jensen_shannon(ours: Floats, theirs: Floats) -> Floats:
    """The Jensen-Shannon divergence in bits, from 0 to 1; counts by bin in the last axis."""
    left, right = _shares(ours), _shares(theirs)
    middle = (left + right) / 2
    return (_entropy(middle) - (_entropy(left) + _entropy(right)) / 2).clip(0, 1)


def distance(ours: Floats, theirs: Floats, categorical: bool) -> Floats:
    """L-infinity for categories, Jensen-Shannon for numbers."""
    return l_infinity(ours, theirs) if categorical else jensen_shannon(ours, theirs)


def by_chance(ours: Floats, theirs: Floats, categorical: bool, rng: np.random.Generator) -> float:
    """The distance that two random halves of the same rows hardly ever exceed.

    Args:
      ours: Counts by block and value.
      theirs: The same of the other side.
      categorical: Which distance.
      rng: Draws which blocks change sides.

    Returns:
      Five standard deviations above the mean of the distances after shuffling all blocks
      between the two sides, each side keeping its number of blocks; 1, which nothing
      exceeds, where a side has a single block.
    """
    if min(len(ours), len(theirs)) < 2:
        return 1.0
    blocks = np.concatenate([ours, theirs])
    sides = np.zeros((SHUFFLES, len(blocks)))
    sides[:, : len(ours)] = 1
    left = rng.permuted(sides, axis=1) @ blocks
    found = distance(left, blocks.sum(axis=0) - left, categorical)
    return float(min(found.mean() + _SIGMAS * found.std(), 1.0))


def _shares(counts: Floats) -> Floats:
    total = counts.sum(axis=-1, keepdims=True)
    shares: Floats = np.divide(counts, total, out=np.zeros_like(counts), where=total > 0)
    return shares


def _entropy(shares: Floats) -> Floats:
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    found: Floats = -(shares * logs).sum(axis=-1)
    return found
