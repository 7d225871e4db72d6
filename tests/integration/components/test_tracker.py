"""MLflow gets the run; its absence costs nothing but a warning."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from mlflow import MlflowClient

from components.tracker.config import TrackingSpec, tracking_uri
from components.tracker.track import ModelRecord, RunRecord, flatten, log_run
from tests.fixtures.registry import tracking_in, write_saved_model


def _record(folder: Path) -> RunRecord:
    return RunRecord(
        name="flights",
        params=flatten({"seed": 1, "training": {"epochs": 2, "optimizer": {"kind": "adam"}}}),
        metrics={"roc_auc": 0.75},
        history=[{"epoch": 1, "loss": 0.7}, {"epoch": 2, "loss": 0.6, "val_loss": None}],
        tags={"blessed": "true"},
        files={"schema.pbtxt": "feature {}"},
        model=ModelRecord(write_saved_model(folder / "saved"), blessed=False),
    )


def test_all_of_a_run_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    spec = TrackingSpec(uri=f"sqlite:///{tmp_path}/runs/mlflow.db")
    run_id = log_run(_record(tmp_path), spec).run_id
    client = MlflowClient(tracking_uri=spec.uri)
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.params["training.optimizer.kind"] == "adam"
    assert run.data.metrics["roc_auc"] == 0.75
    assert run.data.tags["blessed"] == "true"
    losses = client.get_metric_history(run_id, "epoch_loss")
    assert [(metric.step, metric.value) for metric in losses] == [(1, 0.7), (2, 0.6)]
    assert {item.path for item in client.list_artifacts(run_id)} == {"schema.pbtxt"}
    stored = list((tmp_path / "runs").rglob("saved_model.pb"))
    assert len(stored) == 1
    assert client.search_registered_models() == [], "the model was not blessed"
    assert log_run(_record_again(tmp_path), spec).run_id != run_id
    assert len(client.search_runs([run.info.experiment_id])) == 2


def _record_again(folder: Path) -> RunRecord:
    (folder / "again").mkdir()
    return _record(folder / "again")


def test_an_unreachable_server_is_an_error_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    spec = TrackingSpec()
    assert tracking_uri(spec) == "http://127.0.0.1:9"
    with pytest.raises(Exception, match=r"127\.0\.0\.1"):
        log_run(_record(tmp_path), spec)


def test_names_that_mlflow_does_not_take_are_logged_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    spec = tracking_in(tmp_path)
    record = replace(
        _record(tmp_path),
        params={"features.(type).type": "categorical", "features.[type].type": "numeric"},
        metrics={"recall of 'a&b'": 0.5},
        tags={"note (odd)": "kept"},
        model=None,
        history=[],
    )
    run = MlflowClient(tracking_uri=spec.uri).get_run(log_run(record, spec).run_id)
    assert sorted(run.data.params.values()) == ["categorical", "numeric"]
    assert list(run.data.metrics.values()) == [0.5]
    assert "kept" in run.data.tags.values()
