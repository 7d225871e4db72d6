"""`kelp models` lists what MLflow has registered."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from components.tracker.track import log_run
from contracts.errors import ConfigError
from pipelines import cli
from pipelines.commands.models import list_versions, render
from pipelines.commands.registry_choice import mlflow_of
from tests.fixtures.registry import run_record, tracking_in, write_saved_model

CONFIG = """\
name: demo
task: binary
label: {name: y}
features: {x: {type: numeric}}
data: {path: data.csv}
tracking: {uri: "sqlite:///elsewhere.db"}
"""


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mlflow")
    spec = tracking_in(folder)
    saved = write_saved_model(folder / "saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        log_run(run_record(saved, pushed_to="serving_models/demo/1", model_uri="a/m/1"), spec)
        log_run(run_record(saved, model_uri="a/m/2"), spec)
        log_run(run_record(saved, name="other"), spec)
    return spec.uri


def test_versions_are_listed_newest_first(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    versions = list_versions(None)
    assert [(one["name"], one["version"]) for one in versions] == [
        ("demo", 2),
        ("demo", 1),
        ("other", 1),
    ]
    newest, first, _ = versions
    assert newest["aliases"] == ["candidate"]
    assert first["aliases"] == ["champion"]
    assert (newest["pushed_to"], first["pushed_to"]) == (None, "serving_models/demo/1")
    assert first["metrics"]["roc_auc.high"] == 0.76
    assert first["blessed"] is True
    assert list_versions("other") == versions[2:]


def test_the_table_has_metrics_with_intervals(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    console = Console(file=io.StringIO(), width=200)
    render(list_versions("demo"), console)
    printed = console.file.getvalue()
    assert "roc_auc 0.7500 [0.7400, 0.7600]" in printed
    assert "serving_models/demo/1" in printed
    assert printed.index(" 2 ") < printed.index("champion")


def test_the_table_cuts_no_word_on_a_narrow_terminal(
    uri: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    console = Console(file=io.StringIO(), width=80)
    render(list_versions("demo"), console)
    words = console.file.getvalue().split()
    for word in ("version", "aliases", "registered", "candidate", "champion", "[0.7400,"):
        assert word in words


def test_a_model_that_is_not_there_is_named(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    with pytest.raises(ConfigError, match="'demos'") as caught:
        list_versions("demos")
    assert caught.value.fix == "did you mean 'demo'?"


def test_the_command_prints_json(
    uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    assert cli.main(["models", "demo", "--json"]) == 0
    assert [one["version"] for one in json.loads(capsys.readouterr().out)] == [2, 1]


def test_nothing_is_an_answer_too() -> None:
    console = Console(file=io.StringIO())
    render([], console)
    assert "no model is registered" in console.file.getvalue()


def test_a_config_says_where_mlflow_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = tmp_path / "demo.yaml"
    path.write_text(CONFIG)
    assert mlflow_of(str(path)) == ("sqlite:///elsewhere.db", "demo")
    assert mlflow_of("demo") == ("sqlite:///runs/mlflow.db", "demo")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow:5000")
    assert mlflow_of(str(path)) == ("http://mlflow:5000", "demo")
    assert mlflow_of(None) == ("http://mlflow:5000", None)
