"""Whether the values of a column are skewed, or have tails that a plain scale squeezes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from contracts.arrays import Array

SKEWED = 2.0
"""From this skewness on, of either sign, ranks say more than distances."""

FAR = 20.0
"""From so many robust deviations on, the farthest value squeezes all others."""

SKEWED_LABEL = 1.5
"""From this skewness on a label is learned by its logarithm, where that is less skewed."""

_NORMAL_RANGE = 1.349


def skewness(values: Array) -> float:
    """The third standardised moment; 0 where the values do not differ."""
    centred = values.astype(np.float64) - values.mean(dtype=np.float64)
    variance = float((centred**2).mean())
    return float((centred**3).mean()) / variance**1.5 if variance > 0 else 0.0


def farthest(values: Array) -> float:
    """How many robust deviations the farthest value is from the median; 0 where there is none."""
    lower, median, upper = np.quantile(values, [0.25, 0.5, 0.75])
    deviation = float(upper - lower) / _NORMAL_RANGE
    return float(np.abs(values - median).max()) / deviation if deviation > 0 else 0.0


def describe_skewness(column: pa.Array) -> str:
    """Says why a column should be scaled by its ranks; empty where it need not be."""
    values = numbers(column)
    if not len(values):
        return ""
    skew = skewness(values)
    if abs(skew) >= SKEWED:
        return f"skewness {skew:.1f}"
    far = farthest(values)
    return f"values {far:.0f} robust deviations from the median" if far >= FAR else ""


def suits_logarithm(column: pa.Array) -> bool:
    """Whether a label is never below 0, skewed to the right, and its logarithm half as much."""
    values = numbers(column)
    skew = skewness(values)
    if values.min() < 0 or skew < SKEWED_LABEL:
        return False
    return abs(skewness(np.log1p(values))) <= skew / 2


def numbers(column: pa.Array) -> Array:
    """The values that are there."""
    values: Array = column.drop_null().cast(pa.float64()).to_numpy(zero_copy_only=False)
    return values[np.isfinite(values)]
