"""`kelp check`: whether a config, its data and this machine are fit for a run."""

from __future__ import annotations

import importlib.metadata
import os
import sys
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from components.example_gen.calendar import dated_columns
from components.example_gen.config import IngestSpec
from components.example_gen.files import Selection, select_files
from components.example_gen.rows import count_unit, make_units, read_unit
from components.example_gen.scan import FileScan, columns_to_read, merge_kinds, scan_file
from components.example_gen.series.long_table import long_table
from components.example_gen.split import plan_split
from contracts.errors import DataError, EnvironmentProblem, KelpError
from contracts.storage.location import is_remote
from contracts.storage.objects import file_size
from contracts.text import count, did_you_mean, shorten, some
from models.tasks import find_task
from pipelines.beam.checks import beam_checks
from pipelines.commands.check_places import check_writable
from pipelines.config.problem import LoadedConfig, require_schema
from pipelines.execution.graph import pipeline_root
from pipelines.execution.metadata import metadata_connection
from pipelines.installed_packages import wrong_packages
from pipelines.recognition.sample import distinct_values

_SCANNED_BYTES = 512 << 20
_ERRORS_SHOWN = 10
_PYTHONS = ((3, 10), (3, 13))


@dataclass(frozen=True)
class Checked:
    """One thing that was looked at."""

    what: str
    detail: str
    error: KelpError | None = None


def check(loaded: LoadedConfig) -> list[Checked]:
    """Looks at everything that a run needs, and runs nothing.

    Args:
      loaded: The config; it is valid, or it would not be loaded.
    """
    results = [Checked("config", f"{loaded.path}: valid, digest {loaded.digest[:12]}")]
    results.append(_checked("schema", lambda: _schema(loaded)))
    results += _data(loaded)
    for name, look in (
        ("python", _python),
        ("packages", _packages),
        ("runs", lambda: check_writable(loaded.config.runs, "runs")),
        ("metadata", lambda: _metadata(loaded)),
        ("push.root", lambda: check_writable(loaded.config.push.root, "push.root")),
        *_bucket_of_artifacts(loaded.config.push.artifacts),
    ):
        results.append(_checked(name, look))
    beam = beam_checks(loaded.config.beam, loaded.config.runs)
    return results + [_checked(f"beam: {name}", look) for name, look in beam]


def _bucket_of_artifacts(place: str) -> list[tuple[str, Callable[[], str]]]:
    """A local folder of artifacts is made when the first of them is pushed."""
    key = "push.artifacts"
    return [(key, lambda: check_writable(place, key))] if is_remote(place) else []


def report(results: list[Checked], out: Console, err: Console) -> int:
    """Prints the table, then the first error in full; gives the exit status."""
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for one in results:
        mark = "[green]ok[/]" if one.error is None else "[red]error[/]"
        table.add_row(mark, one.what, one.detail.replace("[", r"\["))
    out.print(table)
    errors = [one.error for one in results if one.error is not None]
    for line in _first_lines(errors):
        err.print(line, markup=False, highlight=False, soft_wrap=True)
    return 1 if errors else 0


def _first_lines(errors: list[KelpError]) -> list[str]:
    lines: list[str] = []
    for shown, error in enumerate(errors):
        if len(lines) + len(error.lines()) > _ERRORS_SHOWN - 1:
            return [*lines, f"... and {count(len(errors) - shown, 'error')} more"]
        lines += error.lines()
    return lines


def _checked(what: str, look: Callable[[], str]) -> Checked:
    try:
        return Checked(what, look())
    except KelpError as error:
        return Checked(what, error.what, error)


def _schema(loaded: LoadedConfig) -> str:
    require_schema(loaded)
    frozen = loaded.frozen_schema
    return f"{frozen}: frozen" if frozen else "inferred in each run"


def _data(loaded: LoadedConfig) -> Iterator[Checked]:
    spec = long_table(loaded.config.ingest(str(loaded.path)))
    selections: list[Selection] = []
    scans: list[FileScan] = []

    def files() -> str:
        selections.append(select_files(spec))
        sources = selections[0].sources
        return f"{count(len(sources), 'file')}, {selections[0].format}, {sources[0].path}"

    def columns() -> str:
        looked_at = list(_enough(selections[0]))
        scans.extend(scan_file(path, selections[0].format, spec) for path in looked_at)
        merge_kinds(scans, spec)
        rows = count(sum(scan.rows for scan in scans), "row")
        some_only = len(looked_at) < len(selections[0].sources)
        part = f" in the first {count(len(looked_at), 'file')}" if some_only else ""
        return f"{count(len(columns_to_read(spec)), 'column')}, {rows}{part}"

    yield (found := _checked("files", files))
    if found.error is None:
        yield (read := _checked("columns", columns))
        if read.error is None:
            yield from _rows(spec, scans, selections[0])
            yield _checked("label", lambda: _label(loaded, spec, selections[0]))


def _rows(spec: IngestSpec, scans: Sequence[FileScan], selection: Selection) -> Iterator[Checked]:
    """What a run finds only in the rows themselves: dates in Parquet, and the split's columns."""
    kinds, plan = merge_kinds(scans, spec), plan_split(spec)
    units = make_units(scans, [0] * len(scans))
    dated = {name: kinds[name] for name in dated_columns(kinds, spec)}
    of_split = {name: kinds[name] for name in spec.split.columns}

    def dates() -> str:
        for unit in units:
            deque(read_unit(unit, spec, dated), maxlen=0)
        return f"{some(dated)}: read"

    def split() -> str:
        counts = [count_unit(unit, spec, of_split, plan) for unit in units]
        return f"by {spec.split.by}" if counts else "no rows"

    if dated and selection.format == "parquet":  # of CSV, the scan has read every value
        yield _checked("dates", dates)
    if spec.split.by == "time":
        yield _checked("split", split)


def _enough(selection: Selection) -> Iterator[str]:
    """All Parquet files, whose footers are small; of CSV files the first half gigabyte."""
    size = 0
    for source in selection.sources:
        if size > _SCANNED_BYTES:
            return
        yield source.path
        size += file_size(source.path) if selection.format == "csv" else 0


def _label(loaded: LoadedConfig, spec: IngestSpec, selection: Selection) -> str:
    """The label's values over all rows: a file sorted by it shows one class for long."""
    config = loaded.config
    name = config.label.name
    place = f"{spec.where}, label {name}; {selection.sources[0].path}"
    if config.label.steps is not None:
        return f"{name}: lists of {config.label.steps} numbers"
    values = distinct_values(name, spec, selection)
    if values is None:
        if not find_task(config.task).has_classes:
            return f"{name}: many values"
        raise DataError(
            f"the label {name!r} has too many values for a {config.task} task",
            where=place,
            expected=f"the classes {some(map(repr, config.problem().label_classes()))}",
            received="more than a thousand values",
            fix="correct task or label.name",
        )
    present = values.drop_null().to_pylist()
    found = [one.decode(errors="replace") if isinstance(one, bytes) else one for one in present]
    if len(found) < 2:
        raise DataError(
            f"the label {name!r} has {'one value only' if found else 'no value'}",
            where=place,
            expected="values that differ",
            received=shorten(found[0]) if found else "nothing",
            fix="choose another label or other data",
        )
    if not find_task(config.task).has_classes:
        return f"{name}: {count(len(found), 'value')}"
    classes = config.problem().label_classes()
    _require_known(name, found, classes, place)
    return f"{name}: {some(map(repr, sorted(found, key=str)))}"


def _require_known(
    name: str, found: list[object], classes: tuple[bool | int | str, ...], place: str
) -> None:
    known = {_comparable(one) for one in classes}
    unknown = [one for one in found if _comparable(one) not in known]
    if unknown:
        raise DataError(
            f"the label {name!r} has a value that is no class",
            where=place,
            expected=f"one of: {some(map(repr, classes))}",
            received=some(map(repr, unknown)),
            fix=did_you_mean(str(unknown[0]), map(str, classes)) or "list it in label.classes",
        )


def _comparable(value: object) -> str | float:
    """Numbers are compared as numbers, everything else as text: as Transform does."""
    return float(value) if isinstance(value, bool | int | float) else str(value)


def _metadata(loaded: LoadedConfig) -> str:
    """A server is asked; it makes its tables, as for the first run."""
    connection = metadata_connection(loaded.config.metadata, pipeline_root(loaded))
    if connection.server is None:
        return "SQLite, beside the runs"
    from pipelines.execution.metadata_server import open_server

    open_server(connection)
    return f"{connection.where}: answers"


def _python() -> str:
    here = sys.version_info[:2]
    if not _PYTHONS[0] <= here <= _PYTHONS[1]:
        raise EnvironmentProblem(
            "this Python is not supported",
            where=sys.executable,
            expected="Python 3.10 to 3.13",
            received=f"Python {here[0]}.{here[1]}",
        )
    return f"{sys.version.split()[0]}, {count(os.cpu_count() or 1, 'core')}"


def _packages() -> str:
    wrong = wrong_packages()
    if wrong:
        first = wrong[0]
        raise EnvironmentProblem(
            f"{count(len(wrong), 'package')} missing or of a wrong version: "
            + some([one.name for one in wrong]),
            where=first.name,
            expected=first.wanted,
            received=first.installed or "not installed",
            fix="make setup, or pip install --no-deps -r requirements.lock",
        )
    version = importlib.metadata.version
    return ", ".join(f"{name} {version(name)}" for name in ("tfx", "tensorflow", "keras"))
