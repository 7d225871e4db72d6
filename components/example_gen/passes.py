"""Runs the passes over the data as Beam pipelines.

Workers report through small files in a shared folder, not through memory: this holds on
any runner. Errors travel as values, because an exception raised inside Beam loses its
type on the way.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import apache_beam as beam
from pydantic import TypeAdapter

from components.example_gen import histogram
from components.example_gen.config import IngestSpec
from components.example_gen.files import Selection
from components.example_gen.rows import Unit, count_unit
from components.example_gen.scan import FileScan, scan_file
from components.example_gen.split import SplitPlan
from components.example_gen.units import write_unit
from contracts.errors import EnvironmentProblem, KelpError, error_from_json

MakePipeline = Callable[[], beam.Pipeline]
_Task = TypeVar("_Task")
_Result = TypeVar("_Result")


def scan_pass(
    make: MakePipeline, selection: Selection, spec: IngestSpec, folder: Path
) -> list[FileScan]:
    """Scans all files, in their order."""
    paths = [source.path for source in selection.sources]
    work = partial(scan_file, file_format=selection.format, spec=spec)
    return run_pass(make, "scan", paths, work, FileScan, folder)


def count_pass(
    make: MakePipeline,
    units: Sequence[Unit],
    spec: IngestSpec,
    found: Mapping[str, str],
    plan: SplitPlan,
    folder: Path,
) -> histogram.Histogram:
    """Counts all rows for a split that needs to know them."""
    work = partial(_count, spec=spec, found=found, plan=plan, folder=folder)
    paths = run_pass(make, "count", units, work, Path, folder)
    return histogram.merge(map(histogram.load, paths))


def write_pass(
    make: MakePipeline,
    units: Sequence[Unit],
    spec: IngestSpec,
    found: Mapping[str, str],
    plan: SplitPlan,
    folder: Path,
) -> list[dict[str, int]]:
    """Writes all units into `folder`; gives the rows of each split, unit by unit."""
    work = partial(write_unit, spec=spec, found=found, plan=plan, folder=folder)
    return run_pass(make, "write", units, work, dict[str, int], folder)


def _count(
    unit: Unit, spec: IngestSpec, found: Mapping[str, str], plan: SplitPlan, folder: Path
) -> Path:
    path = folder / f"counts-{unit.index:05d}-{uuid.uuid4().hex}.npz"
    histogram.save(path, count_unit(unit, spec, found, plan))
    return path


def run_pass(
    make: MakePipeline,
    name: str,
    tasks: Sequence[_Task],
    work: Callable[[_Task], _Result],
    returns: type[_Result],
    folder: Path,
) -> list[_Result]:
    """Runs `work` over the tasks on Beam; gives what it returned, in order.

    Args:
      make: Makes a Beam pipeline.
      name: The pass, for its reports' files.
      tasks: What to work on.
      work: Does one task; it may run in another process.
      returns: The type of what it returns, which travels as JSON.
      folder: A folder that all workers see.
    """
    reports = [folder / f"{name}-{index:05d}.json" for index in range(len(tasks))]
    with make() as pipeline:
        _ = (
            pipeline
            | f"{name} tasks" >> beam.Create(list(zip(reports, tasks, strict=True)))
            | f"{name} spread" >> beam.Reshuffle()
            | f"{name} work" >> beam.Map(_report, work, returns)
        )
    return [_result(report, returns) for report in reports]


def _report(
    task: tuple[Path, _Task], work: Callable[[_Task], _Result], returns: type[_Result]
) -> None:
    """Does one task and writes its outcome; a retried task overwrites the same file."""
    path, what = task
    try:
        outcome = {"result": TypeAdapter(returns).dump_python(work(what), mode="json")}
    except KelpError as error:
        outcome = {"error": error.to_json()}
    except OSError as error:
        problem = EnvironmentProblem(
            "a file cannot be written or read", where=str(path.parent), received=str(error)
        )
        outcome = {"error": problem.to_json()}
    temporary = path.with_suffix(f".{uuid.uuid4().hex}.tmp")
    temporary.write_text(json.dumps(outcome), encoding="utf-8")
    temporary.replace(path)


def _result(report: Path, returns: type[_Result]) -> _Result:
    outcome = json.loads(report.read_text(encoding="utf-8"))
    if "error" in outcome:
        raise error_from_json(outcome["error"])
    return TypeAdapter(returns).validate_python(outcome["result"])
