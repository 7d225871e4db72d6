"""The Tracker component: a shell over `log_run` that never loses a training run."""

import json
import logging
from pathlib import Path

from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.types import standard_artifacts
from tfx.utils import io_utils, path_utils

from components.artifacts import TrackedRun
from components.evaluator.eval_config import CANDIDATE
from components.evaluator.results import read_model, read_reasons
from components.jsonfile import read_json, write_json
from components.tracker.config import TrackingSpec
from components.tracker.track import RunRecord, flatten, log_run, tracking_uri

TRACKED_FILE = "tracked.json"


@component
def Tracker(  # noqa: N802 (a TFX component is named as a class)
    schema: InputArtifact[standard_artifacts.Schema],
    model: InputArtifact[standard_artifacts.Model],
    model_run: InputArtifact[standard_artifacts.ModelRun],
    evaluation: InputArtifact[standard_artifacts.ModelEvaluation],
    pushed_model: InputArtifact[standard_artifacts.PushedModel],
    tracked: OutputArtifact[TrackedRun],
    config: Parameter[str],
    source_digest: Parameter[str],
) -> None:
    """Logs the run; where MLflow cannot be reached, says so in `tracked.json` and goes on."""
    content = json.loads(config)
    spec = TrackingSpec.model_validate(content["tracking"])
    training = read_json(Path(model_run.uri) / "training.json")
    measured = read_model(evaluation.uri, CANDIDATE)
    blessed, reasons = read_reasons(evaluation.uri)
    record = RunRecord(
        name=content["name"],
        params=flatten(content),
        metrics={
            key: value
            for key, value in (measured.metrics if measured else {}).items()
            if isinstance(value, float)
        },
        history=training["history"],
        tags={
            "blessed": str(blessed).lower(),
            "reasons": " ".join(reasons)[:5000],
            "pushed_to": pushed_model.get_string_custom_property("pushed_destination"),
            "device": str(training["device"]),
        },
        files={
            "config.json": json.dumps(content, indent=2),
            "schema.pbtxt": Path(io_utils.get_only_uri_in_dir(schema.uri)).read_text(),
        },
        folders={"model": Path(path_utils.serving_model_path(model.uri))},
    )
    result = {"uri": tracking_uri(spec), "run_id": "", "warning": ""}
    try:
        result["run_id"] = log_run(record, spec)
    except Exception as error:  # MLflow raises its own, its server's and its database's
        logging.getLogger(__name__).exception("MLflow could not be reached")
        result["warning"] = f"{type(error).__name__}: {error}".splitlines()[0][:300]
        tracked.set_int_custom_property("redo", 1)
    write_json(Path(tracked.uri) / TRACKED_FILE, result)
