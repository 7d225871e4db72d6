"""`kelp replay`: repeats a run from its recorded config, data and seed, and compares."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from components.package_versions import package_versions
from components.source_digest import source_digest
from contracts.errors import ConfigError, DataError, KelpError
from contracts.files import read_json
from contracts.results.files import read_result
from contracts.results.summary import Metrics, Summary
from models.user_code import use_code_folder
from pipelines.config.problem import KelpConfig, LoadedConfig, config_digest, content_digest
from pipelines.execution.capture import captured
from pipelines.execution.metadata import MetadataSpec
from pipelines.runs.find import LATEST
from pipelines.runs.record import (
    CODE_FOLDER,
    CONFIG_FILE,
    CONFIG_TEXT,
    MACHINE_FILE,
    SCHEMA_FILE,
    machine,
)

TOLERANCE = 1e-6
_CPU = "CPU"


@dataclass(frozen=True)
class Recording:
    """A run as it was recorded.

    Attributes:
      folder: The run's folder.
      summary: Its summary.
      config: Its resolved config.
      machine: The machine that it ran on.
    """

    folder: Path
    summary: Summary
    config: KelpConfig
    machine: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """One metric, recorded and replayed.

    Attributes:
      metric: Its name; items of a list have their place behind it.
      recorded: The value then.
      replayed: The value now.
      difference: Relative where the recorded value is larger than 1; None where one of the
        two is missing.
    """

    metric: str
    recorded: float | None
    replayed: float | None
    difference: float | None

    @property
    def agrees(self) -> bool:
        """Whether both are missing, or closer than the tolerance."""
        if self.difference is None:
            return self.recorded is None and self.replayed is None
        return self.difference <= TOLERANCE


def read_recording(folder: Path) -> Recording:
    """Reads what a run wrote down.

    Raises:
      ConfigError: The run has no metrics, or its recorded config is not what it ran with.
    """
    summary = read_result(folder, Summary)
    if summary.candidate is None:
        raise ConfigError(
            "the run came to no metrics, so there is nothing to reproduce",
            where=str(folder),
            expected="a run that evaluated its candidate",
            received=f"status {summary.status}",
            fix="kelp replay RUN, with the folder or id of another run",
        )
    if not (folder / CONFIG_FILE).is_file():
        raise ConfigError(
            "the run did not write down its resolved config",
            where=str(folder / CONFIG_FILE),
            expected="a run of this version of Kelp",
            fix=f"kelp run {summary.config}",
        )
    content = read_json(folder / CONFIG_FILE)
    if content_digest(content) != summary.digests.config:
        raise ConfigError(
            "the recorded config was changed after the run: digests.config differs",
            where=str(folder / CONFIG_FILE),
            expected=summary.digests.config,
            received=content_digest(content),
        )
    place = folder / MACHINE_FILE
    if (folder / CODE_FOLDER).is_dir():
        use_code_folder(folder / CODE_FOLDER)
    config = KelpConfig.model_validate(content)
    return Recording(folder, summary, config, read_json(place) if place.is_file() else {})


def require_same_data(recording: Recording) -> None:
    """Refuses data that are not those of the run.

    Raises:
      DataError: A byte, a file or a span is another.
    """
    from components.example_gen.files import select_files
    from components.example_gen.fingerprint import fingerprint

    ingest = recording.config.ingest(str(recording.folder / CONFIG_TEXT))
    received = fingerprint(select_files(ingest), ingest)
    recorded = recording.summary.digests.data or "none"
    if received != recorded:
        raise DataError(
            "the data are not those of the run: digests.data differs",
            where=recording.config.data.path,
            expected=recorded,
            received=received,
            fix="bring the data of that time back; with these, `kelp run` gives a run of its own",
        )


def deviations(recording: Recording) -> list[str]:
    """What differs from then, and may change the metrics: sources, packages, machine."""
    summary, found = recording.summary, []
    if config_digest(recording.config) != summary.digests.config:
        found.append("this version of Kelp knows config keys that the run did not have")
    functions = replay_config(recording, recording.folder).user_functions()
    source = source_digest("pipelines.graph", functions=functions)
    if source != summary.digests.source:
        found.append(f"digests.source was {summary.digests.source}, is {source}")
    now = package_versions()
    for name, before in summary.versions.items():
        if now.get(name, before) != before:
            found.append(f"{name} was {before}, is {now[name]}")
    here = machine()
    for name, before in recording.machine.items():
        if here.get(name) != before:
            found.append(f"{name}: was {before}, is {here.get(name)}")
    device = summary.training.device if summary.training else _CPU
    if device != _CPU:
        found.append(f"the run trained on {device}: only metrics of a CPU come out alike")
    return found


def replay_config(recording: Recording, root: Path) -> LoadedConfig:
    """The recorded config, with everything that it writes under `root`, and untracked."""
    content = recording.config.model_dump(mode="json", by_alias=True)
    content["runs"] = str(root)
    content["push"]["root"] = str(root / "serving_models")
    content["push"]["artifacts"] = str(root / "artifacts")
    content["tracking"]["enabled"] = False
    content["metadata"] = MetadataSpec().model_dump()
    frozen = recording.folder / SCHEMA_FILE
    content["data"]["schema"] = str(frozen) if frozen.is_file() else None
    config = KelpConfig.model_validate(content)
    path = recording.folder / CONFIG_TEXT
    loaded = LoadedConfig(config, path, config_digest(config), path.read_text(encoding="utf-8"))
    code = recording.folder / CODE_FOLDER
    return replace(
        loaded,
        overrides=tuple(recording.summary.overrides),
        code=code if code.is_dir() else None,
    )


def _without_variants(loaded: LoadedConfig) -> LoadedConfig:
    """Leaves out what takes most of many runs: the metrics compared are the candidate's."""
    config = loaded.config.model_copy(update={"variants": {}})
    return replace(loaded, config=config, digest=config_digest(config))


def compare(recorded: Mapping[str, Any], replayed: Mapping[str, Any]) -> list[Comparison]:
    """Compares metric by metric; one that is missing on a side does not agree."""
    before, after = dict(_flat(recorded)), dict(_flat(replayed))
    return [
        Comparison(name, before.get(name), after.get(name), _apart(before, after, name))
        for name in dict.fromkeys([*before, *after])
    ]


def _flat(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name, value in metrics.items():
        if isinstance(value, list):
            yield from _flat({f"{name}[{place}]": item for place, item in enumerate(value)})
        else:
            yield name, None if value is None else float(value)


def _apart(
    before: Mapping[str, float | None], after: Mapping[str, float | None], name: str
) -> float | None:
    first, second = before.get(name), after.get(name)
    if first is None or second is None:
        return None
    apart = abs(first - second) / max(1.0, abs(first))
    return apart if math.isfinite(apart) else None


def replay(folder: Path, console: Console) -> int:
    """Repeats a run and gives the exit status: 0 if every metric came out alike.

    Args:
      folder: The run's folder.
      console: Where to print.
    """
    recording = read_recording(folder)
    require_same_data(recording)
    training = recording.summary.training
    if training is None or training.device == _CPU:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"  # before TensorFlow looks for GPUs
    root = _new_root(folder)
    from pipelines import local

    # Looking for the sources imports some of them, and TensorFlow talks as it starts.
    with captured(root / "replay.log"):
        found = deviations(recording)
    for deviation in found:
        console.print(f"warning: {deviation}", markup=False, highlight=False, soft_wrap=True)
    status = local.run(_without_variants(replay_config(recording, root)), use_cache=False)
    if status:
        return status
    # Its summary alone: its own copy of the user's code must not come beside the recorded one.
    again = read_result(root / recording.config.name / LATEST, Summary)
    compared = compare(_metrics(recording.summary), _metrics(again))
    if not compared:
        raise KelpError("neither run has a metric to compare", where=str(folder))
    render(compared, console, folder.name)
    return 0 if all(comparison.agrees for comparison in compared) else 1


def _metrics(summary: Summary) -> Metrics:
    """The candidate's metrics of record on the whole of test."""
    return {} if summary.candidate is None else summary.candidate.metrics


def _new_root(folder: Path) -> Path:
    base = folder.parent / "replays"
    names = itertools.chain([folder.name], (f"{folder.name}-{n}" for n in itertools.count(2)))
    root = next(base / name for name in names if not (base / name).exists())
    root.mkdir(parents=True)
    return root


def render(compared: list[Comparison], console: Console, run: str) -> None:
    """Prints the table and the verdict."""
    table = Table(title=f"run {run}, recorded and replayed")
    table.add_column("metric")
    for heading in ("recorded", "replayed", "difference"):
        table.add_column(heading, justify="right")
    for comparison in compared:
        apart = "missing" if comparison.difference is None else f"{comparison.difference:.1e}"
        mark = "" if comparison.agrees else " !"
        shown = "none" if comparison.agrees and comparison.difference is None else apart
        table.add_row(
            comparison.metric,
            _figure(comparison.recorded),
            _figure(comparison.replayed),
            shown + mark,
        )
    console.print(table)
    off = [comparison.metric for comparison in compared if not comparison.agrees]
    console.print(
        f"not reproduced to {TOLERANCE:g}: {', '.join(off)}"
        if off
        else f"all {len(compared)} metrics reproduced to {TOLERANCE:g}",
        highlight=False,
    )


def _figure(value: float | None) -> str:
    return "none" if value is None else f"{value:,.9g}"
