"""Logs one run to MLflow."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from components.tracker.config import TrackingSpec

# MLflow's defaults retry for minutes; an unreachable server must not hold up a run.
_PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


@dataclass(frozen=True)
class RunRecord:
    """What is worth keeping of one run.

    Attributes:
      name: The pipeline's name.
      params: Flat: name to value.
      metrics: Final metrics.
      history: One entry an epoch.
      tags: Blessing, version pushed, digests.
      files: Text to keep, by file name.
      folders: Folders to keep, by their name in the run.
    """

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    history: list[dict[str, Any]]
    tags: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    folders: Mapping[str, Path] = field(default_factory=dict)


def tracking_uri(spec: TrackingSpec) -> str:
    """The config's MLflow, unless the environment names another."""
    return os.environ.get("MLFLOW_TRACKING_URI") or spec.uri


def log_run(record: RunRecord, spec: TrackingSpec) -> str:
    """Logs the run and gives MLflow's run id.

    Raises:
      Exception: whatever MLflow raises when it cannot be reached.
    """
    uri = tracking_uri(spec)
    with _patience():
        import mlflow
        from mlflow import MlflowClient
        from mlflow.entities import Metric, Param, RunTag

        if uri.startswith("sqlite:///"):
            Path(uri.removeprefix("sqlite:///")).parent.mkdir(parents=True, exist_ok=True)
        mlflow.set_tracking_uri(uri)
        client = MlflowClient(tracking_uri=uri)
        run = client.create_run(_experiment(client, spec, record.name), run_name=record.name)
        run_id: str = run.info.run_id
        try:
            client.log_batch(
                run_id,
                params=[Param(key, str(value)[:6000]) for key, value in record.params.items()],
                tags=[RunTag(key, value) for key, value in record.tags.items()],
                metrics=[Metric(*item) for item in _metrics(record, run.info.start_time)],
            )
            for file, text in record.files.items():
                client.log_text(run_id, text, file)
            for name, folder in record.folders.items():
                client.log_artifacts(run_id, str(folder), name)
        except BaseException:
            client.set_terminated(run_id, status="FAILED")
            raise
        client.set_terminated(run_id)
        return run_id


def _experiment(client: Any, spec: TrackingSpec, name: str) -> str:
    wanted = spec.experiment or name
    found = client.get_experiment_by_name(wanted)
    if found is not None:
        return str(found.experiment_id)
    uri = tracking_uri(spec)
    location = None
    if uri.startswith("sqlite:///"):
        folder = Path(uri.removeprefix("sqlite:///")).resolve().parent / "mlflow-artifacts"
        location = folder.as_uri()
    return str(client.create_experiment(wanted, artifact_location=location))


def _metrics(record: RunRecord, time_ms: int) -> Iterator[tuple[str, float, int, int]]:
    for key, value in record.metrics.items():
        yield key, float(value), time_ms, 0
    for step, epoch in enumerate(record.history, 1):
        for key, value in epoch.items():
            if key != "epoch" and isinstance(value, int | float):
                yield f"epoch_{key}", float(value), time_ms, step


@contextmanager
def _patience() -> Iterator[None]:
    before = {key: os.environ.get(key) for key in _PATIENCE}
    os.environ.update({key: value for key, value in _PATIENCE.items() if before[key] is None})
    try:
        yield
    finally:
        for key, value in before.items():
            if value is None:
                os.environ.pop(key, None)


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested config as `key.sub: value`."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
