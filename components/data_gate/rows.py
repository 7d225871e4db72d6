"""Finds the row that shows what is wrong, by streaming the examples in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_gate.findings import domain_of
from contracts.results.audit import DataFinding
from models.data.text import decoded

_BATCH = 8192
_WIDTH = 80
_DTYPES = {
    schema_pb2.INT: tf.int64,
    schema_pb2.FLOAT: tf.float32,
    schema_pb2.BYTES: tf.string,
}


def example_row(files: Sequence[str], schema: schema_pb2.Schema, finding: DataFinding) -> str:
    """Describes the first row that `finding` is about, empty where a row shows nothing."""
    if finding.kind == "other":
        return ""
    feature = next((item for item in schema.feature if item.name == finding.feature), None)
    if feature is None:
        return ""
    domain = [value.encode() for value in domain_of(schema, finding.feature)]
    offset = 0
    for records, present, values in _batches(files, finding.feature, feature.type):
        bad = ~present if finding.kind == "missing" else present & ~np.isin(values, domain)
        if bad.any():
            first = int(np.argmax(bad))
            features = tf.train.Example.FromString(records[first]).features.feature
            shown = ", ".join(f"{name}={_value(features[name])}" for name in sorted(features))
            return f"row {offset + first + 1} of split {finding.split}: {shown}"
        offset += len(records)
    return ""


def _batches(
    files: Sequence[str], name: str, kind: schema_pb2.FeatureType
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    spec = {name: tf.io.VarLenFeature(_DTYPES[kind])}
    dataset = tf.data.TFRecordDataset(list(files), compression_type="GZIP").batch(_BATCH)
    for records in dataset:
        column = tf.io.parse_example(records, spec)[name]
        rows = column.indices.numpy()[:, 0]
        present = np.zeros(len(records), bool)
        present[rows] = True
        values = np.zeros(len(records), column.values.numpy().dtype)
        values[rows] = column.values.numpy()
        yield records.numpy(), present, values


def _value(feature: tf.train.Feature) -> str:
    kind = feature.WhichOneof("kind")
    values = list(getattr(feature, kind).value) if kind else []
    if not values:
        return "missing"
    value = values[0]
    if not isinstance(value, bytes):
        return f"{value:g}"
    text = decoded(value)
    # An image, or a text of which a line has no room for the rest.
    return text if len(text) <= _WIDTH else f"{len(value):,} bytes"
