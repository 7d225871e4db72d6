"""The executor of ExampleGen: a thin shell over the passes."""

from __future__ import annotations

import json
import logging
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from tfx import types
from tfx.components.util import examples_utils
from tfx.dsl.components.base import base_beam_executor
from tfx.proto import example_gen_pb2
from tfx.types import artifact_utils

from components.example_gen.config import IngestSpec
from components.example_gen.files import Selection, select_files
from components.example_gen.fingerprint import fingerprint
from components.example_gen.passes import MakePipeline, count_pass, scan_pass, write_pass
from components.example_gen.rows import Unit, make_units
from components.example_gen.scan import FileScan, merge_kinds
from components.example_gen.series.findings import SeriesFindings
from components.example_gen.series.ingest import cut_windows
from components.example_gen.series.long_table import long_table
from components.example_gen.split import plan_split, splits_wanted
from components.example_gen.units import unit_file
from contracts.errors import DataError, EnvironmentProblem

_LOG = logging.getLogger(__name__)


class Executor(base_beam_executor.BaseBeamExecutor):
    """Reads the raw data and writes the splits of an Examples artifact."""

    def Do(  # noqa: N802 - the name is TFX's.
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Runs the passes and describes what they wrote in the output artifact."""
        self._log_startup(input_dict, output_dict, exec_properties)
        spec = IngestSpec.model_validate_json(exec_properties["ingest"])
        selection = select_files(spec)
        examples = artifact_utils.get_single_instance(output_dict["examples"])
        done = ingest(self._make_beam_pipeline, selection, spec, Path(examples.uri))
        _LOG.info("Wrote %s rows of %d files.", done.rows, len(selection.sources))

        examples.split_names = artifact_utils.encode_split_names(list(done.rows))
        examples_utils.set_payload_format(examples, example_gen_pb2.FORMAT_TF_EXAMPLE)
        examples_utils.set_file_format(examples, "tfrecords_gzip")
        for split, count in done.rows.items():
            examples.set_int_custom_property(f"rows_{split}", count)
        examples.set_int_custom_property("files", len(selection.sources))
        examples.set_int_custom_property("span", selection.newest_span)
        # A runner without drivers leaves the fingerprint to the executor.
        digest = exec_properties.get("input_fingerprint") or fingerprint(selection, spec)
        examples.set_string_custom_property("input_fingerprint", digest)
        ignored = json.dumps(ignored_columns(done.scans, spec))
        examples.set_string_custom_property("ignored_columns", ignored)
        examples.set_string_custom_property("spans", json.dumps(done.spans))
        if done.series is not None:
            examples.set_string_custom_property("series", done.series.to_json())


@dataclass(frozen=True)
class Ingested:
    """What was written.

    Attributes:
      rows: The number of rows of each split.
      spans: By split, the spans in the order in which its files hold them, each with its
        number of rows; every span is 0 where the path has none.
      scans: What each raw file holds.
      series: What is odd about the steps, where rows are windows of series.
    """

    rows: dict[str, int]
    spans: dict[str, list[tuple[int, int]]]
    scans: list[FileScan]
    series: SeriesFindings | None = None


def ingest(make: MakePipeline, selection: Selection, spec: IngestSpec, target: Path) -> Ingested:
    """Writes `Split-<split>` folders under `target`; all of them or none.

    Raises:
      DataError: The data are not as `spec` says.
      EnvironmentProblem: The examples cannot be written.
    """
    try:
        with _work_folder(target) as work:
            return _ingest(make, selection, spec, work, target)
    except OSError as error:
        raise EnvironmentProblem(
            "the examples cannot be written", where=str(target), received=str(error)
        ) from error


@contextmanager
def _work_folder(target: Path) -> Iterator[Path]:
    """A folder that all workers see, on the target's file system; gone at the end."""
    work = target / f".work-{uuid.uuid4().hex}"
    work.mkdir(parents=True)
    try:
        yield work
    finally:
        shutil.rmtree(work)


def _ingest(
    make: MakePipeline, selection: Selection, spec: IngestSpec, work: Path, target: Path
) -> Ingested:
    if spec.series is not None:
        return _ingest_series(make, selection, spec, work, target)
    scans = scan_pass(make, selection, spec, work)
    found, plan = merge_kinds(scans, spec), plan_split(spec)
    units = make_units(scans, [source.span for source in selection.sources])
    if not units:
        raise _no_rows(spec, scans)
    if plan.needs_histogram:
        counts = count_pass(make, units, spec, found, plan, work)
        plan = plan.with_histogram(counts)
    written = write_pass(make, units, spec, found, plan, work)
    rows = _rows_by_split(written, spec)
    _publish(written, work, target, list(rows))
    spans = {split: _runs(units, [unit[split] for unit in written]) for split in rows}
    return Ingested(rows, spans, scans)


def _ingest_series(
    make: MakePipeline, selection: Selection, spec: IngestSpec, work: Path, target: Path
) -> Ingested:
    written, scans, findings = cut_windows(make, selection, spec, work)
    if not findings.rows:
        raise _no_rows(spec, scans)
    rows = _rows_by_split(written, spec)
    _publish(written, work, target, list(rows))
    return Ingested(rows, {split: [(0, count)] for split, count in rows.items()}, scans, findings)


def ignored_columns(scans: Sequence[FileScan], spec: IngestSpec) -> list[str]:
    """Gives the columns of the data that are not written."""
    names = dict.fromkeys(name for scan in scans for name in scan.names)
    return [name for name in names if name not in long_table(spec).columns]


def _rows_by_split(written: Sequence[Mapping[str, int]], spec: IngestSpec) -> dict[str, int]:
    wanted = splits_wanted(spec.split)
    rows = {split: sum(unit[split] for unit in written) for split in wanted}
    for split, count in rows.items():
        if not count:
            columns = f" of {', '.join(spec.split.columns)}" if spec.split.columns else ""
            raise DataError(
                f"the split {split!r} has no rows",
                where=f"{spec.where}: data.split",
                expected=f"a share of {getattr(spec.split.shares, split):g} of "
                f"{sum(rows.values())} rows, split by {spec.split.by}{columns}",
                received=", ".join(f"{name}: {number} rows" for name, number in rows.items()),
                fix="give it a greater share, split another way, or bring more data"
                if spec.series is None
                else "give it a greater share or bring more data: a split needs more steps than "
                f"gap, context and horizon together, "
                f"{spec.series.steps_between + spec.series.context + spec.series.horizon}",
            )
    return rows


def _runs(units: Sequence[Unit], rows: Sequence[int]) -> list[tuple[int, int]]:
    """Adds up the rows of neighbouring units of one span."""
    together = groupby(zip(units, rows, strict=True), key=lambda pair: pair[0].span)
    totals = [(span, sum(count for _, count in pairs)) for span, pairs in together]
    return [(span, total) for span, total in totals if total]


def _no_rows(spec: IngestSpec, scans: Sequence[FileScan]) -> DataError:
    return DataError(
        "the data hold no rows",
        where=f"{spec.where}: data.path",
        expected="at least one row",
        received=f"0 rows in {len(scans)} files, the first being {scans[0].path}",
    )


def _publish(
    written: Sequence[Mapping[str, int]], work: Path, target: Path, splits: Sequence[str]
) -> None:
    """Moves whole files to the names under which TFX looks for them."""
    for split in splits:
        units = [index for index, rows in enumerate(written) if rows[split]]
        folder = target / f"Split-{split}"
        folder.mkdir()
        for number, unit in enumerate(units):
            name = f"data_tfrecord-{number:05d}-of-{len(units):05d}.gz"
            unit_file(work, unit, split).rename(folder / name)
