"""Raw examples as columns: what ExampleGen wrote, read back without a loop over rows."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf
from tensorflow_metadata.proto.v0 import schema_pb2
from tfx_bsl.coders.example_coder import ExamplesToRecordBatchDecoder

from contracts.columns import list_values
from contracts.errors import DataError
from contracts.tfrecord import record_sizes
from models.data.file_columns import holds_files
from models.data.representation import raw_sizes
from models.data.text import text_of

BATCH_ROWS = 8192
_BATCH_BYTES = 32 << 20  # images make rows large: then a batch has fewer
_BATCHES_AHEAD = 2
_MEASURED_FILES = 8
_MEASURED_ROWS = 256

_TYPES = {
    schema_pb2.INT: pa.int64(),
    schema_pb2.FLOAT: pa.float32(),
    schema_pb2.BYTES: pa.string(),
}


def record_batches(
    files: Sequence[str], batch_rows: int = BATCH_ROWS
) -> Iterator[np.ndarray[tuple[int], np.dtype[np.object_]]]:
    """Gives the serialized `tf.Example`s of a split in batches, in the order of its files.

    Args:
      files: The split's gzip TFRecord files.
      batch_rows: The most rows of a batch; it has fewer where they would take much memory.
    """
    rows = int(np.clip(_BATCH_BYTES // record_bytes(files), 1, batch_rows))
    dataset = tf.data.TFRecordDataset(list(files), compression_type="GZIP").batch(rows)
    yield from dataset.prefetch(_BATCHES_AHEAD).as_numpy_iterator()


def record_bytes(files: Sequence[str]) -> float:
    """About how many bytes a serialized row has, from the first rows of some files; 1 at least."""
    some = list(files)[:: max(1, len(files) // _MEASURED_FILES)]
    sizes = [size for file in some for size in islice(record_sizes(file), _MEASURED_ROWS)]
    return max(1.0, sum(sizes) / len(sizes)) if sizes else 1.0


def read_table(
    files: Sequence[str], schema: schema_pb2.Schema, columns: Sequence[str] | None = None
) -> pa.Table:
    """Reads a whole split as a table, one plain value a cell, a missing one being null.

    Args:
      files: The split's gzip TFRecord files.
      schema: The schema of the examples; it names the columns and their types.
      columns: The columns wanted, in this order; all of the schema's where None.

    Returns:
      int64, float32 and string columns, binary ones for files, and lists of float32 of the
      length that the schema's representation has; rows in the order of `record_batches`. Bytes
      that are not UTF-8 are escaped.

    Raises:
      DataError: a cell holds another number of values.
    """
    decode = TableDecoder(schema, columns)
    tables: list[pa.Table] = []
    rows = 0
    for records in record_batches(files):
        tables.append(decode(records, rows))
        rows += len(records)
    return pa.concat_tables(tables) if tables else decode(np.zeros([0], object))


class TableDecoder:
    """Decodes batches of serialized examples into tables; see `read_table`."""

    def __init__(self, schema: schema_pb2.Schema, columns: Sequence[str] | None = None) -> None:
        known = {feature.name: feature for feature in schema.feature}
        self._names = list(known) if columns is None else list(columns)
        wanted = schema_pb2.Schema(
            feature=[schema_pb2.Feature(name=name, type=known[name].type) for name in self._names]
        )
        self._types = [
            pa.binary() if holds_files(known[name]) else _TYPES[known[name].type]
            for name in self._names
        ]
        self._decoder = ExamplesToRecordBatchDecoder(wanted.SerializeToString())
        sizes = raw_sizes(schema)
        self._sizes = [sizes.get(name, _size_of(known[name])) for name in self._names]

    def __call__(self, records: Iterable[bytes], first_row: int = 0) -> pa.Table:
        """Gives one batch as a table.

        Args:
          records: Serialized `tf.Example`s.
          first_row: How many rows came before them, for the place of an error.

        Raises:
          DataError: a cell holds another number of values.
        """
        batch = self._decoder.DecodeBatch(list(records))
        columns = [
            _cells(name, batch.column(batch.schema.get_field_index(name)), kind, size, first_row)
            for name, kind, size in zip(self._names, self._types, self._sizes, strict=True)
        ]
        return pa.table(columns, names=self._names)


def _size_of(feature: schema_pb2.Feature) -> int:
    """How many values a row has by a schema without dense representations."""
    counts = feature.value_count
    return int(counts.min) if counts.min == counts.max and counts.min > 1 else 1


def _cells(name: str, lists: pa.Array, kind: pa.DataType, size: int, first_row: int) -> pa.Array:
    """The value of each row, or its list where the column is one of lists."""
    if size == 1:
        return _flat(name, lists, kind, first_row)
    column = None if pa.types.is_null(lists.type) else lists
    matrix = list_values(name, column, size, len(lists), first_row)
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), size)


def _flat(name: str, lists: pa.Array, kind: pa.DataType, first_row: int) -> pa.Array:
    """The value of each list; an absent or an empty list, and NaN, are null."""
    if pa.types.is_null(lists.type):
        return pa.nulls(len(lists), kind)
    lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy()
    if (lengths > 1).any():
        row = int(np.argmax(lengths > 1))
        raise DataError(
            f"column {name!r} holds several values in one row",
            where=f"column {name}, row {first_row + row + 1} of the examples",
            expected="one value a row, or none",
            received=f"{lengths[row]} values",
            fix="give each value a column of its own before the examples are made",
        )
    starts = np.cumsum(lengths) - lengths
    values = lists.flatten()
    places = pa.array(np.where(lengths > 0, starts, 0), mask=lengths == 0)
    flat = values.take(places)
    flat = text_of(flat) if pa.types.is_string(kind) else flat.cast(kind)
    if pa.types.is_floating(kind):
        return pc.if_else(pc.is_nan(flat), pa.scalar(None, kind), flat)
    return flat
