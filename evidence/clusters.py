"""Which rows are drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from evidence.slicing import code, column_of

Array = np.ndarray[Any, Any]


def clusters_of(keys: pa.Table, together: Sequence[str]) -> Array | None:
    """Gives by row, from 0, the cluster of rows alike in `together`; None without columns."""
    clusters = None
    for name in together:
        one = code(column_of(keys, name, "data.split.columns"), keys.num_rows)
        codes = one.codes if clusters is None else clusters * len(one.values) + one.codes
        clusters = np.unique(codes, return_inverse=True)[1]
    return clusters
