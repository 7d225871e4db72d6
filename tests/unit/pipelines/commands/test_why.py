"""`kelp why` explains versions from MLflow alone, and of runs from their folders."""

from __future__ import annotations

import io
import json
import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from components.tracker.track import log_run
from contracts.errors import ConfigError, EnvironmentProblem
from contracts.results.files import write_result
from pipelines import cli
from pipelines.commands.why import explain_verdict, of_run, render
from tests.fixtures.registry import EVIDENCE, gates, run_record, tracking_in, write_saved_model
from tests.fixtures.report_run import summary_of
from tests.fixtures.variant_verdicts import unmade, verdict


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("mlflow")
    spec = tracking_in(folder)
    saved = write_saved_model(folder / "saved")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        log_run(run_record(saved, pushed_to="serving_models/demo/1"), spec)
    return spec.uri


@pytest.fixture
def workplace(tmp_path: Path, uri: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return tmp_path


def _run(root: Path, name: str = "demo", run: str = "20260102-030405", **more: Any) -> Path:
    folder = root / "runs" / name / run
    verdict = root / "runs" / name / "artifacts" / "ModelGate" / "verdict" / "12"
    for path in (folder, verdict):
        path.mkdir(parents=True, exist_ok=True)
    (verdict / "evidence.json").write_text(json.dumps(EVIDENCE.to_json()))
    summary = {
        "version": 1,
        "started": "2026-01-02T03:04:05+00:00",
        "total_seconds": 12.0,
        "name": name,
        "run_id": run,
        "status": "succeeded",
        "blessed": False,
        "gates": [gate.model_dump() for gate in gates(blessed=False).gates],
        "rows": {"train": 800, "test": 200},
        "pushed_to": None,
        "mlflow": {"run_id": "abc", "uri": "sqlite:///m.db", "model_version": None},
        "digests": {"config": "c1", "data": "d1", "source": "s1"},
        "folders": {"evidence": str(verdict)},
        "overrides": ["seed=3"],
        "seed": 3,
        "config": "configs/demo.yaml",
        "versions": {"python": "3.11.2", "tfx": "1.21.0", "keras": "3.15.1"},
    }
    (folder / "summary.json").write_text(json.dumps(summary | more))
    latest = folder.parent / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(run)
    return folder


def _printed(why: Any) -> str:
    console = Console(file=io.StringIO(), width=220)
    render(why, console)
    text: str = console.file.getvalue()
    return text


@pytest.mark.parametrize("words", [("1",), ("v1",), ("champion",), ("demo", "candidate")])
def test_a_version_is_explained_from_mlflow_alone(workplace: Path, words: tuple[str, ...]) -> None:
    why = explain_verdict(words)
    assert why.title == "demo, version 1"
    assert why.blessed
    printed = _printed(why)
    assert "slice_change" in printed
    assert "origin=JFK" in printed
    assert "0.1000 [0.0800, 0.1200]" in printed
    assert "0.0300" in printed
    assert "95% intervals of 1,000 resamples of 5,000 rows" in printed
    for text in ("d" * 64, "c" * 64, "e" * 32, "training.epochs=3", "train 800", "tensorflow"):
        assert text in printed
    assert "serving_models/demo/1" in printed
    assert "spans all (newest 12)" in printed


def test_a_run_that_was_not_blessed_is_explained(workplace: Path) -> None:
    folder = _run(workplace)
    by_id = explain_verdict(("20260102-030405",))
    assert (
        by_id
        == explain_verdict((str(folder),))
        == explain_verdict(("demo",))
        == explain_verdict(())
        == of_run(folder)
    )
    assert not by_id.blessed
    printed = _printed(by_id)
    assert "demo, run 20260102-030405: not blessed" in printed
    assert "block: Slice origin=JFK is worse than the baseline by 0.1." in printed
    assert "seed=3" in printed
    assert "run abc at sqlite:///m.db" in printed
    assert by_id.lineage["artifacts"]["evidence"]["execution"] == 12


def test_the_verdicts_on_variants_are_shown(workplace: Path) -> None:
    variants = [
        verdict("int8"),
        verdict("tflite_full_int8"),
        unmade("onnx", "failed", "It crashed."),
    ]
    written = [variant.to_json() for variant in variants]
    why = of_run(_run(workplace, variants=written))
    assert why.variants == variants
    assert why.to_dict()["variants"] == written
    printed = _printed(why)
    assert "serving_models/flights-int8/4" in printed
    assert "It crashed." in printed
    lines = [line.split() for line in printed.splitlines()]
    gate = ["drop", "roc_auc"]
    assert ["int8", "pass", *gate, "0.0004", "[0.0001,", "0.0007]", "0.0050"] in lines
    assert ["tflite_full_int8", "block", *gate] in [line[:4] for line in lines]
    assert "against float32" in printed
    assert "against float32" not in _printed(of_run(_run(workplace)))


def test_the_metadata_store_names_the_artifacts_of_a_run(workplace: Path) -> None:
    folder = _run(workplace)
    uri = json.loads((folder / "summary.json").read_text())["folders"]["evidence"]
    with closing(sqlite3.connect(folder.parent / "metadata.sqlite")) as store:
        store.execute("CREATE TABLE Type (id, name)")
        store.execute("CREATE TABLE Artifact (id, type_id, uri)")
        store.execute("INSERT INTO Type VALUES (1, 'KelpModelVerdict')")
        store.execute("INSERT INTO Artifact VALUES (31, 1, ?)", [uri])
        store.commit()
    entry = of_run(folder).lineage["artifacts"]["evidence"]
    assert (entry["id"], entry["type"]) == (31, "KelpModelVerdict")


def test_a_run_that_failed_early_is_explained(workplace: Path) -> None:
    folder = workplace / "runs" / "demo" / "20260102-030405"
    folder.mkdir(parents=True)
    content = summary_of(
        name="demo",
        run_id=folder.name,
        status="failed",
        error=["error: the data hold no rows"],
    )
    write_result(folder, content)
    printed = _printed(of_run(folder))
    assert "failed: the data hold no rows" in printed
    assert "no gate was reached" in printed


def test_of_several_pipelines_the_latest_run_is_meant(workplace: Path) -> None:
    older = _run(workplace)
    _run(workplace, "other")
    os.utime(older / "summary.json", (1, 1))
    assert explain_verdict(()).title.startswith("other, run")
    assert explain_verdict(("demo", "latest")).title.startswith("demo, run")
    assert explain_verdict(("demo",)).title.startswith("demo, run")


def test_what_is_neither_run_nor_version_is_an_error(workplace: Path) -> None:
    with pytest.raises(ConfigError, match="no version 'challenger'"):
        explain_verdict(("challenger",))
    with pytest.raises(ConfigError, match="no version of 'dem'") as caught:
        explain_verdict(("dem", "1"))
    assert "demo" in caught.value.fix


def test_a_config_names_runs_and_mlflow(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    (workplace / "demo.yaml").write_text(
        "name: demo\ntask: binary\nlabel: {name: y}\nfeatures: {x: {type: numeric}}\n"
        "data: {path: data.csv}\n"
    )
    _run(workplace)
    assert explain_verdict(("demo.yaml",)).title.startswith("demo, run")
    assert explain_verdict(("demo.yaml", "latest")).title.startswith("demo, run")
    with pytest.raises(EnvironmentProblem, match="no MLflow yet"):
        explain_verdict(("demo.yaml", "3"))


def test_the_command_prints_json(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _run(workplace)
    assert cli.main(["why", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["gates"][0]["outcome"] == "block"
    assert cli.main(["why", "a", "b", "c"]) == 2
