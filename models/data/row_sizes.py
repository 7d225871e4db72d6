"""How many rows are read and transformed at once: fewer, where they are large."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from models.data.raw_table import record_bytes

CHUNK_ROWS = 8192
_CHUNK_BYTES = 64 << 20  # pixels make rows large: then a chunk has fewer
SERIALIZED_BYTES = 16 << 20
"""Of the rows that are read at once: photos take twenty times as many once they are decoded."""


def row_bytes(specs: Mapping[str, tf.TensorSpec]) -> int:
    """The bytes of a transformed row; 1 at least."""
    sizes = (int(np.prod(spec.shape[1:])) * int(spec.dtype.size) for spec in specs.values())
    return max(1, sum(sizes))


def rows_a_chunk(specs: Mapping[str, tf.TensorSpec]) -> int:
    """How many transformed rows a chunk has."""
    return int(np.clip(_CHUNK_BYTES // row_bytes(specs), 1, CHUNK_ROWS))


def serialized_rows(files: Sequence[str]) -> int:
    """How many serialized rows are read at once."""
    return int(np.clip(SERIALIZED_BYTES // record_bytes(files), 1, CHUNK_ROWS))
