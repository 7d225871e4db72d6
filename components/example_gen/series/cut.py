"""The last pass over series: the windows of a bucket are cut, split, encoded and written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.example_gen.config import IngestSpec
from components.example_gen.encode import encode
from components.example_gen.histogram import Ints
from components.example_gen.series.buckets import Bucket, read_bucket, steps_before
from components.example_gen.series.clock import Clock
from components.example_gen.series.findings import Oddity, SeriesFindings
from components.example_gen.series.long_table import series_of
from components.example_gen.series.order import SeriesRows, in_order
from components.example_gen.series.sensors import spike_rows, stuck_rows
from components.example_gen.series.windows import (
    Borders,
    Floats,
    Segment,
    dropped_rows,
    float_values,
    lists_of,
    segments,
    split_of_starts,
    starts_of,
)
from components.example_gen.units import SplitFiles, by_split

_BATCH_VALUES = 1 << 20


@dataclass(frozen=True)
class Cutting:
    """All that decides which windows there are.

    Attributes:
      spec: Of the windows.
      clock: The time of steps.
      borders: Where splits begin.
      moments: Whether times are microseconds since 1970.
    """

    spec: IngestSpec
    clock: Clock
    borders: Borders
    moments: bool


@dataclass(frozen=True)
class WindowBatch:
    """Some windows of one split or of several.

    Attributes:
      columns: The columns of the examples.
      splits: The split of each window, as a position in `SPLITS`.
    """

    columns: Mapping[str, pa.Array]
    splits: np.ndarray[tuple[int], np.dtype[np.int8]]


def write_bucket(
    bucket: Bucket, cutting: Cutting, folder: Path, units: Sequence[int]
) -> tuple[dict[str, int], SeriesFindings]:
    """Writes a bucket's windows as one file per split that gets any.

    Returns:
      The number of windows of each split, and what is odd about the steps.
    """
    findings = SeriesFindings()
    table = read_bucket(folder, bucket.index, units)
    with SplitFiles(folder, bucket.index) as files:
        for windows in () if table is None else cut_bucket(table, bucket, cutting, findings):
            examples = encode(windows.columns, cutting.spec.columns)
            files.write(by_split(examples, windows.splits))
            findings.windows += len(examples)
    return files.rows, findings


def cut_bucket(
    table: pa.Table, bucket: Bucket, cutting: Cutting, findings: SeriesFindings
) -> Iterator[WindowBatch]:
    """Gives the windows that start within a bucket, series after series.

    Args:
      table: Rows with their time, series and hash, in any order.
      bucket: Which starts to take.
      cutting: Which windows there are.
      findings: What is odd is added here, of rows in the bucket's own time.
    """
    ordered = in_order(table)
    between, again = dropped_rows(ordered.times, ordered.codes, cutting.clock)
    own = _is_own(cutting.clock.places(ordered.times), bucket)
    findings.between.add(*_named(ordered, np.flatnonzero(between & own)))
    findings.duplicates.add(*_named(ordered, np.flatnonzero(again & ~between & own)))
    kept = ordered.taken(np.flatnonzero(~between & ~again))
    steps = cutting.clock.places(kept.times)
    known, values = _label_known(kept.table, cutting.spec), _numbers(kept.table, cutting.spec)
    series = series_of(cutting.spec)
    ends = np.flatnonzero(np.append(kept.codes[1:] != kept.codes[:-1], bool(len(kept.codes)))) + 1
    for start, end in zip([0, *ends[:-1]], ends, strict=False):
        part = slice(int(start), int(end))
        _count_gaps(steps[part], kept.name(int(start)), bucket, cutting, findings)
        _look_at_sensors(kept, values, part, _is_own(steps[part], bucket), series.context, findings)
        for segment in segments(steps[part], np.arange(start, end), series):
            yield from _windows(segment, kept.table, values, known, bucket, cutting)


def _named(rows: SeriesRows, places: Ints) -> tuple[int, list[tuple[int, str]]]:
    """How many rows there are, and the first of them with time and series."""
    return len(places), [(int(rows.times[row]), rows.name(row)) for row in places[:3]]


def _is_own(steps: Ints, bucket: Bucket) -> np.ndarray:
    """Whether rows are in the bucket's own part of the time: others hold them too."""
    return (steps >= bucket.first) & (steps < bucket.last)


def _look_at_sensors(
    rows: SeriesRows,
    values: Mapping[str, Floats],
    part: slice,
    own: np.ndarray,
    context: int,
    findings: SeriesFindings,
) -> None:
    for column, numbers in values.items():
        odd = (
            (findings.stuck, stuck_rows(numbers[part], context)),
            (findings.spikes, spike_rows(numbers[part])),
        )
        for oddities, places in odd:
            named = _named(rows, places[own[places]] + part.start)
            oddities.setdefault(column, Oddity()).add(*named)


def _count_gaps(
    steps: Ints, name: str, bucket: Bucket, cutting: Cutting, findings: SeriesFindings
) -> None:
    own = _is_own(steps, bucket)
    _count_series(steps, own, name, bucket, cutting, findings)
    missing = np.diff(steps) - 1
    after = np.flatnonzero((missing > 0) & own[1:])
    if not len(after):
        return
    examples = [(cutting.clock.time_of(int(steps[at]) + 1), name) for at in after[:3]]
    longest = int(missing[after].max())
    findings.add_gaps(int(missing[after].sum()), len(after), longest, examples)


def _count_series(
    steps: Ints,
    own: np.ndarray,
    name: str,
    bucket: Bucket,
    cutting: Cutting,
    findings: SeriesFindings,
) -> None:
    """Counts a series that begins, or says where it does: it may have begun in an earlier part."""
    places = np.flatnonzero(own)
    if not len(places):
        return
    if own[0] and bucket.is_first:
        findings.series += 1
    elif own[0]:
        findings.begins.append((name, int(steps[0])))
    last = int(places[-1])
    after = steps[last + 1] - steps[last] if last + 1 < len(steps) else None
    if not bucket.is_last and (after is None or after > steps_before(series_of(cutting.spec))):
        findings.ends.append((name, int(steps[last])))


def _windows(
    segment: Segment,
    table: pa.Table,
    values: Mapping[str, Floats],
    known: np.ndarray,
    bucket: Bucket,
    cutting: Cutting,
) -> Iterator[WindowBatch]:
    spec, series = cutting.spec, series_of(cutting.spec)
    label_steps = series.horizon if spec.label in spec.lists else 1
    starts = starts_of(segment, known, series, label_steps)
    starts = starts[_is_own(segment.first + starts, bucket)]
    splits = split_of_starts(segment.first + starts, cutting.clock, cutting.borders, series)
    starts, splits = starts[splits >= 0], splits[splits >= 0]
    size = max(16, _BATCH_VALUES // max(1, len(spec.columns) + sum(spec.lists.values())))
    for at in range(0, len(starts), size):
        chosen = starts[at : at + size]
        rows = pa.array(segment.rows[chosen])
        columns: dict[str, pa.Array] = {}
        for name in spec.columns:
            if name in spec.lists:
                source, first, last = series.source(name, spec.label)
                lists = lists_of(values[source], segment, chosen, first, last)
                flat = pa.array(lists.ravel())
                columns[name] = pa.FixedSizeListArray.from_arrays(flat, lists.shape[1])
            else:
                columns[name] = table[name].take(rows).combine_chunks()
        yield WindowBatch(columns, splits[at : at + size])


def _numbers(table: pa.Table, spec: IngestSpec) -> dict[str, Floats]:
    """The columns that lists come from, NaN where a value is missing."""
    sources = {series_of(spec).source(name, spec.label)[0] for name in spec.lists}
    return {name: float_values(table[name]) for name in sources}


def _label_known(table: pa.Table, spec: IngestSpec) -> np.ndarray:
    known: np.ndarray = table[spec.label].is_valid().to_numpy()
    return known
