"""Canonical columns to serialized `tf.Example`s, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder


def encode(columns: Mapping[str, pa.Array], names: Sequence[str]) -> list[bytes]:
    """Encodes the named columns: int64, float32, bytes and lists of float32.

    A missing value has no list; a missing step is NaN in its list.
    """
    lists = {
        name: _as_lists(columns[name]) for name in names if not pa.types.is_null(columns[name].type)
    }
    batch = pa.record_batch(list(lists.values()), names=list(lists))
    examples: list[bytes] = RecordBatchToExamplesEncoder().encode(batch)
    return examples


def _as_lists(values: pa.Array) -> pa.LargeListArray:
    if pa.types.is_fixed_size_list(values.type):
        return values.cast(pa.large_list(pa.float32()))
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float32(), safe=False)
    present = values.is_valid().to_numpy(zero_copy_only=False)
    offsets = np.zeros(len(values) + 1, np.int64)
    np.cumsum(present, out=offsets[1:])
    missing = None if present.all() else pa.array(~present)
    return pa.LargeListArray.from_arrays(pa.array(offsets), values.drop_null(), mask=missing)
