"""Samples of rows: the same rows whatever their order, and few of them in memory."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import schema_pb2

from components import row_sample
from components.row_sample import (
    RowSample,
    drawn_batches,
    drawn_flags,
    read_drawn,
    rows_held,
    sample_of,
    sampled_rows,
    write_drawn,
)
from models.data import raw_table
from models.data.raw_table import read_table, record_batches

ROWS = 3000
SCHEMA = text_format.Parse(
    'feature { name: "id" type: INT } feature { name: "town" type: BYTES }', schema_pb2.Schema()
)


def _example(row: int) -> bytes:
    example = tf.train.Example()
    example.features.feature["id"].int64_list.value.append(row)
    if row % 7:
        example.features.feature["town"].bytes_list.value.append(f"t{row % 5}".encode())
    serialized: bytes = example.SerializeToString()
    return serialized


def _write(path: Path, rows: np.ndarray) -> str:
    with tf.io.TFRecordWriter(str(path), "GZIP") as writer:
        for row in rows:
            writer.write(_example(int(row)))
    return str(path)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("rows")
    return [
        _write(folder / "0.gz", np.arange(1000)),
        _write(folder / "1.gz", np.arange(1000, ROWS)),
    ]


def test_few_rows_are_all_looked_at(files: list[str]) -> None:
    assert sample_of(1000, 1000, 3) is None
    assert read_drawn(files, SCHEMA, None, ["town"]).equals(read_table(files, SCHEMA, ["town"]))
    assert drawn_flags(files, SCHEMA, None) is None
    assert sampled_rows("stress", 10, 10) == []


def test_the_sample_is_of_the_size_and_has_no_favourites(files: list[str]) -> None:
    sample = sample_of(ROWS, 600, 3)
    drawn = read_drawn(files, SCHEMA, sample)
    assert drawn.num_rows == pytest.approx(600, abs=90)  # four standard deviations
    ids = drawn["id"].to_numpy()
    assert ids.mean() == pytest.approx(ROWS / 2, abs=4 * ROWS / np.sqrt(12 * 600))
    assert (np.diff(ids) > 0).all()
    (said,) = sampled_rows("stress", drawn.num_rows, ROWS)
    assert said.line == f"stress: on {drawn.num_rows:,} of 3,000 rows"


def test_neither_order_nor_files_nor_batches_matter(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = RowSample(0.2, 3)
    ids = set(read_drawn(files, SCHEMA, sample, ["id"])["id"].to_pylist())
    other = [_write(tmp_path / "0.gz", np.random.default_rng(0).permutation(ROWS))]
    monkeypatch.setattr(raw_table.record_batches, "__defaults__", (100,))
    assert set(read_drawn(other, SCHEMA, sample, ["id"])["id"].to_pylist()) == ids
    assert set(read_drawn(files, SCHEMA, RowSample(0.2, 4), ["id"])["id"].to_pylist()) != ids


def test_records_tables_and_flags_are_of_the_same_rows(files: list[str]) -> None:
    sample = RowSample(0.2, 3)
    wanted = read_drawn(files, SCHEMA, sample)
    records = [record for batch, _ in drawn_batches(files, SCHEMA, sample) for record in batch]
    assert [tf.train.Example.FromString(one).features.feature["id"].int64_list.value[0]
            for one in records] == wanted["id"].to_pylist()  # fmt: skip
    flags = np.concatenate(list(drawn_flags(files, SCHEMA, sample) or ()))
    assert read_table(files, SCHEMA).filter(pa.array(flags)).equals(wanted)


@pytest.mark.parametrize("sample", [None, RowSample(0.2, 3), RowSample(0.0, 3)])
def test_drawn_rows_are_written_batch_by_batch(
    files: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sample: RowSample | None
) -> None:
    monkeypatch.setattr(raw_table.record_batches, "__defaults__", (250,))
    write_drawn(tmp_path / "rows.parquet", files, SCHEMA, sample)
    written = pq.ParquetFile(tmp_path / "rows.parquet")
    assert written.read().equals(read_drawn(files, SCHEMA, sample))
    assert written.num_row_groups == (1 if sample and not sample.share else 12)


def test_of_large_rows_fewer_are_held(files: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    assert rows_held(files, 2000) == 2000
    monkeypatch.setattr(row_sample, "_HELD_BYTES", 100 * raw_table.record_bytes(files))
    assert rows_held(files, 2000) == 100
    assert rows_held(files, 2000, copies=2) == 50
    monkeypatch.setattr(row_sample, "_HELD_BYTES", 1)
    assert rows_held(files, 2000) == 1


def test_equal_rows_are_drawn_one_by_one() -> None:
    table = pa.table({"id": np.zeros(5000, np.int64), "town": ["a", "b"] * 2500})
    flags = RowSample(0.1, 0).flags(table)
    assert flags.sum() == pytest.approx(500, abs=90)
    assert flags[::2].sum() == pytest.approx(250, abs=65)


def test_memory_holds_the_sample_and_a_batch(
    files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(raw_table.record_batches, "__defaults__", (250,))
    assert [len(batch) for batch in record_batches(files)] == [250] * 12
    held = [(len(records), table.num_rows)
            for records, table in drawn_batches(files, SCHEMA, RowSample(0.1, 3))]  # fmt: skip
    assert len(held) == 12
    assert all(rows == kept < 60 for rows, kept in held)
