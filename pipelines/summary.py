"""What a run came to: `summary.json`, and a table of it in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.artifacts import rows_of
from components.data_gate.component import FINDINGS_FILE
from components.evaluator.eval_config import BASELINE, CANDIDATE
from components.evaluator.results import read_model, read_reasons
from components.jsonfile import read_json, write_json
from components.source_digest import source_digest
from components.tracker.component import TRACKED_FILE
from pipelines._nodes import Outputs
from pipelines.config import LoadedConfig

SUMMARY_FILE = "summary.json"
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
    import platform  # noqa: PLC0415
    from importlib.metadata import PackageNotFoundError, version  # noqa: PLC0415

    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def write(folder: Path, summary: Mapping[str, Any]) -> Path:
    """Writes `summary.json` into a run folder."""
    path = folder / SUMMARY_FILE
    write_json(path, summary)
    return path


def show(path: Path, console: Console | None = None) -> None:
    """Prints a summary as a table.

    Args:
      path: The `summary.json`, or a folder that has one.
      console: Where to print it; the terminal where not given.
    """
    file = path / SUMMARY_FILE if path.is_dir() else path
    render(read_json(file), console or Console())


def render(summary: Mapping[str, Any], console: Console) -> None:
    """Prints the table: verdict first, then figures, then where things are."""
    table = Table(title=f"{summary['name']}, run {summary['run_id']}", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _lines(summary):
        table.add_row(name, escape(value))
    console.print(table)


def _lines(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    verdict = "blessed" if summary["blessed"] else "not blessed"
    lines = [("status", f"{summary['status']}, {verdict}")]
    lines += [("reason", reason) for reason in summary["reasons"]]
    lines.append(("pushed to", summary["pushed_to"] or "nothing was pushed"))
    rows = summary["rows"]
    total = sum(rows.values())
    if rows:
        parts = ", ".join(f"{split} {count:,}" for split, count in rows.items())
        lines.append(("rows", f"{total:,} ({parts})"))
    candidate, baseline = summary["candidate"], summary["baseline"]
    if candidate:
        lines += _metric_lines(candidate["metrics"], (baseline or {}).get("metrics", {}))
        lines.append(("slices", _slices(candidate["slices"])))
    training = summary["training"]
    if training:
        lines.append(("training", _training_line(training)))
        lines += [
            ("diagnosis", f"{item['name']}: {item['evidence']}. {item['remedy']}")
            for item in training["diagnosis"]
        ]
    lines += [("warning", text) for text in summary["warnings"]]
    lines.append(("seconds", f"{summary['total_seconds']:.0f} in all"))
    if summary["mlflow"] and summary["mlflow"]["run_id"]:
        tracked = summary["mlflow"]
        lines.append(("MLflow", f"run {tracked['run_id']} at {tracked['uri']}"))
    return lines


def _metric_lines(metrics: Mapping[str, Any], baseline: Mapping[str, Any]) -> list[tuple[str, str]]:
    lines = []
    for name, value in metrics.items():
        if name == "rows" or isinstance(value, list):
            continue
        text = _figure(value)
        other = baseline.get(name)
        if other is not None:
            text += f"  (baseline {_figure(other)})"
        lines.append((name, text))
    return lines


def _figure(value: float | None) -> str:
    if value is None:
        return "could not be computed"
    return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:,.4f}"


def _slices(slices: list[Mapping[str, Any]]) -> str:
    thin = sum("insufficient" in entry for entry in slices)
    return f"{len(slices)} evaluated" + (f", {thin} with too few rows to judge" if thin else "")


def _training_line(training: Mapping[str, Any]) -> str:
    point = training.get("operating_point") or {}
    text = (
        f"{training['epochs']} epochs on {training['device']}, best {training['best_epoch']}, "
        f"{training['parameters']:,} parameters"
    )
    threshold = point.get("threshold")
    return text + (f", operating threshold {threshold:.3f}" if threshold is not None else "")
