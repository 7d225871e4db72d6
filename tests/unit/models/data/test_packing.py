"""Columns in matrices come out as they went in, in chunks of any length."""

import numpy as np
import pytest
import tensorflow as tf

from models.data.packing import chunks_of, in_memory, layout_of

COLUMNS = {
    "vector": np.arange(10, dtype=np.float32)[:, None],
    "pair": np.arange(20, dtype=np.float32).reshape(10, 2),
    "label": np.arange(10),
    "category": np.arange(10)[:, None] * 7,
}


def _specs():
    return {
        name: tf.TensorSpec([None, *values.shape[1:]], values.dtype)
        for name, values in COLUMNS.items()
    }


@pytest.mark.parametrize("rows", [1, 3, 5, 10, 16])
def test_packed_columns_are_unpacked_in_their_own_shapes(rows):
    layout = layout_of(_specs())
    chunks = tf.data.Dataset.from_tensor_slices(COLUMNS).batch(rows)
    packed = in_memory(chunks.map(layout.pack), rows)
    assert sorted(packed.element_spec) == ["float32", "int64"]
    found = list(packed.map(layout.unpack).as_numpy_iterator())
    assert [len(chunk["label"]) for chunk in found] == [len(c["label"]) for c in chunks]
    for name, values in COLUMNS.items():
        whole = np.concatenate([chunk[name] for chunk in found])
        assert whole.dtype == values.dtype
        np.testing.assert_array_equal(whole, values)


def test_no_rows_are_no_chunks():
    assert list(chunks_of({"float32": np.zeros([0, 3], np.float32)}, 4)) == []


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_one_column_is_taken_out_in_its_own_shape(name):
    layout = layout_of(_specs())
    matrices = layout.pack({name: tf.constant(values) for name, values in COLUMNS.items()})
    np.testing.assert_array_equal(layout.column(matrices, name), COLUMNS[name])
