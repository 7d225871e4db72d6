"""Examples read back as columns."""

from __future__ import annotations

from pathlib import Path

import pytest
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from contracts.errors import DataError
from models.data import raw_table
from models.data.raw_table import read_table, record_batches

SCHEMA = schema_pb2.Schema(
    feature=[
        schema_pb2.Feature(name="number", type=schema_pb2.FLOAT),
        schema_pb2.Feature(name="count", type=schema_pb2.INT),
        schema_pb2.Feature(name="text", type=schema_pb2.BYTES),
        schema_pb2.Feature(name="never", type=schema_pb2.FLOAT),
    ]
)


def _write(path: Path, rows: list[dict[str, object]]) -> str:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for row in rows:
            example = tf.train.Example()
            for name, value in row.items():
                feature = example.features.feature[name]
                if isinstance(value, str):
                    feature.bytes_list.value.append(value.encode())
                elif isinstance(value, bytes):
                    feature.bytes_list.value.append(value)
                elif isinstance(value, list):
                    feature.int64_list.value.extend(value)
                elif isinstance(value, int):
                    feature.int64_list.value.append(value)
                elif isinstance(value, float):
                    feature.float_list.value.append(value)
                else:  # an empty list: present, and without a value
                    feature.float_list.value.extend([])
            writer.write(example.SerializeToString())
    return str(path)


def test_cells_are_plain_and_missing_ones_are_null(tmp_path: Path) -> None:
    first = _write(
        tmp_path / "a.gz",
        [{"number": 1.5, "count": 2, "text": "zürich"}, {"number": float("nan"), "text": "b"}],
    )
    second = _write(tmp_path / "b.gz", [{"number": None, "count": -1}, {}, {"text": ""}])
    table = read_table([first, second], SCHEMA)
    assert table.to_pydict() == {
        "number": [1.5, None, None, None, None],
        "count": [2, None, -1, None, None],
        "text": ["zürich", "b", None, None, ""],
        "never": [None] * 5,
    }
    assert [str(kind) for kind in table.schema.types] == ["float", "int64", "string", "float"]


def test_columns_are_chosen_and_ordered(tmp_path: Path) -> None:
    file = _write(tmp_path / "a.gz", [{"count": 1, "text": "x"}])
    assert read_table([file], SCHEMA, ["text", "count"]).to_pydict() == {
        "text": ["x"],
        "count": [1],
    }


def test_rows_keep_the_order_of_the_files_over_batches(tmp_path: Path) -> None:
    files = [
        _write(tmp_path / f"{part}.gz", [{"count": part * 7 + place} for place in range(7)])
        for part in range(3)
    ]
    assert read_table(files, SCHEMA, ["count"])["count"].to_pylist() == list(range(21))
    assert [len(batch) for batch in record_batches(files, batch_rows=8)] == [8, 8, 5]


def test_large_rows_come_in_small_batches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = [
        _write(tmp_path / f"{part}.gz", [{"text": "x" * 1000} for _ in range(7)])
        for part in range(3)
    ]
    assert 1000 < raw_table.record_bytes(files) < 1050
    monkeypatch.setattr(raw_table, "_BATCH_BYTES", 5000)
    assert [len(batch) for batch in record_batches(files)] == [4] * 5 + [1]
    monkeypatch.setattr(raw_table, "_BATCH_BYTES", 10)
    assert {len(batch) for batch in record_batches(files)} == {1}


def test_no_rows_are_an_empty_table(tmp_path: Path) -> None:
    table = read_table([_write(tmp_path / "a.gz", [])], SCHEMA, ["number", "text"])
    assert table.num_rows == 0
    assert table.column_names == ["number", "text"]


def test_several_values_in_a_cell_are_refused(tmp_path: Path) -> None:
    files = [
        _write(tmp_path / "a.gz", [{"count": 1}, {"count": [2]}]),
        _write(tmp_path / "b.gz", [{"count": 3}, {"count": [4, 5, 6]}]),
    ]
    with pytest.raises(DataError, match="'count' holds several values") as caught:
        read_table(files, SCHEMA, ["count"])
    assert caught.value.where == "column count, row 4 of the examples"
    assert caught.value.received == "3 values"


def test_bytes_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    values = [b"zur\xc3\xbcck", b"z\xfcrich", None, b"z\xfdrich", b"z\xfcrich"]
    rows = [{} if value is None else {"text": value} for value in values]
    table = read_table([_write(tmp_path / "a.gz", rows)], SCHEMA, ["text"])
    assert table["text"].to_pylist() == ["zurück", "z\\xfcrich", None, "z\\xfdrich", "z\\xfcrich"]
