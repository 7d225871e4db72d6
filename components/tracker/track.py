"""Logs one run to MLflow, and registers its model if it is blessed."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlparse

from components.tracker.config import TrackingSpec, tracking_uri
from components.tracker.connection import connect, database
from components.tracker.flavor import SAVED_MODEL, write_flavor
from components.tracker.keys import valid_key, with_valid_keys

CANDIDATE_ALIAS = "candidate"
CHAMPION_ALIAS = "champion"
# What tells one model from another: where it was made, and what it holds.
_IDENTITY = ("metadata.model", "digest.model")
# Tags of a version.
VERDICT_RUN = "verdict.run"
PUSHED_TO = "pushed_to"
LOGGED_MODEL = "logged_model"
_BATCH = 100


@dataclass(frozen=True)
class ModelRecord:
    """The model of a run.

    Attributes:
      folder: The SavedModel.
      blessed: Whether it becomes a registered version.
      pushed_to: The folder that it was pushed to; empty where it was not.
    """

    folder: Path
    blessed: bool
    pushed_to: str = ""


@dataclass(frozen=True)
class DataRecord:
    """The data of a run.

    Attributes:
      digest: Of the files.
      path: The config's `data.path`.
      rows: By split.
    """

    digest: str
    path: str
    rows: Mapping[str, int]


@dataclass(frozen=True)
class RunRecord:
    """What is worth keeping of one run.

    Attributes:
      name: The pipeline's name, and that of the registered model.
      params: Flat: name to value.
      metrics: Final metrics.
      history: One entry an epoch.
      tags: Blessing, digests and all else to search for; a registered version has them too.
      files: Text to keep, by file name.
      model: The model; None where there is none to keep.
      run: The name of the run; the pipeline's where not given.
      started_ms: When the run began, in milliseconds since 1970; None means now.
      data: What the model learned from.
    """

    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    history: list[dict[str, Any]]
    tags: Mapping[str, str]
    files: Mapping[str, str] = field(default_factory=dict)
    model: ModelRecord | None = None
    run: str = ""
    started_ms: int | None = None
    data: DataRecord | None = None


@dataclass(frozen=True)
class Tracked:
    """What MLflow made of a run.

    Attributes:
      run_id: MLflow's id of the run.
      model_version: The registered version; None where the model was not registered.
      aliases: The aliases that this run gave to that version.
      artifacts: Where MLflow keeps the run's files.
    """

    run_id: str
    model_version: str | None = None
    aliases: tuple[str, ...] = ()
    artifacts: str = field(default="", compare=False)


def log_run(record: RunRecord, spec: TrackingSpec) -> Tracked:
    """Logs the run; registers its model once, however often it is logged.

    Raises:
      Exception: whatever MLflow raises when it cannot be reached.
    """
    uri = tracking_uri(spec)
    record = replace(record, tags=with_valid_keys(record.tags))
    with connect(uri) as client:
        local = database(uri)
        if local is not None:
            local.parent.mkdir(parents=True, exist_ok=True)
        experiment = _experiment(client, spec.experiment or record.name, local)
        run = client.create_run(
            experiment, start_time=record.started_ms, run_name=record.run or record.name
        )
        run_id: str = run.info.run_id
        try:
            version = _known(client, record)
            known = version.tags.get(LOGGED_MODEL) if version else None
            model_id = known or _log_model(client, record, run)
            _log_content(client, record, run, model_id)
            tracked = _register(client, record, run_id, model_id, version)
        except BaseException:
            client.set_terminated(run_id, status="FAILED")
            raise
        client.set_terminated(run_id)
        return replace(tracked, artifacts=run.info.artifact_uri)


def log_report(uri: str, run_id: str, artifacts: str, page: Path) -> None:
    """Adds the report to a run that was logged; it is written when all else has ended.

    Raises:
      Exception: whatever MLflow raises when it cannot be reached.
    """
    local = urlparse(artifacts)
    if local.scheme in ("", "file"):
        # A folder of this machine: no client is needed, whose import takes seconds.
        folder = Path(unquote(local.path))
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(page, folder / page.name)
        return
    with connect(uri) as client:
        client.log_artifact(run_id, str(page))


def _experiment(client: Any, name: str, local: Path | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    location = None
    if local is not None:
        location = (local.resolve().parent / "mlflow-artifacts").as_uri()
    return str(client.create_experiment(name, artifact_location=location))


def _log_content(client: Any, record: RunRecord, run: Any, model_id: str | None) -> None:
    from mlflow.entities import LoggedModelOutput, Metric, Param, RunTag

    run_id = run.info.run_id
    params = [Param(valid_key(key), str(value)[:6000]) for key, value in record.params.items()]
    metrics = [Metric(*item) for item in _metrics(record, run.info.start_time, model_id)]
    client.log_batch(run_id, tags=[RunTag(key, value) for key, value in record.tags.items()])
    # MLflow takes at most 100 parameters and 1,000 metrics at a time.
    for start in range(0, len(params), _BATCH):
        client.log_batch(run_id, params=params[start : start + _BATCH])
    for start in range(0, len(metrics), _BATCH):
        client.log_batch(run_id, metrics=metrics[start : start + _BATCH])
    for file, text in record.files.items():
        client.log_text(run_id, text, file)
    if model_id is not None:
        client.log_outputs(run_id, [LoggedModelOutput(model_id, 0)])
    if record.data is not None:
        client.log_inputs(run_id, [_data_input(record.name, record.data)])


def _data_input(name: str, data: DataRecord) -> Any:
    from mlflow.entities import Dataset, DatasetInput, InputTag
    from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT
    from mlflow.utils.validation import MAX_DATASET_DIGEST_SIZE

    dataset = Dataset(
        name=name,
        digest=data.digest[:MAX_DATASET_DIGEST_SIZE],
        source_type="local",
        source=json.dumps({"uri": data.path}),
        profile=json.dumps({"num_rows": sum(data.rows.values()), "splits": dict(data.rows)}),
    )
    return DatasetInput(dataset, [InputTag(MLFLOW_DATASET_CONTEXT, "training")])


def _metrics(record: RunRecord, time_ms: int, model_id: str | None) -> Iterator[tuple[Any, ...]]:
    for key, value in record.metrics.items():
        yield valid_key(key), float(value), time_ms, 0, model_id
    for step, epoch in enumerate(record.history, 1):
        for key, value in epoch.items():
            if key != "epoch" and isinstance(value, int | float):
                yield f"epoch_{key}", float(value), time_ms, step


def _log_model(client: Any, record: RunRecord, run: Any) -> str | None:
    if record.model is None:
        return None
    logged = client.create_logged_model(
        run.info.experiment_id,
        name=record.name,
        source_run_id=run.info.run_id,
        tags=dict(record.tags),
    )
    try:
        with tempfile.TemporaryDirectory() as folder:
            write_flavor(
                record.model.folder, Path(folder), logged, run.info.run_id, dict(record.tags)
            )
            client.log_model_artifacts(logged.model_id, folder)
        client.log_model_artifacts(logged.model_id, str(record.model.folder), SAVED_MODEL)
    except BaseException:
        client.finalize_logged_model(logged.model_id, "FAILED")
        raise
    client.finalize_logged_model(logged.model_id, "READY")
    return str(logged.model_id)


def _known(client: Any, record: RunRecord) -> Any:
    """The version that this very model is registered as already, or None."""
    if record.model is None or not all(name in record.tags for name in _IDENTITY):
        return None
    matches = (
        version
        for version in client.search_model_versions(f"name='{record.name}'")
        if all(version.tags.get(name) == record.tags[name] for name in _IDENTITY)
    )
    return next(matches, None)


def _register(
    client: Any, record: RunRecord, run_id: str, model_id: str | None, version: Any
) -> Tracked:
    model = record.model
    if model is None or model_id is None or not model.blessed:
        return Tracked(run_id)
    # The newest verdict counts: `run_id` of the version itself is that of the first.
    tags = {**record.tags, VERDICT_RUN: run_id, LOGGED_MODEL: model_id}
    if version is None:
        if not client.search_registered_models(f"name='{record.name}'"):
            client.create_registered_model(record.name)
        location = client.get_logged_model(model_id).artifact_location
        version = client.create_model_version(
            record.name, location, run_id, tags=tags, await_creation_for=0, model_id=model_id
        )
    else:
        for key, value in tags.items():
            client.set_model_version_tag(record.name, version.version, key, value)
    aliases = [CANDIDATE_ALIAS]
    if model.pushed_to:
        client.set_model_version_tag(record.name, version.version, PUSHED_TO, model.pushed_to)
        if not _is_surpassed(client, record.name, Path(model.pushed_to)):
            aliases.append(CHAMPION_ALIAS)
    for alias in aliases:
        client.set_registered_model_alias(record.name, alias, version.version)
    return Tracked(run_id, str(version.version), tuple(aliases))


def _is_surpassed(client: Any, name: str, folder: Path) -> bool:
    """Whether a version that was pushed after this one, to the same place, is champion."""
    aliases = client.get_registered_model(name).aliases
    if CHAMPION_ALIAS not in aliases:
        return False
    tags = client.get_model_version(name, aliases[CHAMPION_ALIAS]).tags
    other = Path(tags.get(PUSHED_TO, ""))
    numbered = other.name.isdecimal() and folder.name.isdecimal()
    return numbered and other.parent == folder.parent and int(other.name) > int(folder.name)


def flatten(content: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested config as `key.sub: value`."""
    flat: dict[str, Any] = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat
