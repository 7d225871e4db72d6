"""The passes before windows are cut: times are counted, and rows go into buckets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen import kinds
from components.example_gen.config import IngestSpec
from components.example_gen.histogram import Ints
from components.example_gen.rows import Unit, read_unit
from components.example_gen.series.buckets import BucketFiles, Plan
from components.example_gen.series.clock import Clock, Times
from components.example_gen.series.findings import SeriesFindings
from components.example_gen.series.long_table import long_table, series_of
from models.data.row_keys import hash_rows, time_keys

TIME, SERIES, ORDER = "__time__", "__series__", "__order__"
Columns = Mapping[str, pa.Array]


def count_times(
    unit: Unit, spec: IngestSpec, column_kinds: Mapping[str, str], step: int | None
) -> Times:
    """Counts distances between the times of a unit's rows.

    Args:
      unit: Rows of the long table.
      spec: Of the windows.
      column_kinds: The kind of each column of the long table.
      step: The step in units of the times, where it is configured.
    """
    series, times = series_of(spec), Times()
    wanted = {name: column_kinds[name] for name in (series.time, series.id) if name is not None}
    for _, _, columns in read_unit(unit, long_table(spec), wanted):
        keys = time_keys(columns[series.time])
        ids = _ids(columns, series.id)
        codes = np.zeros(len(keys), np.int64) if ids is None else _codes(ids)
        times.add(codes, keys, step)
    return times.shortened()


def spread_unit(
    unit: Unit,
    spec: IngestSpec,
    column_kinds: Mapping[str, str],
    clock: Clock,
    plan: Plan,
    folder: Path,
) -> SeriesFindings:
    """Writes a unit's rows into the files of their buckets; gives what is out of order."""
    series, findings = series_of(spec), SeriesFindings()
    latest: dict[str, int] = {}
    with BucketFiles(folder, unit.index) as files:
        for _, _, columns in read_unit(unit, long_table(spec), column_kinds):
            batch = keyed_batch(columns, series.time, series.id)
            times = batch.column(TIME).to_numpy()
            findings.rows += batch.num_rows
            _count_unordered(times, batch.column(SERIES), latest, findings)
            groups = _groups(batch.column(SERIES), plan.groups)
            for rows, buckets in plan.places(clock.places(times), groups):
                files.write(batch.take(pa.array(rows)), buckets)
    return findings


def keyed_batch(columns: Columns, time: str, series: str | None) -> pa.RecordBatch:
    """Adds the time as a number, the series as text and a hash of the row.

    Args:
      columns: Canonical columns of the long table.
      time: The column of times.
      series: The column of ids; None where there is one series.
    """
    keys = time_keys(columns[time])
    ids = _ids(columns, series)
    names = pa.array([""] * len(keys)) if ids is None else ids
    arrays = {
        **columns,
        TIME: pa.array(keys),
        SERIES: names.dictionary_encode(),
        ORDER: pa.array(hash_rows(columns)),
    }
    return pa.record_batch(list(arrays.values()), names=list(arrays))


def _ids(columns: Columns, series: str | None) -> pa.Array | None:
    """The series of each row as text; a missing one is a series of its own."""
    if series is None:
        return None
    values = columns[series]
    text = values if kinds.kind_of_type(values.type) == kinds.TEXT else values.cast(pa.string())
    return pc.fill_null(text.cast(pa.string()), "")


def _codes(ids: pa.Array) -> Ints:
    codes: Ints = ids.dictionary_encode().indices.to_numpy().astype(np.int64)
    return codes


def _groups(ids: pa.DictionaryArray, groups: int) -> Ints:
    """The group of each row's series: a hash, the same whatever else the batch holds."""
    words = ids.dictionary.cast(pa.binary())
    by_word = (hash_rows({"series": words}) % np.uint64(groups)).astype(np.int64)
    placed: Ints = by_word[ids.indices.to_numpy()]
    return placed


def _count_unordered(
    times: Ints, ids: pa.DictionaryArray, latest: dict[str, int], findings: SeriesFindings
) -> None:
    """Counts rows that come after a later one of their series, within the unit."""
    codes = ids.indices.to_numpy()
    order = np.argsort(codes, kind="stable")
    ranked, sorted_times = codes[order], times[order]
    starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))
    for start, end in zip(starts, [*starts[1:], len(ranked)], strict=True):
        name = ids.dictionary[int(ranked[start])].as_py()
        before = np.maximum.accumulate(
            np.append(latest.get(name, -(2**63)), sorted_times[start:end])
        )
        late = np.flatnonzero(sorted_times[start:end] < before[:-1])
        latest[name] = int(before[-1])
        if len(late):
            examples = [(int(sorted_times[start + at]), name) for at in late[:3]]
            findings.unordered.add(len(late), examples)
