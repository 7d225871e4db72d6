"""The newest window of each series in a long table: what is to be predicted next.

A window starts one step after the last row in which something is measured. Later rows may tell
what is known in advance. Where every start is asked for, windows also start at each step before
that with a whole context behind it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen import kinds
from components.example_gen.config import IngestSpec, RawFormat, SplitSpec
from components.example_gen.files import format_of
from components.example_gen.rows import Piece, make_units, no_time, read_unit
from components.example_gen.scan import FileScan, merge_kinds, scan_file
from components.example_gen.series.clock import (
    Clock,
    Times,
    configured_step,
    learn_clock,
    refuse_fractions,
)
from components.example_gen.series.findings import time_text
from components.example_gen.series.order import SeriesRows as OrderedRows
from components.example_gen.series.order import in_order
from components.example_gen.series.spec import FUTURE, PAST, SeriesSpec
from components.example_gen.series.spread import Columns, keyed_batch
from components.example_gen.series.windows import dropped_rows, float_values
from contracts.errors import DataError
from contracts.names import serving_name
from contracts.text import some
from models.data.dates import MOMENT, calendar_part, iso_text
from pipelines.prediction.raw_rows import is_file, read_header

_MOST_ROWS = 1 << 20
_WINDOWS_AT_ONCE = 4096
_TYPES = {"number": pa.float64(), "integer": pa.int64()}

Ints = np.ndarray[tuple[int], np.dtype[np.int64]]
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


@dataclass(frozen=True)
class LongTable:
    """A long table, and where in it a model's columns are.

    Attributes:
      path: The file, or its address in a bucket.
      types: By the model's column: a `number`, an `integer` or `text`.
      sizes: By the model's column whose rows hold lists of numbers, how long these are.
      header: All columns of the file.
      raw: How the file writes what it holds, with the series.
      all_starts: Whether to give each window of a series, instead of the newest.
    """

    path: Path | str
    types: Mapping[str, str]
    sizes: Mapping[str, int]
    header: Sequence[str]
    raw: RawFormat
    all_starts: bool = False

    @property
    def missing(self) -> list[str]:
        """What the file lacks of the model's columns; of windows, the column they are cut from."""
        absent = [name for name in self.types if self._source(name) is None]
        return list(dict.fromkeys(self._cut_from(name) for name in absent))

    @property
    def unused(self) -> list[str]:
        """The file's columns that the model does not take."""
        used = {self._source(name) for name in self.types}
        return [name for name in self.header if name not in used]

    @property
    def kept(self) -> tuple[str, ...]:
        """The columns that say what an answer is about: the id, and the time of the start."""
        return (*((self.series.id,) if self.series.id else ()), self.series.time)

    @property
    def series(self) -> SeriesSpec:
        """The config of the series."""
        assert self.raw.series is not None
        return self.raw.series

    def tables_and_kept(self) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Gives a row for each window, with the id of its series and the time at which it starts.

        Raises:
          DataError: the file is broken, or has no times that are usable.
        """
        spec = self._ingest_spec()
        scans = [scan_file(str(self.path), spec.format, spec)]
        column_kinds = merge_kinds(scans, spec)
        time = self.series.time
        refuse_fractions(column_kinds[time], time, f"{self.path}, column {time}")
        rows = in_order(self._newest(spec, scans, column_kinds))
        is_moment = column_kinds[self.series.time] == kinds.TEXT
        clock = self._clock(rows, is_moment, spec)
        rows = self._at_steps(rows, clock, is_moment)
        series, steps = self._starts(rows, clock)
        for first in range(0, len(steps), _WINDOWS_AT_ONCE):
            part = slice(first, first + _WINDOWS_AT_ONCE)
            starts = self._rows_of(series[part], steps[part], rows, clock)
            yield self._windows(rows, starts, is_moment), self._kept(rows, starts, is_moment)

    @cached_property
    def _by_served(self) -> dict[str, str]:
        return {serving_name(column): column for column in self.header}

    def _source(self, name: str) -> str | None:
        """The file's column that a model's column comes from; the time for what it gives."""
        if name in self.raw.calendar() and name not in self.header:
            source = self.raw.calendar()[name][0]
            return source if source == self.series.time else None
        return self._by_served.get(serving_name(self._cut_from(name)))

    def _cut_from(self, name: str) -> str:
        """The column of a window without its suffix; another column as it is."""
        if name not in self.sizes:
            return name
        return name.removesuffix(PAST if name.endswith(PAST) else FUTURE)

    def _measured(self) -> list[str]:
        """The columns whose last value ends what is known of the past."""
        pasts = [self._source(name) for name in self.sizes if name.endswith(PAST)]
        measured = [name for name in pasts if name is not None]
        return [name for name in measured if name not in self.series.known] or measured

    def _ingest_spec(self) -> IngestSpec:
        sources = [source for name in self.types if (source := self._source(name)) is not None]
        numbers = [source for name in self.sizes if (source := self._source(name)) is not None]
        return IngestSpec(
            **{**dict(self.raw), "series": None},
            path=str(self.path),
            format=format_of(str(self.path)),
            spans="all",
            split=SplitSpec(),
            columns=tuple(dict.fromkeys([*self.kept, *sources])),
            numbers=tuple(dict.fromkeys(numbers)),
            label="",
            task="regression",
            where=str(self.path),
        )

    def _newest(
        self, spec: IngestSpec, scans: Sequence[FileScan], column_kinds: Mapping[str, str]
    ) -> pa.Table:
        """All rows that the windows may need; those too old for the newest are forgotten."""
        held: pa.Table | None = None
        for unit in make_units(scans, [0]):
            for piece, row, columns in read_unit(unit, spec, column_kinds):
                table = pa.Table.from_batches([self._keyed(piece, row, columns, spec)])
                held = (
                    table if held is None else pa.concat_tables([held, table]).unify_dictionaries()
                )
                if held.num_rows > _MOST_ROWS and not self.all_starts:
                    held = self._without_old(held)
        if held is None or not held.num_rows:
            raise DataError(
                f"{self.path} has no rows",
                where=str(self.path),
                expected="a row for each step of each series",
            )
        return held

    def _keyed(self, piece: Piece, row: int, columns: Columns, spec: IngestSpec) -> pa.RecordBatch:
        time = self.series.time
        try:
            return keyed_batch(columns, time, self.series.id)
        except ValueError as error:
            at = int(error.args[0])
            raise no_time(piece, row + at, time, columns, at, spec, is_split=False) from error

    def _without_old(self, table: pa.Table) -> pa.Table:
        rows = in_order(table)
        last = self._last_measured(rows)
        before = last[rows.codes] - np.arange(len(rows.codes))
        return rows.taken(np.flatnonzero(before <= 4 * self.series.context)).table

    def _last_measured(self, rows: OrderedRows) -> Ints:
        """By series, the place of the last row with a measured value; -1 where there is none."""
        known = np.zeros(len(rows.codes), bool)
        for name in self._measured():
            known |= _known(rows.table[name])
        return _last_of_series(known, rows)

    def _at_steps(self, rows: OrderedRows, clock: Clock, is_moment: bool) -> OrderedRows:
        """The rows at steps, each step once, as windows of train had them."""
        between, again = dropped_rows(rows.times, rows.codes, clock)
        kept = rows.taken(np.flatnonzero(~between & ~again))
        absent = np.setdiff1d(rows.codes, kept.codes)
        if len(absent):
            row = int(np.searchsorted(rows.codes, absent[0]))
            time = time_text(int(rows.times[row]), is_moment)
            raise DataError(
                f"no row of the series {rows.name(row)!r} is at a step of the others",
                where=f"{self.path}, column {self.series.time}",
                expected=f"times at {time_text(clock.phase, is_moment)} and whole steps from there",
                received=f"{time} and later; {len(absent):,} such series",
                fix="correct the times, predict these series by themselves, or leave them out",
            )
        return kept

    def _clock(self, rows: OrderedRows, is_moment: bool, spec: IngestSpec) -> Clock:
        step = configured_step(self.series, is_moment, spec.where)
        times = Times()
        times.add(rows.codes, rows.times, step)
        return learn_clock(times, step, spec.where)

    def _starts(self, rows: OrderedRows, clock: Clock) -> tuple[Ints, Ints]:
        """By window, the place of its series and the step at which it starts."""
        places, last = clock.places(rows.times), self._last_measured(rows)
        oldest = places[np.flatnonzero(np.append(True, rows.codes[1:] != rows.codes[:-1]))]
        newest = np.where(last >= 0, places[last] + 1, oldest)
        if not self.all_starts:
            return np.arange(len(newest)), newest
        counts = np.maximum(newest - oldest - self.series.context, 0) + 1
        series = np.repeat(np.arange(len(newest)), counts)
        steps = newest[series] - (np.cumsum(counts)[series] - 1 - np.arange(len(series)))
        # Behind a long gap lie steps of whose context there is no row.
        before = _places_of(series, steps - 1, rows.codes, places, side="right")
        lowest = _places_of(series, steps - self.series.context, rows.codes, places)
        known = (before > lowest) | (steps == newest[series])
        return series[known], steps[known]

    def _rows_of(self, series: Ints, steps: Ints, rows: OrderedRows, clock: Clock) -> _Starts:
        """Windows with the rows at their steps."""
        places = clock.places(rows.times)
        context, length = self.series.context, self.series.context + self.series.horizon
        first = _places_of(series, steps - context, rows.codes, places)
        end = _places_of(series, steps - context + length - 1, rows.codes, places, side="right")
        counts = end - first
        window = np.repeat(np.arange(len(steps)), counts)
        inside = np.arange(counts.sum()) - (np.cumsum(counts) - counts - first)[window]
        dense = np.full((len(steps), length), -1, np.int64)
        dense[window, places[inside] - steps[window] + context] = inside
        return _Starts(clock.phase + steps * clock.step, dense, series)

    def _windows(self, rows: OrderedRows, starts: _Starts, is_moment: bool) -> pa.Table:
        columns: dict[str, pa.Array] = {}
        for name, kind in self.types.items():
            source = self._source(name)
            if source is None:
                continue
            if name in self.sizes:
                columns[name] = self._lists(name, rows.table[source], starts)
            elif source == self.series.time:
                columns[name] = self._time(name, starts, is_moment)
            else:
                columns[name] = self._scalar(source, rows, starts)
            if name not in self.sizes:
                # A number is rounded, as a transform rounds it; an integer or a text is exact.
                wanted = _TYPES.get(kind, pa.string())
                columns[name] = columns[name].cast(wanted, safe=kind != "number")
        return pa.table(columns)

    def _lists(self, name: str, column: pa.ChunkedArray, starts: _Starts) -> pa.Array:
        _, first, last = self.series.source(name, "")
        rows = starts.rows[:, self.series.context + first : self.series.context + last]
        lists = np.where(rows >= 0, float_values(column)[rows], np.float32(np.nan))
        return pa.FixedSizeListArray.from_arrays(pa.array(lists.ravel()), lists.shape[1])

    def _time(self, name: str, starts: _Starts, is_moment: bool) -> pa.Array:
        """The time of the start, or a part of its date."""
        if name not in self.raw.calendar():
            return _times(starts.times, is_moment)
        part = self.raw.calendar()[name][1]
        return calendar_part(pa.array(starts.times, pa.int64()).cast(MOMENT), part)

    def _scalar(self, source: str, rows: OrderedRows, starts: _Starts) -> pa.Array:
        """The value of the row at the start; where there is none, what the series has always."""
        column, chosen = rows.table[source], starts.rows[:, self.series.context]
        if source not in self.series.known:
            known = np.append(_known(column), False)
            last = _last_of_series(known[:-1], rows)[starts.series]
            chosen = np.where(known[chosen], chosen, last)
        return column.combine_chunks().take(pa.array(chosen, mask=chosen < 0))

    def _kept(self, rows: OrderedRows, starts: _Starts, is_moment: bool) -> pa.Table:
        kept = {self.series.time: _times(starts.times, is_moment)}
        if self.series.id is not None:
            names = rows.names.take(pa.array(starts.series))
            kept = {self.series.id: names, **kept}
        return pa.table(kept)


@dataclass(frozen=True)
class _Starts:
    """Where some windows start.

    Attributes:
      times: The time.
      rows: By step of the window, its context first, the row; -1 where there is none.
      series: The place of the series among all.
    """

    times: Ints
    rows: np.ndarray[tuple[int, int], np.dtype[np.int64]]
    series: Ints


def _places_of(
    series: Ints, steps: Ints, codes: Ints, places: Ints, side: Literal["left", "right"] = "left"
) -> Ints:
    """Where rows of these series and steps stand, or would, among rows in that order."""
    low = min(int(places.min()), int(steps.min(initial=0)))
    span = max(int(places.max()), int(steps.max(initial=0))) - low + 1
    keys = codes * span + (places - low)
    return np.searchsorted(keys, series * span + (steps - low), side=side)


def long_table(
    path: Path | str,
    types: Mapping[str, str],
    sizes: Mapping[str, int],
    raw: RawFormat,
    all_starts: bool = False,
) -> LongTable | None:
    """Gives the long table that a file is; None where it holds windows, or no series.

    Args:
      path: The file.
      types: By the model's column, what its values must be.
      sizes: By the model's column whose rows hold lists of numbers, how long these are.
      raw: How the file writes what it holds.
      all_starts: Whether each window of a series is given, instead of the newest.

    Raises:
      DataError: The file is broken, or has neither the windows nor the series.
    """
    if raw.series is None or not is_file(path):
        return None
    header = read_header(path, raw)
    served = {serving_name(column) for column in header}
    lacks_windows = any(serving_name(name) not in served for name in sizes)
    if not lacks_windows:
        return None
    absent = [name for name in (raw.series.time, raw.series.id) if name and name not in header]
    if absent:
        raise DataError(
            f"{path} has no column {absent[0]!r}, which orders or names the series",
            where=str(path),
            expected="the columns of data.series.time and id, or the windows of the model",
            received=some(list(header), 40),
        )
    return LongTable(path, types, sizes, header, raw, all_starts)


def _last_of_series(flags: Flags, rows: OrderedRows) -> Ints:
    """By series, the place of the last row that is flagged; -1 where none is."""
    last = np.full(len(rows.names), -1, np.int64)
    places = np.flatnonzero(flags)
    last[rows.codes[places]] = places
    return last


def _known(column: pa.ChunkedArray) -> Flags:
    valid = column.is_valid()
    if pa.types.is_floating(column.type):
        valid = pc.and_(valid, pc.invert(pc.fill_null(pc.is_nan(column), True)))
    known: Flags = valid.to_numpy()
    return known


def _times(times: Ints, is_moment: bool) -> pa.Array:
    if not is_moment:
        return pa.array(times)
    return iso_text(pa.array(times, pa.int64()).cast(MOMENT)).cast(pa.string())
