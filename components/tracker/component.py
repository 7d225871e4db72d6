"""The Tracker component: a shell over `log_run` that never loses a training run."""

import json
import logging
import os
import traceback
from pathlib import Path
from typing import Any, List  # noqa: UP035 (TFX looks for this one)

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.types.artifact import Artifact
from tfx.utils import io_utils, path_utils

from components.artifacts import (
    DataVerdict,
    ModelVerdict,
    PushedVariants,
    TrackedRun,
    VariantVerdict,
    rows_of,
)
from components.evaluator.results import read_evaluation
from components.package_versions import package_versions
from components.tracker.config import (
    RUN_VARIABLE,
    STARTED_VARIABLE,
    TrackingSpec,
    tracking_uri,
)
from components.tracker.lineage import describe_artifact, folder_digest, lineage_tags, text_digest
from components.tracker.track import DataRecord, ModelRecord, RunRecord, flatten, log_run
from components.tracker.variants import VARIANTS_FILE, read_verdicts, variant_metrics, variant_tags
from components.tracker.verdict import metrics_of, verdict_tags
from contracts.files import write_json
from contracts.results.evidence import Evidence
from contracts.results.files import read_result
from contracts.results.gates import GateReport
from contracts.results.summary import MlflowRun
from contracts.results.training import TrainingReport
from contracts.results.variant import PlacedVariant
from contracts.text import without_password

TRACKED_FILE = "tracked.json"


@component
def Tracker(  # noqa: N802 (a TFX component is named as a class)
    examples: InputArtifact[standard_artifacts.Examples],
    schema: InputArtifact[standard_artifacts.Schema],
    model: InputArtifact[standard_artifacts.Model],
    model_run: InputArtifact[standard_artifacts.ModelRun],
    data_verdict: InputArtifact[DataVerdict],
    verdict: InputArtifact[ModelVerdict],
    evaluation: InputArtifact[standard_artifacts.ModelEvaluation],
    pushed_model: InputArtifact[standard_artifacts.PushedModel],
    tracked: OutputArtifact[TrackedRun],
    config: Parameter[str],
    config_digest: Parameter[str],
    source_digest: Parameter[str],
    overrides: Parameter[str] = "[]",
    variants: InputArtifact[List[VariantVerdict]] = None,  # noqa: UP006
    pushed_variants: InputArtifact[List[PushedVariants]] = None,  # noqa: UP006
) -> None:
    """Logs the run; where MLflow cannot be reached, says so in `tracked.json` and goes on."""
    content = json.loads(config)
    spec = TrackingSpec.model_validate(content["tracking"])
    artifacts = {
        "examples": examples,
        "schema": schema,
        "model": model,
        "model_run": model_run,
        "data_verdict": data_verdict,
        "verdict": verdict,
        "evaluation": evaluation,
        "pushed_model": pushed_model,
    }
    lineage = _lineage(content, artifacts) | {
        "config": {"digest": config_digest, "overrides": json.loads(overrides)},
        "source": source_digest,
    }
    verdicts = _verdicts(content, variants or [], pushed_variants or [], pushed_model)
    record = _record(content, artifacts, lineage, verdicts)
    uri = tracking_uri(spec)
    shown = without_password(uri, uri)
    try:
        logged = log_run(record, spec)
        result = MlflowRun(uri=shown, **{**vars(logged), "aliases": list(logged.aliases)})
    except Exception as error:  # noqa: BLE001 (its own, its server's and its database's)
        trace = without_password(traceback.format_exc(), uri)
        logging.getLogger(__name__).error("this run is not in MLflow\n%s", trace)
        warning = without_password(f"{type(error).__name__}: {error}", uri).splitlines()[0][:300]
        result = MlflowRun(uri=shown, warning=warning)
        tracked.set_int_custom_property("redo", 1)
    write_json(Path(tracked.uri) / TRACKED_FILE, result.model_dump(mode="json"))


def _lineage(content: dict[str, Any], artifacts: dict[str, Artifact]) -> dict[str, Any]:
    examples = artifacts["examples"]
    data = content["data"]
    return {
        "run": os.environ.get(RUN_VARIABLE, ""),
        "seed": content["seed"],
        "data": {
            "digest": examples.get_string_custom_property("input_fingerprint"),
            "path": data["path"],
            "spans": data["spans"],
            "newest_span": examples.get_int_custom_property("span"),
            "rows": rows_of(examples),
        },
        "schema": {"digest": text_digest(_schema_text(artifacts["schema"]))},
        "model": {"digest": folder_digest(_saved_model(artifacts["model"]))},
        "versions": package_versions(),
        "artifacts": {name: describe_artifact(value) for name, value in artifacts.items()},
    }


def _verdicts(
    content: dict[str, Any],
    variants: list[Artifact],
    pushed_variants: list[Artifact],
    pushed_model: Artifact,
) -> list[PlacedVariant]:
    return read_verdicts(
        [Path(verdict.uri) for verdict in variants],
        [Path(pushed.uri) for pushed in pushed_variants],
        list(content.get("variants") or {}),
        _pushed_to(pushed_model),
    )


def _record(
    content: dict[str, Any],
    artifacts: dict[str, Artifact],
    lineage: dict[str, Any],
    variants: list[PlacedVariant],
) -> RunRecord:
    folder = Path(artifacts["verdict"].uri)
    gates, evidence = read_result(folder, GateReport), read_result(folder, Evidence)
    training = read_result(Path(artifacts["model_run"].uri), TrainingReport)
    measured = read_evaluation(artifacts["evaluation"].uri)
    pushed_to = _pushed_to(artifacts["pushed_model"])
    files = {
        "config.json": json.dumps(content, indent=2),
        "schema.pbtxt": _schema_text(artifacts["schema"]),
        "lineage.json": json.dumps(lineage, indent=2),
    }
    for source in (folder, Path(artifacts["data_verdict"].uri)):
        files |= {path.name: path.read_text(encoding="utf-8") for path in source.glob("*.json")}
    if variants:
        files[VARIANTS_FILE] = json.dumps([one.to_json() for one in variants], indent=2)
    tags = verdict_tags(gates, evidence) | lineage_tags(lineage) | variant_tags(variants)
    return RunRecord(
        name=content["name"],
        params=flatten(content),
        metrics=metrics_of(measured.metrics, evidence) | variant_metrics(variants),
        history=training.history,
        tags=tags | {"pushed_to": pushed_to, "device": training.device},
        files=files,
        model=ModelRecord(_saved_model(artifacts["model"]), gates.blessed, pushed_to),
        run=lineage["run"],
        started_ms=int(os.environ[STARTED_VARIABLE]) if STARTED_VARIABLE in os.environ else None,
        data=DataRecord(
            lineage["data"]["digest"], lineage["data"]["path"], lineage["data"]["rows"]
        ),
    )


def _pushed_to(pushed_model: Artifact) -> str:
    place: str = pushed_model.get_string_custom_property("pushed_destination")
    return place


def _saved_model(model: Artifact) -> Path:
    return Path(path_utils.serving_model_path(model.uri))


def _schema_text(schema: Artifact) -> str:
    return Path(io_utils.get_only_uri_in_dir(schema.uri)).read_text(encoding="utf-8")
