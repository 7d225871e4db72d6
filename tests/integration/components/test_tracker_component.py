"""The Tracker as a component: what it takes from its inputs, and that it loses no run."""

import json
from pathlib import Path

import pytest
from tfx.types import artifact_utils, standard_artifacts

from components.artifacts import (
    DataVerdict,
    ModelVerdict,
    PushedVariants,
    TrackedRun,
    VariantVerdict,
)
from components.tracker import component as tracker
from components.tracker.registry import open_registry
from contracts.errors import EnvironmentProblem
from contracts.results import variant as results
from contracts.results.files import write_result
from contracts.results.summary import CandidateMetrics
from pipelines.commands.why import of_version
from tests.fixtures.registry import EVIDENCE, gates, tracking_in, write_saved_model
from tests.fixtures.report_run import training
from tests.fixtures.variant_verdicts import verdict

METRICS = {"roc_auc": 0.7512, "rows": 100.0, "confusion": [[1.0]]}


def _artifact(kind, root, component, output, execution):
    artifact = kind()
    folder = root / "artifacts" / component / output / str(execution)
    folder.mkdir(parents=True)
    artifact.uri = str(folder)
    artifact.id = execution + 100
    return artifact


def _inputs(root, blessed):
    """The artifacts that the components before the Tracker would leave."""
    made = {
        "examples": _artifact(standard_artifacts.Examples, root, "ExampleGen", "examples", 1),
        "schema": _artifact(standard_artifacts.Schema, root, "DataGate", "schema", 5),
        "data_verdict": _artifact(DataVerdict, root, "DataGate", "verdict", 5),
        "model": _artifact(standard_artifacts.Model, root, "Trainer", "model", 7),
        "model_run": _artifact(standard_artifacts.ModelRun, root, "Trainer", "model_run", 7),
        "evaluation": _artifact(standard_artifacts.ModelEvaluation, root, "Evaluator", "e", 9),
        "verdict": _artifact(ModelVerdict, root, "ModelGate", "verdict", 10),
        "pushed_model": _artifact(standard_artifacts.PushedModel, root, "Pusher", "p", 11),
    }
    made["examples"].split_names = artifact_utils.encode_split_names(["train", "test"])
    made["examples"].set_string_custom_property("input_fingerprint", "f" * 64)
    made["examples"].set_int_custom_property("span", 12)
    for split, rows in (("train", 80), ("test", 20)):
        made["examples"].set_int_custom_property(f"rows_{split}", rows)
    files = {
        ("schema", "schema.pbtxt"): "feature {}",
        ("data_verdict", "findings.json"): "[]",
        ("data_verdict", "audit.json"): '{"checks": []}',
        ("model_run", "training.json"): json.dumps(training()),
        ("verdict", "gates.json"): json.dumps(gates(blessed).to_json()),
        ("verdict", "evidence.json"): json.dumps(EVIDENCE.to_json()),
    }
    for (name, file), text in files.items():
        (Path(made[name].uri) / file).write_text(text)
    write_saved_model(Path(made["model"].uri) / "Format-Serving")
    if blessed:
        made["pushed_model"].set_string_custom_property("pushed_destination", "serving/demo/3")
    return made


def _track(root, monkeypatch, blessed=True, **more):
    monkeypatch.setattr(tracker, "read_evaluation", lambda uri: CandidateMetrics(metrics=METRICS))
    config = {
        "name": "demo",
        "seed": 7,
        "data": {"path": "d.csv", "spans": "all"},
        "tracking": tracking_in(root).model_dump(),
        "variants": {name: {} for name in ("float32", "int8")},
    }
    tracked = _artifact(TrackedRun, root, "Tracker", "tracked", 12)
    tracker.Tracker.EXECUTOR_SPEC.executor_class._FUNCTION(
        **_inputs(root, blessed),
        tracked=tracked,
        config=json.dumps(config),
        config_digest="c" * 64,
        source_digest="e" * 32,
        overrides='["seed=7"]',
        **more,
    )
    return tracked, json.loads((Path(tracked.uri) / tracker.TRACKED_FILE).read_text())


def test_a_blessed_model_is_registered_with_its_lineage(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv(tracker.RUN_VARIABLE, "20260102-030405")
    tracked, result = _track(tmp_path, monkeypatch)
    assert result["warning"] == ""
    assert (result["model_version"], result["aliases"]) == ("1", ["candidate", "champion"])
    assert not tracked.has_custom_property("redo")
    with open_registry(result["uri"]) as registry:
        version = registry.find("demo", "champion")
        lineage = registry.read(version.run_id, "lineage.json")
        assert registry.read(version.run_id, "audit.json") == {"checks": []}
    assert version.run_id == result["run_id"]
    assert version.metrics["roc_auc"] == 0.7512
    assert version.metrics["roc_auc.high"] == 0.76
    assert version.pushed_to == "serving/demo/3"
    assert version.tags["run"] == "20260102-030405"
    assert version.tags["digest.data"] == lineage["data"]["digest"] == "f" * 64
    assert lineage["data"]["rows"] == {"train": 80, "test": 20}
    assert lineage["config"] == {"digest": "c" * 64, "overrides": ["seed=7"]}
    assert lineage["artifacts"]["verdict"]["execution"] == 10
    assert lineage["artifacts"]["model"]["id"] == 107


def _variants(root):
    """The verdicts on two variants, in the order in which they happened to end."""
    kept = []
    for execution, name in ((21, "int8"), (22, "float32")):
        artifact = _artifact(VariantVerdict, root, f"VariantEvaluator.{name}", "v", execution)
        content = {key: value for key, value in verdict(name) if key != "pushed_to"}
        write_result(Path(artifact.uri), results.VariantVerdict(**content))
        kept.append(artifact)
    pushed = _artifact(PushedVariants, root, "VariantPusher", "pushed_variants", 23)
    content = {"pushed": {"int8": "serving/demo-int8/3"}}
    (Path(pushed.uri) / "pushed.json").write_text(json.dumps(content))
    return {"variants": kept, "pushed_variants": [pushed]}


def test_variants_are_logged_and_explained(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    _, result = _track(tmp_path, monkeypatch, **_variants(tmp_path))
    with open_registry(result["uri"]) as registry:
        version = registry.find("demo", "champion")
        kept = registry.read(version.run_id, "variants.json")
    assert [one["name"] for one in kept] == ["float32", "int8"]
    assert [one["pushed_to"] for one in kept] == ["serving/demo/3", "serving/demo-int8/3"]
    assert version.metrics["variant.int8.bytes"] == 184_300
    assert version.metrics["variant.int8.ratio_p50"] == pytest.approx(0.69 / 0.71)
    assert version.tags["variant.int8"] == "blessed"
    why = of_version(result["uri"], "demo", "1")
    assert [variant.to_json() for variant in why.variants] == kept


def test_a_run_without_variants_has_no_file_of_them(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    _, result = _track(tmp_path, monkeypatch)
    with open_registry(result["uri"]) as registry:
        assert registry.read(result["run_id"], "variants.json") is None
    assert of_version(result["uri"], "demo", "1").variants == []


def test_a_model_that_is_not_blessed_is_logged_only(tmp_path, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    _, result = _track(tmp_path, monkeypatch, blessed=False)
    assert result["run_id"]
    assert (result["model_version"], result["aliases"]) == (None, [])
    with open_registry(result["uri"]) as registry:
        assert registry.names() == []
        assert registry.read(result["run_id"], "gates.json") == gates(blessed=False).to_json()


def test_an_unreachable_mlflow_loses_no_run(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://kelp:hunter2@127.0.0.1:9")
    tracked, result = _track(tmp_path, monkeypatch)
    assert "127.0.0.1" in result["warning"]
    assert result["uri"] == "http://kelp:***@127.0.0.1:9"
    assert "hunter2" not in f"{result} {caplog.text}"
    assert (result["run_id"], result["model_version"]) == ("", None)
    assert tracked.get_int_custom_property("redo") == 1
    with (
        pytest.raises(EnvironmentProblem, match="cannot be read"),
        open_registry(result["uri"]) as registry,
    ):
        registry.names()
