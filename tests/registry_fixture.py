"""A registry of a small model, for the tests that read one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tensorflow as tf

from components.tracker.config import TrackingSpec
from components.tracker.lineage import describe_uri, folder_digest, lineage_tags
from components.tracker.track import ModelRecord, RunRecord
from components.tracker.verdict import metrics_of, verdict_tags
from contracts.results.evidence import Evidence
from contracts.results.gates import Gate, GateReport

INTERVAL = {"value": 0.75, "low": 0.74, "high": 0.76}
EVIDENCE = Evidence.model_validate(
    {
        "task": "binary",
        "metric": "roc_auc",
        "rows": 5000,
        "resamples": 1000,
        "confidence": 0.95,
        "metrics": {
            "roc_auc": {"candidate": INTERVAL, "baseline": None, "difference": None},
            "log_loss": {
                "candidate": {"value": 0.4, "low": None, "high": None},
                "baseline": {"value": 0.5, "low": 0.45, "high": 0.55},
                "difference": {"value": -0.1, "low": -0.2, "high": -0.05},
            },
        },
        "higher_is_better": True,
        "seed": 7,
        "slices": [],
        "curves": {},
        "confusion": None,
        "decisions": None,
        "calibration": None,
        "baselines": [],
        "fairness": [],
    }
)


def gate(outcome: Any, **fields: Any) -> Gate:
    """One gate, as ModelGate writes it."""
    content = {
        "gate": "bound",
        "metric": "roc_auc",
        "slice": None,
        "value": 0.75,
        "low": 0.74,
        "high": 0.76,
        "bound": 0.7,
        "outcome": outcome,
        "reason": f"roc_auc is 0.7500 on test: {outcome}.",
        "subject": "",
    }
    return Gate.model_validate({**content, **fields})


def gates(blessed: bool) -> GateReport:
    """A verdict: one bound that holds, and one slice that does or does not."""
    outcome = "pass" if blessed else "block"
    slice_gate = gate(
        outcome,
        gate="slice_change",
        slice={"origin": "JFK"},
        value=0.1,
        low=0.08,
        high=0.12,
        bound=0.03,
        reason="Slice origin=JFK is worse than the baseline by 0.1.",
    )
    return GateReport(blessed=blessed, gates=[slice_gate, gate("pass")])


def write_saved_model(folder: Path, factor: float = 1.0) -> Path:
    """Writes a model of a number and a text, with named columns as inputs."""

    class Doubled(tf.Module):
        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.float32, name="x"),
                tf.TensorSpec([None], tf.string, name="town"),
            ]
        )
        def serve(self, x: tf.Tensor, town: tf.Tensor) -> dict[str, tf.Tensor]:
            length = tf.cast(tf.strings.length(town), tf.float32)
            return {"predictions": factor * x + length}

    module = Doubled()
    tf.saved_model.save(module, str(folder), signatures={"serving_default": module.serve})
    return folder


def lineage(saved_model: Path, model_uri: str) -> dict[str, Any]:
    """Where the model comes from, as the Tracker writes it."""
    return {
        "run": "20260102-030405",
        "seed": 7,
        "data": {
            "digest": "d" * 64,
            "path": "data/{SPAN}.csv",
            "spans": "all",
            "newest_span": 12,
            "rows": {"train": 800, "val": 100, "test": 100},
        },
        "schema": {"digest": "5" * 64},
        "config": {"digest": "c" * 64, "overrides": ["training.epochs=3"]},
        "source": "e" * 32,
        "model": {"digest": folder_digest(saved_model)},
        "versions": {"python": "3.11.2", "kelp-mlops": "0.1.0", "tensorflow": "2.21.0"},
        "artifacts": {"model": {**describe_uri(model_uri), "id": 9, "type": "Model"}},
    }


def run_record(
    saved_model: Path,
    blessed: bool = True,
    pushed_to: str = "",
    model_uri: str = "/runs/demo/artifacts/Trainer/model/7",
    name: str = "demo",
) -> RunRecord:
    """A run of `saved_model` as the Tracker would log it."""
    verdict, origin = gates(blessed), lineage(saved_model, model_uri)
    files = {"gates.json": verdict.to_json(), "evidence.json": EVIDENCE.to_json()}
    return RunRecord(
        name=name,
        params={"seed": 7},
        metrics=metrics_of({"roc_auc": 0.75, "rows": 5000.0, "confusion": [[1.0]]}, EVIDENCE),
        history=[{"epoch": 1, "loss": 0.5}],
        tags=verdict_tags(verdict, EVIDENCE) | lineage_tags(origin),
        files={
            file: json.dumps(content) for file, content in {**files, "lineage.json": origin}.items()
        },
        model=ModelRecord(saved_model, blessed, pushed_to),
    )


def tracking_in(folder: Path) -> TrackingSpec:
    """An MLflow of its own under `folder`."""
    return TrackingSpec(uri=f"sqlite:///{folder}/runs/mlflow.db")
