"""The second and third pass: a unit of work is read, split, encoded and written.

Memory holds a few batches at a time, whatever the number of rows.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import tensorflow as tf

from components.example_gen import histogram, kinds
from components.example_gen.config import SPLITS, IngestSpec
from components.example_gen.encode import encode
from components.example_gen.reading import csv_batches, parquet_batches, place
from components.example_gen.split import Columns, SplitPlan, assign, group_and_key
from models.errors import DataError, EnvironmentProblem

_In = TypeVar("_In")
_Out = TypeVar("_Out")
_MAX_CLASSES = 256
# The encoder and zlib release Python's lock: two batches are encoded while one is written.
_THREADS = 2
_AHEAD = 3
# Level 1 takes a third of the time of level 6 and a third more room.
_GZIP_LEVEL = 1


@dataclass(frozen=True)
class Piece:
    """A CSV file, or neighbouring row groups of a Parquet file.

    Attributes:
      path: The file.
      row_groups: The row groups; None for CSV.
      first_row: How many rows of the file lie before the piece.
    """

    path: str
    row_groups: tuple[int, ...] | None = None
    first_row: int = 0


@dataclass(frozen=True)
class Unit:
    """Pieces of one span that one worker reads and writes."""

    index: int
    pieces: tuple[Piece, ...]
    span: int = 0


def count_unit(
    unit: Unit, spec: IngestSpec, found: Mapping[str, str], plan: SplitPlan
) -> histogram.Histogram:
    """Counts a unit's rows for a stratified or a chronological split."""
    whole: histogram.Histogram = {}
    for piece, row, columns in _read_unit(unit, spec, found):
        try:
            groups, keys = group_and_key(columns, plan)
        except ValueError as error:
            at = int(error.args[0])
            raise _no_time(piece, row + at, plan.columns[0], columns, at, spec) from error
        if len(np.unique(groups)) > _MAX_CLASSES or len(whole) > _MAX_CLASSES:
            raise DataError(
                f"the label {spec.label!r} has more than {_MAX_CLASSES} classes",
                where=f"{spec.where}: data.split.by is 'stratified'; {piece.path}",
                expected=f"at most {_MAX_CLASSES} classes to stratify by",
                fix="split by 'row' or by 'key'",
            )
        whole = histogram.merge([whole, histogram.count(groups, keys)])
    return whole


def write_unit(
    unit: Unit, spec: IngestSpec, found: Mapping[str, str], plan: SplitPlan, folder: Path
) -> dict[str, int]:
    """Writes a unit as one gzip TFRecord file per split that gets rows.

    Returns:
      The number of rows of each split.

    Raises:
      DataError: The data cannot be read.
      EnvironmentProblem: The files cannot be written.
    """

    def encode_batch(batch: tuple[Piece, int, Columns]) -> list[list[bytes]]:
        columns = batch[2]
        return _by_split(encode(columns, spec.columns), assign(columns, plan))

    with ThreadPoolExecutor(_THREADS) as pool, _SplitFiles(folder, unit.index) as files:
        for parts in _ahead(pool, encode_batch, _read_unit(unit, spec, found)):
            files.write(parts)
    return files.rows


class _SplitFiles:
    """One file per split, under temporary names until all of them are whole."""

    def __init__(self, folder: Path, unit: int) -> None:
        self.rows = dict.fromkeys(SPLITS, 0)
        self._folder = folder
        self._unit = unit
        self._mark = uuid.uuid4().hex
        self._writers: dict[str, tf.io.TFRecordWriter] = {}

    def __enter__(self) -> _SplitFiles:
        return self

    def write(self, parts: list[list[bytes]]) -> None:
        try:
            for split, examples in zip(SPLITS, parts, strict=True):
                if examples:
                    # A C loop over the records: tf.data's own writer is four times slower.
                    deque(map(self._writer(split).write, examples), maxlen=0)
                    self.rows[split] += len(examples)
        except tf.errors.OpError as error:
            raise _cannot_write(self._folder, error) from error

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        failures = [fail for fail in map(_close, self._writers.values()) if fail is not None]
        for split in self._writers:
            if kind is None and not failures:
                self._temporary(split).rename(unit_file(self._folder, self._unit, split))
            else:
                self._temporary(split).unlink(missing_ok=True)
        if failures and kind is None:
            raise _cannot_write(self._folder, failures[0]) from failures[0]

    def _temporary(self, split: str) -> Path:
        return self._folder / f"{self._unit:05d}-{split}.{self._mark}.tmp"

    def _writer(self, split: str) -> tf.io.TFRecordWriter:
        if split not in self._writers:
            options = tf.io.TFRecordOptions("GZIP", compression_level=_GZIP_LEVEL)
            self._writers[split] = tf.io.TFRecordWriter(str(self._temporary(split)), options)
        return self._writers[split]


def _close(writer: tf.io.TFRecordWriter) -> tf.errors.OpError | None:
    try:
        writer.close()
    except tf.errors.OpError as error:
        return error
    return None


def unit_file(folder: Path, unit: int, split: str) -> Path:
    """Gives the path of a unit's file of one split."""
    return folder / f"{unit:05d}-{split}.gz"


def _read_unit(
    unit: Unit, spec: IngestSpec, found: Mapping[str, str]
) -> Iterator[tuple[Piece, int, Columns]]:
    """Streams canonical columns, with the number of rows of the file before them."""
    for piece in unit.pieces:
        row = piece.first_row
        for batch in _raw_batches(piece, list(found), spec):
            yield piece, row, _canonical(piece, row, batch, found)
            row += batch.num_rows


def _raw_batches(piece: Piece, names: list[str], spec: IngestSpec) -> Iterator[pa.RecordBatch]:
    if piece.row_groups is None:
        return csv_batches(piece.path, names, spec)
    return parquet_batches(piece.path, piece.row_groups, names)


def _canonical(piece: Piece, row: int, batch: pa.RecordBatch, found: Mapping[str, str]) -> Columns:
    columns = {}
    for name, kind in found.items():
        values = batch.column(name)
        if piece.row_groups is None:
            parsed = kinds.parse(values, kind)
        else:
            parsed = _canonical_typed(piece, row, name, values, kind)
        if parsed is None:
            raise DataError(f"{piece.path} changed while it was read", where=piece.path)
        columns[name] = parsed
    return columns


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


def _by_split(examples: list[bytes], splits: np.ndarray) -> list[list[bytes]]:
    rows = np.empty(len(examples), object)
    rows[:] = examples
    return [rows[splits == number].tolist() for number in range(len(SPLITS))]


def _ahead(
    pool: ThreadPoolExecutor, work: Callable[[_In], _Out], items: Iterable[_In]
) -> Iterator[_Out]:
    """Maps in threads, in order, never more than a few items ahead of the consumer."""
    waiting: deque[Future[_Out]] = deque()
    for item in items:
        waiting.append(pool.submit(work, item))
        if len(waiting) >= _AHEAD:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _no_time(
    piece: Piece, row: int, name: str, columns: Columns, at: int, spec: IngestSpec
) -> DataError:
    value = columns[name][at].as_py()
    text = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    where = (
        f"{piece.path}, row {row + 1}"
        if value is None or piece.row_groups
        else place(piece.path, row + 1, text)
    )
    return DataError(
        f"the split column {name!r} holds {'no value' if value is None else 'no time'}",
        where=f"{where}, column {name}",
        expected="a number, a date or an ISO time in every row, as data.split.by is 'time'",
        received="a missing value" if value is None else repr(text),
        fix=f"correct the row, or split another way in {spec.where}",
    )


def _cannot_write(folder: Path, error: tf.errors.OpError) -> EnvironmentProblem:
    return EnvironmentProblem(
        "the examples cannot be written", where=str(folder), received=error.message
    )
