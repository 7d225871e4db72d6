"""Which rows are drawn together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from contracts.arrays import Array
from contracts.errors import ConfigError
from evidence.slicing import code, column_of


def clusters_of(
    keys: pa.Table, cluster_columns: Sequence[str], block_length: float | None = None
) -> Array | None:
    """Gives by row, from 0, its cluster; None without columns.

    Args:
      keys: Raw columns of the rows.
      cluster_columns: Rows alike in these are one cluster.
      block_length: Where given, the one column is a time, and rows of a block of that length
        are one cluster: windows overlap, and those of one week see the same weather.
    """
    if block_length is not None:
        (name,) = cluster_columns
        return _blocks(column_of(keys, name, "evaluation.block.column"), name, block_length)
    clusters = None
    for name in cluster_columns:
        coding = code(column_of(keys, name, "data.split.columns"), keys.num_rows)
        codes = coding.codes
        if clusters is not None:
            codes = clusters * len(coding.values) + codes
        clusters = np.unique(codes, return_inverse=True)[1]
    return clusters


def _blocks(column: pa.ChunkedArray, name: str, length: float) -> Array:
    """Blocks of time from the first row on; what has no time is a block of its own."""
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise ConfigError(
            f"{name!r} is no number that blocks of time can be counted in",
            where="evaluation.block.column",
            expected="a column of numbers, such as time_days of data.dates.time.parts",
            received=f"values of type {column.type}",
        )
    times = column.cast(pa.float64()).to_numpy()
    known = np.isfinite(times)
    first, last = times[known].min(initial=np.inf), times[known].max(initial=-np.inf)
    blocks = np.full(len(times), -1.0)
    blocks[known] = (times[known] - first) // length
    distinct, codes = np.unique(blocks, return_inverse=True)
    if len(distinct) == 1 and known.any():
        # Each resample would be the rows themselves, and each interval as wide as a point.
        raise ConfigError(
            "the rows lie in one block of time: there is nothing to resample",
            where="evaluation.block.length",
            expected="several blocks in test, better ten or more",
            received=f"{length:g} of {name!r} a block, and rows from {first:g} to {last:g}",
            fix="make blocks shorter, or give test a larger share",
        )
    return np.asarray(codes)
