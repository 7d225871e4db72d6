"""Reads the rows to audit: all of them, or a sample beside what is counted over every row."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from tensorflow_metadata.proto.v0 import schema_pb2

from components.data_gate.audit.columns import Ints
from components.data_gate.audit.outcome import AuditData
from components.data_gate.audit.scanned import Scanner, most_rows, scanned_contents
from components.data_gate.audit.whole import WholeRows
from components.row_sample import RowSample, rows_held, sample_of, sampled_rows
from contracts.results.sample import SampledRows
from models.data.raw_table import TableDecoder, read_table, record_batches

Files = Mapping[str, Sequence[str]]

_SEED = 0
_BATCH_ROWS = 1 << 15
# Of rows with images or the like, which take some megabytes each at worst.
_BATCH_FILES = 256


@contextmanager
def audited_rows(
    empty: AuditData, files: Files, schema: schema_pb2.Schema, rows: int
) -> Iterator[AuditData]:
    """Gives the rows to audit; what is kept of all rows lasts as long as the block.

    Args:
      empty: What is known without the rows.
      files: By split, its files.
      schema: Of the examples.
      rows: How many there are, in all splits.
    """
    contents = scanned_contents(empty.problem)
    most = most_rows(contents, empty.spec)
    if not contents:  # of images, facts are kept
        most = rows_held([path for paths in files.values() for path in paths], most)
    sample = sample_of(rows, most, _SEED)
    if sample is None and not contents:
        tables = {split: read_table(paths, schema) for split, paths in files.items()}
        yield replace(empty, tables=tables)
        return
    with tempfile.TemporaryDirectory(prefix="kelp-audit-") as folder:
        # Few rows are counted exactly, and in memory.
        whole = WholeRows(empty.problem, empty.split, None if sample is None else Path(folder))
        yield _drawn(empty, files, schema, sample, whole)


def _drawn(
    empty: AuditData,
    files: Files,
    schema: schema_pb2.Schema,
    sample: RowSample | None,
    whole: WholeRows,
) -> AuditData:
    scanner = Scanner(scanned_contents(empty.problem))
    tables: dict[str, pa.Table] = {}
    places: dict[str, Ints] = {}
    for split, paths in files.items():
        tables[split], places[split] = _read_split(split, paths, schema, sample, whole, scanner)

    def read_row(split: str, place: int) -> pa.Table:
        decode, first = TableDecoder(schema), 0
        for records in record_batches(files[split]):
            if place < first + len(records):
                return decode(records[place - first : place - first + 1])
            first += len(records)
        raise IndexError(place)

    return replace(
        empty, tables=tables, places=places, counted=whole, read_row=read_row, facts=scanner.facts()
    )


def _read_split(
    split: str,
    files: Sequence[str],
    schema: schema_pb2.Schema,
    sample: RowSample | None,
    whole: WholeRows,
    scanner: Scanner,
) -> tuple[pa.Table, Ints]:
    decode = TableDecoder(schema)
    empty = decode([])
    whole.add(split, empty)
    tables, places, first = [scanner.scan(split, empty)], [np.zeros(0, np.int64)], 0
    for records in record_batches(files, _BATCH_FILES if scanner.contents else _BATCH_ROWS):
        table = decode(records, first)
        whole.add(split, table)
        flags = np.ones(len(records), bool) if sample is None else sample.flags(table)
        tables.append(scanner.scan(split, table.filter(pa.array(flags))))
        places.append(np.flatnonzero(flags) + first)
        first += len(records)
    return pa.concat_tables(tables), np.concatenate(places)


def sampled_checks(data: AuditData) -> list[SampledRows]:
    """Says which checks looked at a sample."""
    if data.counted is None:
        return []
    rows = sum(table.num_rows for table in data.tables.values())
    what = "data audit: leakage, constant values, outliers, near copies, wrong labels, shift"
    what += "".join(f", {name}" for name in data.contents())
    return sampled_rows(what, rows, sum(data.whole.rows.values()))
