"""Which rows are drawn together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from evidence.slicing import code, column_of

Array = np.ndarray[Any, Any]


def clusters_of(keys: pa.Table, cluster_columns: Sequence[str]) -> Array | None:
    """Gives by row, from 0, its cluster: rows alike in `cluster_columns`; None without them."""
    clusters = None
    for name in cluster_columns:
        coding = code(column_of(keys, name, "data.split.columns"), keys.num_rows)
        codes = coding.codes
        if clusters is not None:
            codes = clusters * len(coding.values) + codes
        clusters = np.unique(codes, return_inverse=True)[1]
    return clusters
