"""The second pass, and what the third reads: a unit of work as canonical columns.

It needs no TensorFlow, so that `kelp check` can count as a run would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow as pa

from components.example_gen import histogram, kinds
from components.example_gen.calendar import NoDateError, no_date, read_dates
from components.example_gen.config import IngestSpec
from components.example_gen.image_files import (
    file_contents,
    folder_batches,
    kept_paths,
    read_columns,
    small_batches,
)
from components.example_gen.reading import csv_batches, parquet_batches, place
from components.example_gen.scan import FileScan
from components.example_gen.split import Columns, SplitPlan, group_and_key
from contracts.columns import list_values
from contracts.errors import DataError
from models.data.dates import likely_formats

_MAX_CLASSES = 256
_MAX_UNITS = 256


@dataclass(frozen=True)
class Piece:
    """A CSV file, neighbouring row groups of a Parquet file, or some images of a folder.

    Attributes:
      path: The file or the folder.
      row_groups: The row groups, or the number of the images; None for CSV.
      first_row: How many rows of the file lie before the piece.
      is_folder: Whether it is a folder of class folders.
    """

    path: str
    row_groups: tuple[int, ...] | None = None
    first_row: int = 0
    is_folder: bool = False


@dataclass(frozen=True)
class Unit:
    """Pieces of one span that one worker reads and writes."""

    index: int
    pieces: tuple[Piece, ...]
    span: int = 0


def make_units(scans: Sequence[FileScan], spans: Sequence[int]) -> list[Unit]:
    """Cuts the data into units of work: files or row groups, not too many of them.

    Args:
      scans: What each file holds.
      spans: The span of each file; no unit holds rows of two.
    """
    pieces: dict[int, list[Piece]] = {}
    for scan, span in zip(scans, spans, strict=True):
        if scan.rows:
            pieces.setdefault(span, []).extend(_pieces(scan))
    size = -(-sum(map(len, pieces.values())) // _MAX_UNITS) or 1
    cut = [
        (tuple(held[at : at + size]), span)
        for span, held in pieces.items()
        for at in range(0, len(held), size)
    ]
    return [Unit(index, held, span) for index, (held, span) in enumerate(cut)]


def _pieces(scan: FileScan) -> list[Piece]:
    if not scan.pieces:
        return [Piece(scan.path)]
    before = accumulate(scan.piece_rows, initial=0)
    return [
        Piece(scan.path, groups, rows, scan.is_folder)
        for groups, rows in zip(scan.pieces, before, strict=False)
    ]


def count_unit(
    unit: Unit, spec: IngestSpec, found: Mapping[str, str], plan: SplitPlan
) -> histogram.Histogram:
    """Counts a unit's rows for a stratified or a chronological split."""
    whole: histogram.Histogram = {}
    for piece, row, columns in read_unit(unit, spec, found):
        try:
            groups, keys = group_and_key(columns, plan)
        except ValueError as error:
            at = int(error.args[0])
            raise no_time(piece, row + at, plan.columns[0], columns, at, spec) from error
        if len(np.unique(groups)) > _MAX_CLASSES or len(whole) > _MAX_CLASSES:
            raise DataError(
                f"the label {spec.label!r} has more than {_MAX_CLASSES} classes",
                where=f"{spec.where}: data.split.by is 'stratified'; {piece.path}",
                expected=f"at most {_MAX_CLASSES} classes to stratify by",
                fix="split by 'row' or by 'key'",
            )
        whole = histogram.merge([whole, histogram.count(groups, keys)])
    return whole


def read_unit(
    unit: Unit, spec: IngestSpec, found: Mapping[str, str]
) -> Iterator[tuple[Piece, int, Columns]]:
    """Streams canonical columns, with the number of rows of the file before them."""
    for piece in unit.pieces:
        row = piece.first_row
        for batch in _raw_batches(piece, read_columns(found, spec), spec):
            yield piece, row, _canonical(piece, row, batch, found, spec)
            row += batch.num_rows


def _raw_batches(piece: Piece, names: list[str], spec: IngestSpec) -> Iterator[pa.RecordBatch]:
    if piece.row_groups is None:
        batches = csv_batches(piece.path, names, spec)
    elif piece.is_folder:
        batches = folder_batches(piece.path, piece.row_groups[0], spec)
    else:
        values = len(names) + sum(spec.lists.values())
        batches = parquet_batches(piece.path, piece.row_groups, names, values)
    if not spec.files:
        return batches
    files = [name for name in spec.files if name in names]
    return (part for batch in batches for part in small_batches(batch, piece.path, files))


def _canonical(
    piece: Piece, row: int, batch: pa.RecordBatch, found: Mapping[str, str], spec: IngestSpec
) -> Columns:
    try:
        columns = read_dates(batch, list(found), spec)
    except NoDateError as error:
        raise no_date(error, piece.path, row, spec, spec.where) from error
    for name, files in spec.path_columns().items():
        columns[name] = kinds.parse(kept_paths(batch.column(files)), kinds.TEXT)
    for name in found.keys() - columns.keys():
        values, kind = batch.column(name), found[name]
        if name in spec.files:
            values = file_contents(values, piece.path, row, name)
        if kind == kinds.LIST:
            parsed = _list_column(piece, row, name, values, spec.lists[name])
        elif piece.row_groups is None or piece.is_folder:
            parsed = kinds.parse(values, kind, spec.number_form(name))
        else:
            parsed = _canonical_typed(piece, row, name, values, kind)
        if parsed is None:
            raise DataError(f"{piece.path} changed while it was read", where=piece.path)
        columns[name] = parsed
    return columns


def _list_column(piece: Piece, row: int, name: str, lists: pa.Array, size: int) -> pa.Array:
    """Lists of float32, in which a missing step is NaN; a list that is null misses all steps."""
    matrix = list_values(name, lists, size, len(lists), row, piece.path)
    return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), size)


def _canonical_typed(piece: Piece, row: int, name: str, values: pa.Array, kind: str) -> pa.Array:
    try:
        return kinds.canonical(values, kind)
    except pa.ArrowInvalid as error:
        raise DataError(
            f"column {name} holds an integer of more than 63 bits",
            where=f"{piece.path}, column {name}, after row {row}",
            expected="integers between -2^63 and 2^63 - 1",
            received=str(error),
            fix="write the column as text or as a float",
        ) from error


def no_time(
    piece: Piece,
    row: int,
    name: str,
    columns: Columns,
    at: int,
    spec: IngestSpec,
    *,
    is_split: bool = True,
) -> DataError:
    """Explains a value that is missing or no time.

    Args:
      piece: Where it lies.
      row: The number of rows of the file before it.
      name: Its column.
      columns: A batch of rows.
      at: Its place in the batch.
      spec: How the file is written.
      is_split: Whether the column splits the rows; otherwise it orders series.
    """
    value = columns[name][at].as_py()
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    where = (
        f"{piece.path}, row {row + 1}"
        if value is None or piece.row_groups
        else place(piece.path, row + 1, text, spec.encoding)
    )
    formats = [] if value is None else likely_formats(columns[name].cast(pa.string()))
    return DataError(
        f"the {'split' if is_split else 'time'} column {name!r} holds "
        f"{'no value' if value is None else 'no time'}",
        where=f"{where}, column {name}",
        expected="a number, a date or an ISO time in every row"
        + (", as data.split.by is 'time'" if is_split else ""),
        received="a missing value" if value is None else repr(text),
        fix=f"add data.dates: {{{name}: {{format: {formats[0]!r}}}}}"
        if formats
        else "correct the row" + (f", or split another way in {spec.where}" if is_split else ""),
    )
