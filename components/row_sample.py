"""Samples of rows, where a split has more of them than a component may hold at once.

Whether a row is drawn depends on its own values and the seed: neither the order of rows, nor
the cut into files, nor another component has a say. Components that draw from one split with
the same seed look at the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_gate.audit.columns import Hashes, row_hashes
from contracts.arrays import Array
from contracts.results.sample import SampledRows
from models.data.raw_table import TableDecoder, read_table, record_batches, record_bytes
from models.data.row_keys import hash_rows

Flags = NDArray[np.bool_]

# Serialized; a component has rows a few times over, in one form or another.
_HELD_BYTES = 512 << 20


@dataclass(frozen=True)
class RowSample:
    """A share of the rows, each drawn by a hash of its values.

    Attributes:
      share: How many of the rows are drawn, about.
      seed: Of the hash.
    """

    share: float
    seed: int

    def flags(self, table: pa.Table) -> Flags:
        """By row, whether it is drawn.

        Args:
          table: Rows with all of their columns.
        """
        hashes = row_hashes(table, table.column_names)
        # Equal rows are drawn one by one, or a table of few distinct rows would come in lumps.
        keys = hash_rows(
            {
                f"sample {self.seed}": pa.array(hashes.view(np.int64)),
                "times": pa.array(_times_before(hashes)),
            }
        )
        drawn: Flags = (keys >> np.uint64(11)).astype(np.float64) / 2.0**53 < self.share
        return drawn


def sample_of(rows: int, most: int, seed: int) -> RowSample | None:
    """Gives what draws about `most` of `rows` rows; None where all of them are looked at."""
    return None if rows <= most else RowSample(most / rows, seed)


def rows_held(files: Sequence[str], most: int, copies: int = 1) -> int:
    """How many rows a component may hold: `most`, or fewer where these would take much memory.

    Args:
      files: Where they are.
      most: How many it asks for.
      copies: How often it holds them, such as once more with other values.
    """
    return max(1, min(most, int(_HELD_BYTES // (copies * record_bytes(files)))))


def sampled_rows(what: str, rows: int, all_rows: int) -> list[SampledRows]:
    """Says that a figure is on a sample; nothing where it is on all rows."""
    if rows >= all_rows:
        return []
    return [SampledRows(what=what, rows=rows, all_rows=all_rows)]


def drawn_batches(
    files: Sequence[str], schema: schema_pb2.Schema, sample: RowSample | None
) -> Iterator[tuple[Array, pa.Table]]:
    """Gives the drawn rows batch by batch: serialized, and as a table.

    Args:
      files: The split's files.
      schema: The schema of the examples: all columns are read.
      sample: Which rows to draw; None draws all.
    """
    decode = TableDecoder(schema)
    first = 0
    for records in record_batches(files):
        table = decode(records, first)
        first += len(records)
        if sample is None:
            yield records, table
            continue
        flags = sample.flags(table)
        if flags.any():
            yield records[flags], table.filter(pa.array(flags))


def drawn_flags(
    files: Sequence[str], schema: schema_pb2.Schema, sample: RowSample | None
) -> Iterator[Flags] | None:
    """Gives the flags of a split batch by batch, as `record_batches` cuts it; None for all."""
    if sample is None:
        return None
    decode = TableDecoder(schema)
    return (sample.flags(decode(records)) for records in record_batches(files))


def read_drawn(
    files: Sequence[str],
    schema: schema_pb2.Schema,
    sample: RowSample | None,
    columns: Sequence[str] | None = None,
) -> pa.Table:
    """Reads the drawn rows of a split; memory holds them and one batch.

    Args:
      files: The split's files.
      schema: The schema of the examples.
      sample: Which rows to draw; None draws all.
      columns: The columns to keep; None keeps all.
    """
    if sample is None:
        return read_table(files, schema, columns)
    tables = [table for _, table in drawn_batches(files, schema, sample)]
    kept = list(columns) if columns is not None else [item.name for item in schema.feature]
    tables = tables or [TableDecoder(schema)([])]
    return pa.concat_tables([table.select(kept) for table in tables])


def write_drawn(
    path: Path, files: Sequence[str], schema: schema_pb2.Schema, sample: RowSample | None
) -> None:
    """Writes the drawn rows of a split as Parquet; memory holds a batch."""
    empty = TableDecoder(schema)([])
    tables = (table for _, table in drawn_batches(files, schema, sample))
    with pq.ParquetWriter(path, empty.schema) as writer:
        # A file without any row group is not read.
        for table in chain([next(tables, empty)], tables):
            writer.write_table(table)


def _times_before(hashes: Hashes) -> NDArray[np.int64]:
    """By row, how many of the rows before it are equal to it."""
    order = np.argsort(hashes, kind="stable")
    ranked = hashes[order]
    places = np.arange(len(hashes))
    starts = np.maximum.accumulate(np.where(np.append(True, ranked[1:] != ranked[:-1]), places, 0))
    times = np.empty(len(hashes), np.int64)
    times[order] = places - starts
    return times
