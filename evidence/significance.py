"""Whether a loss is beyond chance, one by one and among many.

The standard error is that of the infinitesimal jackknife: the root of the summed squares
of the rows' influences, which is what the bootstrap's standard error tends to as resamples
grow (Efron, 1982, "The jackknife, the bootstrap and other resampling plans"; for AUC it is
DeLong's). It costs one pass, so that thousands of slices can be tested, and it resolves
the small p values that a correction for thousands of slices asks for: counting resamples
could give no p value below one in a thousand.

The p value is one-sided, from Student's t. Its degrees of freedom say how well the sum of
squares is known (Satterthwaite, 1946, with the influences' own fourth moments): a slice
with a handful of positives gets few, where the normal distribution would cry wolf.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri, stdtr

from contracts.arrays import Array

_PLENTY = 1e9


@dataclass(frozen=True)
class Losses:
    """Losses by slice (positive is worse), and how well they are known.

    Attributes:
      value: The losses.
      error: Their standard errors.
      freedom: Degrees of freedom of the errors.
    """

    value: Array
    error: Array
    freedom: Array

    def p(self, bound: float) -> Array:
        """One-sided p values of "the loss is at most `bound`", NaN where there is no loss."""
        beyond = self.value - bound
        certain = np.where(beyond > 0, np.inf, -np.inf)
        ratio = np.divide(beyond, self.error, out=certain, where=self.error > 0)
        p = stdtr(self.freedom, -ratio)
        return np.where(np.isnan(self.value), np.nan, p)

    def take(self, places: Array) -> Losses:
        """Gives the losses of some slices."""
        return Losses(self.value[places], self.error[places], self.freedom[places])

    def at_least(self, level: float) -> Array:
        """The loss that is exceeded beyond chance, by the normal approximation at `level`."""
        return self.value - float(ndtri(1 - level)) * self.error


def losses(value: Array, squares: Array, fourths: Array, rows: Array) -> Losses:
    """Gives losses from the sums of the influences' second and fourth powers.

    Args:
      value: The losses.
      squares: Sums of squared influences.
      fourths: Sums of their fourth powers.
      rows: How many rows, or clusters of rows, the sums are over.
    """
    noise = np.maximum(fourths - squares**2 / np.maximum(rows, 1), 0)
    plenty = np.full(np.shape(squares), _PLENTY)
    freedom = np.divide(2 * squares**2, noise, out=plenty, where=noise > 0)
    freedom = np.clip(np.minimum(freedom, rows - 1), 1, _PLENTY)
    # Influences are deviations from what was fitted to the same rows, as residuals are.
    corrected = squares * freedom / (np.maximum(freedom, 2) - 1)
    return Losses(value, np.sqrt(corrected), freedom)


def benjamini_hochberg(p: Array) -> Array:
    """Gives q values: the smallest false discovery rate at which each p is rejected.

    Benjamini and Hochberg (1995). NaN counts as not tested.
    """
    q = np.full(len(p), np.nan)
    tested = np.flatnonzero(~np.isnan(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    scaled = p[order] * len(order) / np.arange(1, len(order) + 1)
    q[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1)
    return q


def join(parts: Sequence[Losses]) -> Losses:
    """Lays losses end to end."""
    return Losses(
        np.concatenate([part.value for part in parts]),
        np.concatenate([part.error for part in parts]),
        np.concatenate([part.freedom for part in parts]),
    )
