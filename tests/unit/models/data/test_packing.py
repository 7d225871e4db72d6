"""Columns in matrices come out as they went in, in chunks of any length."""

import numpy as np
import pytest
import tensorflow as tf

from models.data.packing import MemoryChunks, in_memory, layout_of

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
    packed = in_memory(chunks.map(layout.pack), rows).dataset()
    assert sorted(packed.element_spec) == ["float32", "int64"]
    found = list(packed.map(layout.unpack).as_numpy_iterator())
    assert [len(chunk["label"]) for chunk in found] == [len(c["label"]) for c in chunks]
    for name, values in COLUMNS.items():
        whole = np.concatenate([chunk[name] for chunk in found])
        assert whole.dtype == values.dtype
        np.testing.assert_array_equal(whole, values)


def test_no_rows_are_no_chunks():
    assert list(MemoryChunks({"float32": np.zeros([0, 3], np.float32)}, 4).dataset()) == []


@pytest.mark.parametrize("name", sorted(COLUMNS))
def test_one_column_is_taken_out_in_its_own_shape(name):
    layout = layout_of(_specs())
    matrices = layout.pack({name: tf.constant(values) for name, values in COLUMNS.items()})
    np.testing.assert_array_equal(layout.column(matrices, name), COLUMNS[name])


def test_rows_that_come_in_parts_are_joined_without_spare_room():
    parts = tf.data.Dataset.range(40).map(lambda place: {"float32": tf.fill([7, 3], float(1))})
    chunks = in_memory(parts, 10)
    assert {name: matrix.shape for name, matrix in chunks.matrices.items()} == {"float32": (280, 3)}
    assert chunks.matrices["float32"].nbytes == 280 * 3 * 4
    assert [len(chunk["float32"]) for chunk in chunks.dataset()] == [10] * 28


def test_chunks_come_in_the_order_asked_for():
    chunks = MemoryChunks({"int64": np.arange(10)[:, None]}, 4)
    found = chunks.dataset(tf.data.Dataset.from_tensor_slices(np.array([2, 0])))
    assert [chunk["int64"].numpy()[:, 0].tolist() for chunk in found] == [[8, 9], [0, 1, 2, 3]]
