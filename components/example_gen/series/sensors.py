"""Sensors that are stuck or spike: looked for in the values of one series."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from components.example_gen.histogram import Ints

Values = NDArray[np.float32]

# A column of fewer values, such as a working day, is no sensor.
_FEW_VALUES = 10
_USUAL = 90
_SPIKE = 10.0


def stuck_rows(values: Values, length: int) -> Ints:
    """The rows at which runs of equal values begin that are as long as a context.

    Args:
      values: In order of time, NaN where one is missing.
      length: How many equal values are too many.
    """
    if not _is_measured(values):
        return np.zeros(0, np.int64)
    starts = np.flatnonzero(np.append(True, values[1:] != values[:-1]))
    lengths = np.diff(np.append(starts, len(values)))
    return starts[(lengths >= length) & ~np.isnan(values[starts])]


def spike_rows(values: Values) -> Ints:
    """The rows whose value jumps away from both neighbours, far more than is usual.

    Args:
      values: In order of time, NaN where one is missing.
    """
    if not _is_measured(values):
        return np.zeros(0, np.int64)
    jumps = np.diff(values.astype(np.float64))
    known = np.abs(jumps[~np.isnan(jumps)])
    usual = np.percentile(known, _USUAL) if len(known) else 0.0
    far = np.abs(jumps) > _SPIKE * usual
    back = np.sign(jumps[1:]) == -np.sign(jumps[:-1])
    rows: Ints = np.flatnonzero(far[:-1] & far[1:] & back) + 1
    return rows if usual > 0 else rows[:0]


def _is_measured(values: Values) -> bool:
    return len(np.unique(values[~np.isnan(values)])) > _FEW_VALUES
