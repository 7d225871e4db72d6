"""What a run came to, read from its components' artifacts."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from components.artifacts import rows_of
from components.data_gate.component import FINDINGS_FILE
from components.evaluator.eval_config import BASELINE, CANDIDATE
from components.evaluator.results import read_model, read_reasons
from components.jsonfile import read_json
from components.source_digest import source_digest
from components.tracker.component import TRACKED_FILE
from pipelines._nodes import Outputs
from pipelines.config import LoadedConfig

PACKAGES = (
    "kelp-mlops",
    "tfx",
    "tensorflow",
    "keras",
    "tensorflow-transform",
    "tensorflow-model-analysis",
    "tensorflow-data-validation",
    "ml-metadata",
    "apache-beam",
    "mlflow",
    "numpy",
    "pyarrow",
)


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
        content["warnings"] += [finding["what"] for finding in findings]
    if "Trainer" in outputs:
        content["training"] = _training(outputs["Trainer"])
    if "Evaluator" in outputs:
        content |= _evaluation(loaded, outputs["Evaluator"])
    if "Pusher" in outputs:
        pushed = outputs["Pusher"]["pushed_model"][0]
        content["pushed_to"] = pushed.get_string_custom_property("pushed_destination") or None
    if "Tracker" in outputs:
        tracked = read_json(Path(outputs["Tracker"]["tracked"][0].uri) / TRACKED_FILE)
        content["mlflow"] = tracked
        if tracked["warning"]:
            content["warnings"].append(f"MLflow could not be reached: {tracked['warning']}")
    return content


def _training(outputs: Outputs) -> dict[str, Any]:
    folder = Path(outputs["model_run"][0].uri)
    training: dict[str, Any] = read_json(folder / "training.json")
    training["folder"] = str(folder)
    return training


def _evaluation(loaded: LoadedConfig, outputs: Outputs) -> dict[str, Any]:
    uri = outputs["evaluation"][0].uri
    least = loaded.config.evaluation.min_slice_rows
    candidate, baseline = read_model(uri, CANDIDATE, least), read_model(uri, BASELINE, least)
    blessed, reasons = read_reasons(uri)
    if baseline is None and loaded.config.evaluation.change:
        reasons.append("No model was blessed before: the change bounds were not applied.")
    return {
        "candidate": None
        if candidate is None
        else {"metrics": candidate.metrics, "slices": candidate.slices},
        "baseline": None if baseline is None else {"metrics": baseline.metrics},
        "blessed": blessed,
        "reasons": reasons,
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
        "pushed_to": told.get("pushed_to"),
        "training": told.get("training"),
        "warnings": told["warnings"],
        "mlflow": told.get("mlflow"),
        "digests": {
            "config": loaded.digest,
            "data": told.get("data_digest"),
            "source": source_digest("pipelines.graph"),
        },
        "seed": loaded.config.seed,
        "config": str(loaded.path),
        "overrides": list(loaded.overrides),
        "versions": _versions(),
    }


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions
