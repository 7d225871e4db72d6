"""From a long table to examples of windows: five passes, each over units of bounded size.

Columns are scanned, times are counted for the split and for the step, rows go into buckets of
series and time, and of each bucket the windows are cut and written. Which windows there are
depends on the rows alone, not on files, shards or buckets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from components.example_gen import kinds
from components.example_gen.config import IngestSpec
from components.example_gen.files import Selection
from components.example_gen.passes import MakePipeline, count_pass, run_pass, scan_pass
from components.example_gen.rows import Unit, make_units
from components.example_gen.scan import FileScan, merge_kinds
from components.example_gen.series.buckets import plan_buckets
from components.example_gen.series.clock import (
    Clock,
    Times,
    configured_step,
    learn_clock,
    merge_times,
    refuse_fractions,
)
from components.example_gen.series.cut import Cutting, write_bucket
from components.example_gen.series.findings import SeriesFindings
from components.example_gen.series.long_table import long_table, series_of
from components.example_gen.series.spread import count_times, spread_unit
from components.example_gen.series.windows import Borders
from components.example_gen.split import plan_split


def cut_windows(
    make: MakePipeline, selection: Selection, spec: IngestSpec, work: Path
) -> tuple[list[dict[str, int]], list[FileScan], SeriesFindings]:
    """Writes the windows of all buckets into a folder.

    Args:
      make: Makes a Beam pipeline.
      selection: The raw files.
      spec: Of the windows.
      work: A folder that all workers see.

    Returns:
      The windows of each split, bucket by bucket; what the files hold; what is odd.

    Raises:
      DataError: The table has no usable times, or is not as `spec` says.
    """
    table = long_table(spec)
    scans = scan_pass(make, selection, table, work)
    column_kinds = merge_kinds(scans, table)
    units = make_units(scans, [0] * len(scans))
    if not units:
        return [], scans, SeriesFindings()
    series = series_of(spec)
    refuse_fractions(column_kinds[series.time], series.time, f"{spec.where}: data.series.time")
    counts = count_pass(make, units, table, column_kinds, plan_split(table), work)
    shift, val, test = plan_split(table).with_histogram(counts).cuts[0]
    clock = _count_clock(make, units, spec, column_kinds, work)
    width = len(spec.columns) + sum(spec.lists.values())
    plan = plan_buckets(sum(scan.rows for scan in scans), clock, series, width)
    spread = partial(
        spread_unit, spec=spec, column_kinds=column_kinds, clock=clock, plan=plan, folder=work
    )
    findings = SeriesFindings(step=clock.step, moments=column_kinds[series.time] == kinds.TEXT)
    for part in run_pass(make, "spread", units, spread, SeriesFindings, work):
        findings.add(part)
    cutting = Cutting(spec, clock, Borders(val << shift, test << shift), findings.moments)
    numbers = tuple(unit.index for unit in units)
    cut = partial(write_bucket, cutting=cutting, folder=work, units=numbers)
    returned: Any = tuple[dict[str, int], SeriesFindings]
    written: list[dict[str, int]] = []
    for rows, part in run_pass(make, "cut", plan.buckets(), cut, returned, work):
        written.append(rows)
        findings.add(part)
    findings.join_parts(clock)
    return written, scans, findings


def _count_clock(
    make: MakePipeline,
    units: Sequence[Unit],
    spec: IngestSpec,
    column_kinds: Mapping[str, str],
    work: Path,
) -> Clock:
    series = series_of(spec)
    step = configured_step(series, column_kinds[series.time] == kinds.TEXT, spec.where)
    count = partial(count_times, spec=spec, column_kinds=column_kinds, step=step)
    times = run_pass(make, "times", units, count, Times, work)
    return learn_clock(merge_times(times), step, spec.where)
