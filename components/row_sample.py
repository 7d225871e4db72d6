"""Samples of rows, where a split has more of them than a component may hold at once.

Whether a row is drawn depends on its own values and the seed: neither the order of rows, nor
the cut into files, nor another component has a say. Components that draw from one split with
the same seed look at the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_gate.audit.columns import Hashes, row_hashes
from contracts.arrays import Array
from contracts.results.sample import SampledRows
from models.data.raw_table import TableDecoder, read_table, record_batches
from models.data.row_keys import hash_rows

Flags = NDArray[np.bool_]


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


def _times_before(hashes: Hashes) -> NDArray[np.int64]:
    """By row, how many of the rows before it are equal to it."""
    order = np.argsort(hashes, kind="stable")
    ranked = hashes[order]
    places = np.arange(len(hashes))
    starts = np.maximum.accumulate(np.where(np.append(True, ranked[1:] != ranked[:-1]), places, 0))
    times = np.empty(len(hashes), np.int64)
    times[order] = places - starts
    return times
