"""What a run came to, read from its components' artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from components.artifacts import rows_of
from components.data_gate.component import FINDINGS_FILE
from components.evaluator.results import read_evaluation
from components.model_gate.component import EVIDENCE_FILE, GATES_FILE
from components.package_versions import package_versions
from components.source_digest import source_digest
from components.tracker.component import TRACKED_FILE
from components.variant_evaluator.evaluate import VERDICT_FILE
from components.variant_pusher.component import PUSHED_FILE
from contracts.files import read_json
from evidence.variant_choice import recommend
from pipelines.config.problem import LoadedConfig
from pipelines.execution.nodes import Outputs
from pipelines.runs.warning_lines import warning_lines


def collect(loaded: LoadedConfig, outputs: Mapping[str, Outputs]) -> dict[str, Any]:
    """Gives the part of the summary that the components' outputs tell.

    Args:
      loaded: The run's config.
      outputs: By component, its artifacts by output key; a failed run has fewer.
    """
    content: dict[str, Any] = {"rows": {}, "warnings": []}
    if "ExampleGen" in outputs:
        examples = outputs["ExampleGen"]["examples"][0]
        content["rows"] = rows_of(examples)
        content["data_digest"] = examples.get_string_custom_property("input_fingerprint")
    if "DataGate" in outputs:
        findings = read_json(Path(outputs["DataGate"]["verdict"][0].uri) / FINDINGS_FILE)
        content["warnings"] += warning_lines(findings)
    if "Trainer" in outputs:
        content["training"] = _training(outputs["Trainer"])
    if "Evaluator" in outputs:
        content["candidate"] = _candidate(loaded, outputs["Evaluator"])
    if "ModelGate" in outputs:
        content |= _verdict(loaded, Path(outputs["ModelGate"]["verdict"][0].uri))
    if "Pusher" in outputs:
        pushed = outputs["Pusher"]["pushed_model"][0]
        content["pushed_to"] = pushed.get_string_custom_property("pushed_destination") or None
    content["variants"] = _variants(loaded, outputs)
    if "Tracker" in outputs:
        tracked = read_json(Path(outputs["Tracker"]["tracked"][0].uri) / TRACKED_FILE)
        content["mlflow"] = tracked
        if tracked["warning"]:
            content["warnings"].append(f"this run is not in MLflow: {tracked['warning']}")
    return content


def _training(outputs: Outputs) -> dict[str, Any]:
    folder = Path(outputs["model_run"][0].uri)
    training: dict[str, Any] = read_json(folder / "training.json")
    training["folder"] = str(folder)
    return training


def _candidate(loaded: LoadedConfig, outputs: Outputs) -> dict[str, Any]:
    least = loaded.config.evaluation.min_slice_rows
    measured = read_evaluation(outputs["evaluation"][0].uri, least)
    return {"metrics": measured.metrics, "slices": measured.slices}


def _verdict(loaded: LoadedConfig, folder: Path) -> dict[str, Any]:
    verdict, evidence = read_json(folder / GATES_FILE), read_json(folder / EVIDENCE_FILE)
    reasons = [gate["reason"] for gate in verdict["gates"] if gate["outcome"] in ("block", "warn")]
    metrics = {
        name: entry["baseline"]["value"]
        for name, entry in evidence["metrics"].items()
        if entry["baseline"] is not None
    }
    if not metrics and loaded.config.evaluation.change:
        reasons.append("No model was blessed before: the change bounds were not applied.")
    return {
        "baseline": {"metrics": metrics} if metrics else None,
        "blessed": verdict["blessed"],
        "reasons": reasons,
        "gates": verdict["gates"],
        "metric": evidence["metric"],
        "intervals": {name: entry["candidate"] for name, entry in evidence["metrics"].items()},
    }


def _variants(loaded: LoadedConfig, outputs: Mapping[str, Outputs]) -> list[dict[str, Any]]:
    pushed: Mapping[str, str] = {}
    if "VariantPusher" in outputs:
        folder = Path(outputs["VariantPusher"]["pushed_variants"][0].uri)
        pushed = read_json(folder / PUSHED_FILE)["pushed"]
    evaluated = (outputs.get(f"VariantEvaluator.{name}") for name in loaded.config.variants)
    told = [
        read_json(Path(kept["verdict"][0].uri) / VERDICT_FILE)
        for kept in evaluated
        if kept is not None
    ]
    return [{**verdict, "pushed_to": pushed.get(verdict["name"])} for verdict in told]


_FOLDERS = {
    "evidence": ("ModelGate", "verdict"),
    "data_verdict": ("DataGate", "verdict"),
    "model_run": ("Trainer", "model_run"),
    "model": ("Trainer", "model"),
    "examples": ("ExampleGen", "examples"),
    "statistics": ("StatisticsGen", "statistics"),
    "schema": ("DataGate", "schema"),
    "predictions": ("Predictions", "predictions"),
    "baselines": ("BaselineModels", "baselines"),
    "stress": ("Stress", "report"),
    "folds": ("CrossValidation", "folds"),
    "pushed": ("Pusher", "pushed_model"),
}


def folders_of(outputs: Mapping[str, Outputs]) -> dict[str, Path]:
    """Gives the folders of the artifacts that a run left, by what they hold."""
    return {
        name: Path(outputs[component][key][0].uri)
        for name, (component, key) in _FOLDERS.items()
        if outputs.get(component, {}).get(key)
    }


def complete(
    loaded: LoadedConfig, facts: Mapping[str, Any], outputs: Mapping[str, Outputs]
) -> dict[str, Any]:
    """Puts the summary together, in the order that the README documents."""
    told = collect(loaded, outputs)
    return {
        "name": loaded.config.name,
        "run_id": facts["run_id"],
        "status": facts["status"],
        "error": facts.get("error"),
        "stopped_at": facts.get("stopped_at"),
        "started": facts["started"],
        "total_seconds": facts["total_seconds"],
        "seconds": facts["seconds"],
        "cached": facts["cached"],
        "peak_memory_mib": facts["peak_memory_mib"],
        "rows": told["rows"],
        "candidate": told.get("candidate"),
        "baseline": told.get("baseline"),
        "blessed": told.get("blessed", False),
        "reasons": told.get("reasons", []),
        "gates": told.get("gates", []),
        "metric": told.get("metric"),
        "intervals": told.get("intervals", {}),
        "pushed_to": told.get("pushed_to"),
        "variants": told["variants"],
        "recommended": recommend(told["variants"]),
        "training": told.get("training"),
        "warnings": told["warnings"],
        "mlflow": told.get("mlflow"),
        "digests": {
            "config": loaded.digest,
            "data": told.get("data_digest"),
            "source": source_digest("pipelines.graph", functions=loaded.user_functions()),
        },
        "seed": loaded.config.seed,
        "config": str(loaded.path),
        "overrides": list(loaded.overrides),
        "folders": {name: str(path) for name, path in folders_of(outputs).items()},
        "versions": package_versions(),
    }
