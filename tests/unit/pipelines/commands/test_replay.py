"""A replay refuses what it cannot repeat, and compares what it did."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.example_gen.files import select_files
from components.example_gen.fingerprint import fingerprint
from components.package_versions import package_versions
from components.source_digest import source_digest
from contracts.errors import ConfigError, DataError
from contracts.results.files import write_result
from pipelines import local
from pipelines.commands.replay import (
    compare,
    deviations,
    read_recording,
    render,
    replay,
    replay_config,
    require_same_data,
)
from pipelines.config.problem import LoadedConfig, load_config
from pipelines.runs.record import record
from tests.fixtures.report_run import summary_of, training

CONFIG = """\
name: demo
task: binary
label: {name: y}
features: {x: {type: numeric}}
data: {path: data.csv}
variants: {float32: {format: savedmodel_float32}}
"""
METRICS = {"roc_auc": 0.75, "rows": 100.0, "f1": None}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run as it is recorded, with the data beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")  # a replay sets it
    (tmp_path / "demo.yaml").write_text(CONFIG)
    (tmp_path / "data.csv").write_text("x,y\n" + "1.5,0\n2.5,1\n" * 50)
    loaded = load_config(Path("demo.yaml"), ["seed=5"])
    run = tmp_path / "runs" / "demo" / "20260102-030405"
    run.mkdir(parents=True)
    record(loaded, run)
    _summarize(run, loaded)
    return run


def _summarize(run: Path, loaded: LoadedConfig, **more: Any) -> None:
    ingest = loaded.config.ingest("demo.yaml")
    data = fingerprint(select_files(ingest), ingest)
    source = source_digest("pipelines.graph")
    summary = summary_of(
        name="demo",
        run_id=run.name,
        training={**training(), "folder": "training"},
        digests={"config": loaded.digest, "data": data, "source": source},
        overrides=list(loaded.overrides),
        versions=package_versions(),
        config="demo.yaml",
        **{"candidate": {"metrics": METRICS}, **more},
    )
    write_result(run, summary)


def _change(run: Path, key: str, value: Any) -> None:
    content = json.loads((run / "summary.json").read_text())
    content[key] = value
    (run / "summary.json").write_text(json.dumps(content))


def test_nothing_differs_right_after_a_run(folder: Path) -> None:
    recording = read_recording(folder)
    require_same_data(recording)
    assert recording.config.seed == 5, "overrides are part of the recorded config"
    assert deviations(recording) == []


def test_other_data_are_refused(folder: Path) -> None:
    with Path("data.csv").open("a") as file:
        file.write("9.5,1\n")
    with pytest.raises(DataError, match=r"digests\.data differs") as caught:
        require_same_data(read_recording(folder))
    assert caught.value.expected != caught.value.received
    assert len(caught.value.received) == 64


def test_a_changed_recording_is_refused(folder: Path) -> None:
    text = (folder / "config.json").read_text()
    (folder / "config.json").write_text(text.replace('"seed": 5', '"seed": 6'))
    with pytest.raises(ConfigError, match=r"digests\.config differs"):
        read_recording(folder)


def test_a_run_without_metrics_is_refused(folder: Path) -> None:
    _change(folder, "candidate", None)
    _change(folder, "status", "failed")
    with pytest.raises(ConfigError, match="no metrics") as caught:
        read_recording(folder)
    assert caught.value.received == "status failed"


def test_a_run_that_recorded_no_config_is_refused(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ConfigError, match="resolved config"):
        read_recording(folder)


def test_what_may_change_the_metrics_is_listed(folder: Path) -> None:
    summary = json.loads((folder / "summary.json").read_text())
    _change(folder, "digests", {**summary["digests"], "source": "other"})
    _change(folder, "versions", {**summary["versions"], "tensorflow": "1.0"})
    _change(folder, "training", {**summary["training"], "device": "NVIDIA H200"})
    machine = json.loads((folder / "machine.json").read_text())
    (folder / "machine.json").write_text(json.dumps({**machine, "cpus": 999}))
    listed = "\n".join(deviations(read_recording(folder)))
    for part in ("digests.source was other", "tensorflow was 1.0", "NVIDIA H200", "cpus: was 999"):
        assert part in listed


def test_a_replay_writes_apart_and_is_not_tracked(folder: Path, tmp_path: Path) -> None:
    loaded = replay_config(read_recording(folder), tmp_path / "apart")
    config = loaded.config
    assert config.runs == str(tmp_path / "apart")
    for place in (config.push.root, config.push.artifacts):
        assert Path(place).is_relative_to(tmp_path / "apart")
    assert not config.tracking.enabled
    assert config.seed == 5
    assert loaded.frozen_schema is None


def test_the_schema_that_was_frozen_then_is_used(folder: Path, tmp_path: Path) -> None:
    Path("demo.schema.pbtxt").write_text('feature { name: "then" }')
    record(load_config(Path("demo.yaml"), ["seed=5"]), folder)
    Path("demo.schema.pbtxt").write_text('feature { name: "now" }')
    loaded = replay_config(read_recording(folder), tmp_path / "apart")
    assert loaded.frozen_schema is not None
    assert "then" in loaded.frozen_schema.read_text()


def test_a_schema_frozen_after_the_run_is_not_used(folder: Path, tmp_path: Path) -> None:
    Path("demo.schema.pbtxt").write_text('feature { name: "now" }')
    assert replay_config(read_recording(folder), tmp_path / "apart").frozen_schema is None


@pytest.mark.parametrize(
    ("recorded", "replayed", "agrees"),
    [
        (0.75, 0.75 + 9e-7, True),
        (0.75, 0.75 + 2e-6, False),
        (4000.0, 4000.0 + 2e-3, True),
        (4000.0, 4000.0 + 2e-2, False),
        (None, None, True),
        (None, 0.5, False),
        (0.5, None, False),
        (0.5, float("nan"), False),
    ],
)
def test_metrics_agree_to_a_millionth(recorded: Any, replayed: Any, agrees: bool) -> None:
    (one,) = compare({"m": recorded}, {"m": replayed})
    assert one.agrees is agrees


def test_every_item_of_a_list_is_compared() -> None:
    compared = compare({"confusion": [[5.0, 1.0], [2.0, 7.0]]}, {"confusion": [[5.0, 1.0], [3, 6]]})
    assert [one.metric for one in compared if not one.agrees] == [
        "confusion[1][0]",
        "confusion[1][1]",
    ]


def test_a_metric_on_one_side_only_does_not_agree() -> None:
    compared = compare({"a": 1.0, "b": 2.0}, {"b": 2.0, "c": 3.0})
    assert {one.metric: one.agrees for one in compared} == {"a": False, "b": True, "c": False}


def _pretend(monkeypatch: pytest.MonkeyPatch, metrics: Mapping[str, Any], status: int = 0) -> None:
    def run(loaded: LoadedConfig, start: Any = None, use_cache: bool = True) -> int:
        assert not use_cache
        assert loaded.config.variants == {}
        latest = Path(loaded.config.runs) / "demo" / "latest"
        latest.mkdir(parents=True)
        record(loaded, latest)
        _summarize(latest, loaded, candidate={"metrics": metrics})
        return status

    monkeypatch.setattr(local, "run", run)


def test_the_exit_status_says_whether_it_was_reproduced(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO(), width=120)
    _pretend(monkeypatch, METRICS)
    assert replay(folder, console) == 0
    assert "all 3 metrics reproduced to 1e-06" in console.file.getvalue()
    _pretend(monkeypatch, {**METRICS, "roc_auc": 0.7501})
    assert replay(folder, console) == 1
    printed = console.file.getvalue()
    assert "not reproduced to 1e-06: roc_auc" in printed
    assert "1.0e-04 !" in printed
    replays = sorted(path.name for path in (folder.parent / "replays").iterdir())
    assert replays == [folder.name, f"{folder.name}-2"]


def test_a_run_that_fails_again_is_not_compared(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO())
    _pretend(monkeypatch, METRICS, status=130)
    assert replay(folder, console) == 130
    assert "reproduced" not in console.file.getvalue()


def test_the_table_shows_digits_enough() -> None:
    console = Console(file=io.StringIO(), width=120)
    render(compare({"m": 0.123456789}, {"m": 0.123456781}), console, "one")
    printed = console.file.getvalue()
    assert "0.123456789" in printed
    assert "8.0e-09" in printed
