"""Examples hold what TFX's own encoder would write, their features by name."""

import numpy as np
import pyarrow as pa
import pytest
from tensorflow.core.example.example_pb2 import Example
from tfx_bsl.coders.example_coder import RecordBatchToExamplesEncoder

from components.example_gen.encode import encode

EXTREMES = [0, 1, 127, 128, 16383, 16384, 2**32, 2**63 - 1, -1, -(2**63), None]
ROWS = len(EXTREMES)
WORDS = [b"", b"a", "Straße".encode(), b"\0" * 127, b"\xff" * 128, b"long" * 5000, None]
COLUMNS = {
    "number": pa.array(EXTREMES, pa.int64()),
    "short": pa.array([3, None] * 5 + [1], pa.int8()),
    "float": pa.array([0.0, -0.0, np.nan, np.inf, 1e-40, 0.1, None, 1, 2, 3, 4], pa.float32()),
    "wide": pa.array([1e300, 0.1, None, *range(8)], pa.float64()),
    "words": pa.array((WORDS * 2)[:ROWS], pa.binary()),
    "large": pa.array((WORDS * 2)[2 : ROWS + 2], pa.large_binary()),
    "window": pa.FixedSizeListArray.from_arrays(pa.array(range(3 * ROWS), pa.float32()), 3),
    "_île/(Straße)": pa.array([b"x"] * ROWS),
    "never": pa.array([None] * ROWS, pa.int64()),
    "k" * 200: pa.array(range(ROWS), pa.int64()),
    "untyped": pa.nulls(ROWS),
}
PRESENT = [name for name in COLUMNS if name != "untyped"]


def _expected(columns):
    """What TFX's own encoder gives, in one order."""
    lists = []
    for column in columns.values():
        values = column if pa.types.is_fixed_size_list(column.type) else _lists(column)
        lists.append(values.cast(pa.large_list(values.type.value_type)))
    batch = pa.record_batch(lists, names=list(columns))
    examples = RecordBatchToExamplesEncoder().encode(batch)
    return _in_one_order(examples)


def _in_one_order(examples):
    return [Example.FromString(one).SerializeToString(deterministic=True) for one in examples]


def _lists(column):
    kind = {pa.int8(): pa.int64(), pa.float64(): pa.float32()}.get(column.type, column.type)
    values = column.cast(kind, safe=False)
    return pa.array([None if one is None else [one] for one in values.to_pylist()], pa.list_(kind))


@pytest.mark.parametrize("name", PRESENT)
def test_a_column_alone(name):
    column = {name: COLUMNS[name]}
    assert encode(column, [name]) == _expected(column)


def test_columns_in_any_order():
    examples = encode(COLUMNS, list(COLUMNS))
    assert encode(COLUMNS, list(reversed(COLUMNS))) == examples
    assert _in_one_order(examples) == _expected({name: COLUMNS[name] for name in PRESENT})
    keys = [b"%c%b\x12" % (len(name), name) for name in sorted(map(str.encode, PRESENT), key=bytes)]
    for example in examples:
        places = [example.index(key) for key in keys if len(key) < 100]
        assert places == sorted(places)


def test_a_part_of_a_batch():
    part = {name: column.slice(3, 5) for name, column in COLUMNS.items()}
    assert encode(part, list(part)) == encode(COLUMNS, list(COLUMNS))[3:8]


def test_many_rows(monkeypatch):
    expected = encode(COLUMNS, PRESENT)
    monkeypatch.setattr("components.example_gen.encode._ROWS", 4)
    assert encode(COLUMNS, PRESENT) == expected


def test_no_rows_and_no_columns():
    empty = {name: column.slice(0, 0) for name, column in COLUMNS.items()}
    assert encode(empty, list(empty)) == []
    assert encode(COLUMNS, ["untyped"]) == []
