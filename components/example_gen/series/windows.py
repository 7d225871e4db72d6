"""Cuts windows out of one series: plain functions over arrays of rows in order of time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from components.example_gen.histogram import Ints
from components.example_gen.series.clock import Clock
from components.example_gen.series.spec import SeriesSpec

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Segment:
    """A part of a series without a gap as long as a context.

    Attributes:
      first: The step of its first row.
      rows: By step from the first one, the row; -1 where the step is missing.
    """

    first: int
    rows: Ints


@dataclass(frozen=True)
class Borders:
    """The times at which val and test begin.

    Attributes:
      val: The first time of val.
      test: The first time of test.
    """

    val: int
    test: int


def segments(places: Ints, rows: Ints, series: SeriesSpec) -> Iterator[Segment]:
    """Cuts a series where more steps are missing than a context holds.

    Parts that are too short for a window are passed over, all at once: rows that are far apart
    would be a part each.

    Args:
      places: The step of each row, rising and each once.
      rows: The row's number.
      series: Context and horizon.
    """
    if not len(places):
        return
    cuts = np.flatnonzero(np.diff(places) > series.context) + 1
    starts, ends = np.append(0, cuts), np.append(cuts, len(places))
    lengths = places[ends - 1] - places[starts] + 1
    for part in np.flatnonzero(lengths >= series.context + series.horizon):
        inside = slice(int(starts[part]), int(ends[part]))
        first = int(places[inside.start])
        dense = np.full(int(lengths[part]), -1, np.int64)
        dense[places[inside] - first] = rows[inside]
        yield Segment(first, dense)


def starts_of(segment: Segment, known: Flags, series: SeriesSpec, label_steps: int) -> Ints:
    """The places in the segment at which a window starts.

    Its context and horizon lie within the segment, and its label is whole.

    Args:
      segment: The segment.
      known: By row, whether the label has a value.
      series: Context, horizon and stride.
      label_steps: How many values the label has.
    """
    steps = len(segment.rows)
    last = steps - series.horizon
    if last < series.context:
        return np.zeros(0, np.int64)
    there = (segment.rows >= 0) & known[segment.rows]
    counts = np.concatenate([[0], np.cumsum(there)])
    starts = np.arange(series.context, last + 1)
    whole = counts[starts + label_steps] - counts[starts] == label_steps
    on_stride = (segment.first + starts) % series.stride == 0
    chosen: Ints = starts[whole & on_stride]
    return chosen


def split_of_starts(
    steps: Ints, clock: Clock, borders: Borders, series: SeriesSpec
) -> NDArray[np.int8]:
    """The split of each window, -1 where it is none's: it crosses a border or its gap.

    Args:
      steps: The step at which each window starts.
      clock: The time of steps.
      borders: Where splits begin.
      series: Context, horizon and gap.
    """
    first = clock.phase + (steps - series.context) * clock.step
    last = clock.phase + (steps + series.horizon - 1) * clock.step
    gap = series.steps_between * clock.step
    splits = np.full(len(steps), -1, np.int8)
    splits[last < borders.val] = 0
    splits[(first >= borders.val + gap) & (last < borders.test)] = 1
    splits[first >= borders.test + gap] = 2
    return splits


def lists_of(values: Floats, segment: Segment, starts: Ints, first: int, last: int) -> Floats:
    """A list for each start, NaN where a step is missing.

    Args:
      values: A column of the table, by row.
      segment: The segment.
      starts: Places in the segment.
      first: The first step of the list, relative to the start.
      last: One past its last one.
    """
    rows = segment.rows[starts[:, None] + np.arange(first, last)]
    lists: Floats = np.where(rows >= 0, values[rows], np.float32(np.nan))
    return lists


def float_values(column: pa.ChunkedArray) -> Floats:
    """Numbers of a long table as float32, NaN where one is missing."""
    wide = column.cast(pa.float64(), safe=False)
    values: Floats = wide.fill_null(np.nan).to_numpy().astype(np.float32)
    return values


def dropped_rows(times: Ints, ids: Ints, clock: Clock) -> tuple[Flags, Flags]:
    """Rows that are at no step, and rows whose series has one at that time already.

    Args:
      times: In order of series and time.
      ids: The series of each row.
      clock: The time of steps.
    """
    between = ~clock.on_step(times)
    again = np.zeros(len(times), bool)
    again[1:] = (np.diff(times) == 0) & (np.diff(ids) == 0)
    return between, again
