"""Which rows lie together: buckets of series and of time, each small enough for memory.

A bucket has the rows of the windows that start in its part of the time, those before them and
after them too: no window needs another bucket, and none starts in two.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.example_gen.histogram import Ints
from components.example_gen.series.clock import Clock
from components.example_gen.series.spec import SeriesSpec

_MOST_BUCKETS = 256
_BUCKET_ROWS = 1 << 20
_BUCKET_VALUES = 1 << 23


@dataclass(frozen=True)
class Bucket:
    """Some of the series, over a part of the time.

    Attributes:
      index: Its number.
      first: The first step at which its windows start.
      last: One past the last one.
      is_first: Whether no part of the time comes before.
      is_last: Whether none comes after.
    """

    index: int
    first: int
    last: int
    is_first: bool = True
    is_last: bool = True


@dataclass(frozen=True)
class Plan:
    """How series and time are cut.

    Attributes:
      groups: Into how many groups series fall by their hash.
      parts: Into how many parts the time is cut.
      length: How many steps a part has.
      origin: The first step of the first part.
      before: How many steps before a part its bucket holds.
      after: How many steps after it.
    """

    groups: int
    parts: int
    length: int
    origin: int
    before: int
    after: int

    def buckets(self) -> list[Bucket]:
        """All of them."""
        return [
            Bucket(
                group * self.parts + part,
                self.origin + part * self.length,
                self.origin + (part + 1) * self.length,
                part == 0,
                part == self.parts - 1,
            )
            for group in range(self.groups)
            for part in range(self.parts)
        ]

    def places(self, steps: Ints, groups: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Gives rows with the bucket of each; a row lies in a bucket or in several.

        Args:
          steps: The step of each row.
          groups: The group of its series.
        """
        relative = steps - self.origin
        low = np.maximum((relative - self.after) // self.length, 0)
        high = np.minimum((relative + self.before) // self.length, self.parts - 1)
        for offset in range(int((high - low).max(initial=-1)) + 1):
            rows = np.flatnonzero(low + offset <= high)
            yield rows, groups[rows] * self.parts + low[rows] + offset


def plan_buckets(rows: int, clock: Clock, series: SeriesSpec, width: int) -> Plan:
    """Cuts the time where it is long enough, and the series otherwise.

    Args:
      rows: How many rows the table has.
      clock: The time of steps.
      series: The windows.
      width: How many values a window has.
    """
    values = rows // series.stride * width
    wanted = max(1, -(-rows // _BUCKET_ROWS), -(-values // _BUCKET_VALUES))
    wanted = min(wanted, _MOST_BUCKETS)
    origin = int((clock.first - clock.phase) // clock.step)
    span = int((clock.last - clock.phase) // clock.step) + 1 - origin
    context = series.context
    shortest = 2 * context + series.horizon
    parts = max(1, min(wanted, span // shortest))
    groups = 1 if series.id is None else -(-wanted // parts)
    length = -(-span // parts)
    # A context more on both sides: a row behind a gap tells whether the gap ends the series.
    return Plan(groups, parts, length, origin, steps_before(series), context + series.horizon)


def steps_before(series: SeriesSpec) -> int:
    """How many steps before its own part of the time a bucket holds."""
    return 2 * series.context


class BucketFiles:
    """Appends rows to a file for each bucket, under temporary names until all are whole.

    Args:
      folder: Where the files are.
      unit: The number of the unit of work that writes.
    """

    def __init__(self, folder: Path, unit: int) -> None:
        self._folder = folder
        self._unit = unit
        self._mark = uuid.uuid4().hex
        self._writers: dict[int, pa.RecordBatchFileWriter] = {}
        self._stack = ExitStack()

    def __enter__(self) -> BucketFiles:
        return self

    def write(self, batch: pa.RecordBatch, buckets: Ints) -> None:
        """Appends each row to the file of its bucket."""
        for bucket in np.unique(buckets).tolist():
            rows = batch.take(pa.array(np.flatnonzero(buckets == bucket)))
            self._writer(bucket, batch.schema).write_batch(rows)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._stack.close()
        for bucket in self._writers:
            temporary = self._temporary(bucket)
            if kind is None:
                temporary.rename(bucket_file(self._folder, bucket, self._unit))
            else:
                temporary.unlink(missing_ok=True)

    def _writer(self, bucket: int, schema: pa.Schema) -> pa.RecordBatchFileWriter:
        if bucket not in self._writers:
            opened = pa.ipc.new_file(str(self._temporary(bucket)), schema)
            self._writers[bucket] = self._stack.enter_context(opened)
        return self._writers[bucket]

    def _temporary(self, bucket: int) -> Path:
        return self._folder / f"bucket-{bucket:05d}-{self._unit:05d}.{self._mark}.tmp"


def bucket_file(folder: Path, bucket: int, unit: int) -> Path:
    """Gives the path of the rows of a bucket that one unit of work has found."""
    return folder / f"bucket-{bucket:05d}-{unit:05d}.arrow"


def read_bucket(folder: Path, bucket: int, units: Sequence[int]) -> pa.Table | None:
    """Reads all rows of a bucket; None where there are none."""
    paths = [bucket_file(folder, bucket, unit) for unit in units]
    tables = [pa.ipc.open_file(str(path)).read_all() for path in paths if path.is_file()]
    return pa.concat_tables(tables, promote_options="permissive") if tables else None
