"""The last pass: a unit of work is read, split, encoded and written.

Memory holds a few batches at a time, whatever the number of rows.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import tensorflow as tf

from components.example_gen.config import SPLITS, IngestSpec
from components.example_gen.encode import encode
from components.example_gen.rows import Piece, Unit, read_unit
from components.example_gen.split import Columns, SplitPlan, assign
from contracts.errors import EnvironmentProblem

_In = TypeVar("_In")
_Out = TypeVar("_Out")
# The encoder and zlib release Python's lock: two batches are encoded while one is written.
_THREADS = 2
_AHEAD = 3
# Level 1 takes a third of the time of level 6 and a third more room.
_GZIP_LEVEL = 1


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
        return by_split(encode(columns, spec.columns), assign(columns, plan))

    with ThreadPoolExecutor(_THREADS) as pool, SplitFiles(folder, unit.index) as files:
        for parts in _ahead(pool, encode_batch, read_unit(unit, spec, found)):
            files.write(parts)
    return files.rows


class SplitFiles:
    """One file per split, under temporary names until all of them are whole.

    Args:
      folder: Where the files are.
      unit: The number of the unit of work.
    """

    def __init__(self, folder: Path, unit: int) -> None:
        self.rows = dict.fromkeys(SPLITS, 0)
        self._folder = folder
        self._unit = unit
        self._mark = uuid.uuid4().hex
        self._writers: dict[str, tf.io.TFRecordWriter] = {}

    def __enter__(self) -> SplitFiles:
        return self

    def write(self, parts: list[list[bytes]]) -> None:
        """Appends examples, a list for each split."""
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


def by_split(examples: list[bytes], splits: np.ndarray) -> list[list[bytes]]:
    """Gives the examples of each split, in their order."""
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


def _cannot_write(folder: Path, error: tf.errors.OpError) -> EnvironmentProblem:
    return EnvironmentProblem(
        "the examples cannot be written", where=str(folder), received=error.message
    )
