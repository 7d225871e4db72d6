"""The row that shows what is wrong with the data."""

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_gate.rows import example_row
from contracts.results.audit import DataFinding
from tests.fixtures.pictures import COLOUR, encoded


def test_a_row_without_a_label_is_named_by_what_a_line_has_room_for(tmp_path: Path) -> None:
    image = encoded(COLOUR, "PNG")
    rows = [{"path": b"cat/1.png", "y": b"cat"}, {"path": b"caf\xe9.png"}]
    file = str(tmp_path / "rows.gz")
    with tf.io.TFRecordWriter(file, tf.io.TFRecordOptions(compression_type="GZIP")) as writer:
        for row in rows:
            columns = {
                name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))
                for name, value in {**row, "photo": image}.items()
            }
            example = tf.train.Example(features=tf.train.Features(feature=columns))
            writer.write(example.SerializeToString())
    schema = schema_pb2.Schema()
    schema.feature.add(name="y", type=schema_pb2.BYTES)
    missing = DataFinding(severity="block", feature="y", split="train", what="", kind="missing")
    named = f"row 2 of split train: path=caf\\xe9.png, photo={len(image):,} bytes"
    assert example_row([file], schema, missing) == named
