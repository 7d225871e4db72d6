"""Blessed models become versions, once each; aliases move as they should."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from pydantic import ValidationError

from components.tracker import loader
from components.tracker.config import TrackingSpec
from components.tracker.registry import Registry, open_registry
from components.tracker.track import DataRecord, Tracked, log_report, log_run
from contracts.columns import MISSING_INT, MISSING_TEXT
from contracts.errors import ConfigError, EnvironmentProblem
from tests.fixtures.registry import gates, run_record, tracking_in, write_saved_model

FIRST = "/runs/demo/artifacts/Trainer/model/7"
SECOND = "/runs/demo/artifacts/Trainer/model/17"


@pytest.fixture(autouse=True)
def _no_other_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def _versions(registry: Registry) -> dict[int, tuple[str, ...]]:
    return {version.number: version.aliases for version in registry.versions("demo")}


def test_the_life_of_a_model(tmp_path: Path) -> None:
    spec = tracking_in(tmp_path)
    saved = write_saved_model(tmp_path / "saved")
    blessed = log_run(run_record(saved, model_uri=FIRST), spec)
    assert (blessed.model_version, blessed.aliases) == ("1", ("candidate",))
    with open_registry(spec.uri) as registry:
        assert registry.names() == ["demo"]
        assert _versions(registry) == {1: ("candidate",)}

    again = log_run(run_record(saved, pushed_to="serving/demo/1", model_uri=FIRST), spec)
    assert again.run_id != blessed.run_id
    assert (again.model_version, again.aliases) == ("1", ("candidate", "champion"))

    refused = log_run(run_record(saved, blessed=False, model_uri="elsewhere/model/9"), spec)
    assert refused == Tracked(refused.run_id)

    newer = log_run(run_record(saved, pushed_to="serving/demo/2", model_uri=SECOND), spec)
    assert newer.model_version == "2"
    with open_registry(spec.uri) as registry:
        assert _versions(registry) == {2: ("candidate", "champion"), 1: ()}
        first = registry.find("demo", "v1")
        assert (first.run_id, first.pushed_to) == (again.run_id, "serving/demo/1")

    # Version 1 is tracked anew while version 2 is the one that is served.
    late = log_run(run_record(saved, pushed_to="serving/demo/1", model_uri=FIRST), spec)
    assert (late.model_version, late.aliases) == ("1", ("candidate",))
    with open_registry(spec.uri) as registry:
        assert registry.find("demo", "champion").number == 2
        assert registry.find("demo", "candidate").number == 1
        with pytest.raises(ConfigError, match="no version '3'") as caught:
            registry.find("demo", "3")
        assert "candidate" in caught.value.expected

    client = MlflowClient(tracking_uri=spec.uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "demo"]
    assert len(client.search_runs([experiment.experiment_id])) == 5
    stored = client.search_logged_models([experiment.experiment_id])
    assert len(stored) == 3, "a model that is known is not stored again"


def test_a_version_has_all_of_its_story(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    spec = tracking_in(tmp_path)
    saved = write_saved_model(tmp_path / "saved", factor=2.0)
    tracked = log_run(run_record(saved, model_uri=FIRST), spec)
    with open_registry(spec.uri) as registry:
        (version,) = registry.versions("demo")
        assert registry.read(version.run_id, "gates.json") == gates(blessed=True).to_json()
        assert registry.read(version.run_id, "evidence.json")["metric"] == "roc_auc"
        assert registry.read(version.run_id, "lineage.json")["seed"] == 7
        assert registry.read(version.run_id, "audit.json") is None
    assert version.run_id == tracked.run_id
    assert version.shown_metrics == ["roc_auc"]
    assert version.metrics["roc_auc.low"] == 0.74
    assert "epoch_loss" not in version.metrics
    assert version.tags["digest.config"] == "c" * 64
    assert version.tags["metadata.execution"] == "7"
    assert not (tmp_path / "mlruns").exists()

    monkeypatch.setattr(mlflow.tracking._tracking_service.utils, "_tracking_uri", spec.uri)
    model = mlflow.pyfunc.load_model("models:/demo@candidate")
    assert model.metadata.signature.inputs.input_names() == ["town", "x"]
    answer = model.predict(
        {"x": np.array([1.0, 2.0], np.float32), "town": np.array(["a", "bcd"], object)}
    )
    assert answer["predictions"].tolist() == [3.0, 7.0]


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The pyfunc of a registered model."""
    folder = tmp_path_factory.mktemp("mlflow")
    spec = tracking_in(folder)
    tracked = log_run(run_record(write_saved_model(folder / "saved"), model_uri=FIRST), spec)
    client = MlflowClient(tracking_uri=spec.uri)
    return mlflow.pyfunc.load_model(
        client.get_model_version_download_uri("demo", tracked.model_version)
    )


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        ({"x": [1, 2], "town": [None, "bcd"]}, [1.0, 5.0]),
        ({"x": [1.5, None], "town": ["a", "bcd"]}, [2.5, np.nan]),
        ({"x": [1.5, np.nan], "town": [np.nan, None]}, [1.5, np.nan]),
        ({"x": [True, None], "town": [None, None]}, [1.0, np.nan]),
    ],
)
@pytest.mark.parametrize("index", [[0, 1], [7, 3], ["a", "b"]])
def test_pyfunc_takes_missing_values_and_any_index(
    logged: Any, frame: Any, expected: Any, index: Any
) -> None:
    answer = logged.predict(pd.DataFrame(frame, index=index))
    assert list(answer.index) == index
    np.testing.assert_allclose(answer["predictions"], expected)


def test_the_loader_stands_alone() -> None:
    assert (loader.MISSING_TEXT, loader.MISSING_INTEGER) == (MISSING_TEXT, MISSING_INT)
    source = Path(loader.__file__).read_text()
    imported = re.findall(r"^ *(?:from|import) ([a-z_]+)", source, re.MULTILINE)
    assert set(imported) == {"__future__", "typing", "numpy", "pandas", "tensorflow"}


def test_a_run_has_its_name_its_times_its_data_and_its_report(tmp_path: Path) -> None:
    spec = tracking_in(tmp_path)
    record = replace(
        run_record(write_saved_model(tmp_path / "saved")),
        run="demo/20260102-030405",
        started_ms=1_767_322_800_000,
        data=DataRecord("d" * 64, "data/{SPAN}.csv", {"train": 800, "test": 200}),
    )
    tracked = log_run(record, spec)
    page = tmp_path / "report.html"
    page.write_text("<p>the report</p>")
    log_report(spec.uri, tracked.run_id, tracked.artifacts, page)
    client = MlflowClient(tracking_uri=spec.uri)
    run = client.get_run(tracked.run_id)
    assert run.info.run_name == "demo/20260102-030405"
    assert run.info.start_time == 1_767_322_800_000
    assert run.info.end_time > run.info.start_time
    (data,) = run.inputs.dataset_inputs
    assert (data.dataset.name, data.dataset.digest) == ("demo", "d" * 36)
    assert json.loads(data.dataset.source) == {"uri": "data/{SPAN}.csv"}
    assert json.loads(data.dataset.profile)["num_rows"] == 1000
    kept = client.download_artifacts(tracked.run_id, "report.html", str(tmp_path / "runs"))
    assert Path(kept).read_text() == "<p>the report</p>"


def test_a_model_that_cannot_be_logged_fails_the_run(tmp_path: Path) -> None:
    spec = tracking_in(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(OSError, match=r"saved_model\.pb"):
        log_run(run_record(tmp_path / "empty"), spec)
    client = MlflowClient(tracking_uri=spec.uri)
    (experiment,) = [e for e in client.search_experiments() if e.name == "demo"]
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.status == "FAILED"
    assert client.search_registered_models() == []


def test_looking_makes_no_database(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/runs/mlflow.db"
    with pytest.raises(EnvironmentProblem, match="no MLflow yet"), open_registry(uri):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_unreachable_server_is_an_error_with_a_remedy() -> None:
    with (
        pytest.raises(EnvironmentProblem, match="cannot be read") as caught,
        open_registry("http://kelp:hunter2@127.0.0.1:9") as registry,
    ):
        registry.names()
    assert "MLFLOW_TRACKING_URI" in caught.value.fix
    assert caught.value.where == "http://kelp:***@127.0.0.1:9"
    assert "hunter2" not in str(caught.value.lines())


def test_a_password_is_not_kept_with_the_config() -> None:
    with pytest.raises(ValidationError, match="has a password in it"):
        TrackingSpec(uri="postgresql://kelp:hunter2@db/mlflow")
    assert TrackingSpec(uri="postgresql://kelp@db/mlflow").uri == "postgresql://kelp@db/mlflow"
