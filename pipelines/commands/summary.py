"""A run's `summary.json`, and a table of it in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contracts.files import read_json, write_json
from pipelines.runs.variant_table import show_variants

SUMMARY_FILE = "summary.json"
# A model that is worse everywhere has a reason for each slice.
_SHOWN_REASONS = 8


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
    show_variants(summary.get("variants") or [], summary["pushed_to"], console)


def _lines(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    verdict = "blessed" if summary["blessed"] else "not blessed"
    lines = [("status", f"{summary['status']}, {verdict}")]
    reasons = summary["reasons"]
    lines += [("reason", reason) for reason in reasons[:_SHOWN_REASONS]]
    if len(reasons) > _SHOWN_REASONS:
        lines.append(("reason", f"and {len(reasons) - _SHOWN_REASONS} more: see the report"))
    lines.append(("pushed to", summary["pushed_to"] or "nothing was pushed"))
    rows = summary["rows"]
    total = sum(rows.values())
    if rows:
        parts = ", ".join(f"{split} {count:,}" for split, count in rows.items())
        lines.append(("rows", f"{total:,} ({parts})"))
    candidate, baseline = summary["candidate"], summary["baseline"]
    if candidate:
        lines += _metric_lines(
            candidate["metrics"],
            (baseline or {}).get("metrics", {}),
            summary.get("intervals", {}),
        )
        lines.append(("slices", _slices(candidate["slices"])))
    training = summary["training"]
    if training:
        lines.append(("training", _training_line(training)))
        lines += [
            ("diagnosis", f"{item['name']}: {item['evidence']}. {item['remedy']}")
            for item in training["diagnosis"]
        ]
    lines += [
        ("recommended", f"{place}: {choice['name']}, {choice['reason']}")
        for place, choice in (summary.get("recommended") or {}).items()
        if choice
    ]
    lines += [("warning", text) for text in summary["warnings"]]
    lines.append(("seconds", f"{summary['total_seconds']:.0f} in all"))
    if summary["mlflow"] and summary["mlflow"]["run_id"]:
        tracked = summary["mlflow"]
        lines.append(("MLflow", f"run {tracked['run_id']} at {tracked['uri']}"))
    return lines


def _metric_lines(
    metrics: Mapping[str, Any], baseline: Mapping[str, Any], intervals: Mapping[str, Any]
) -> list[tuple[str, str]]:
    lines = []
    for name, value in metrics.items():
        if name == "rows" or isinstance(value, list):
            continue
        text = _figure(value)
        interval = intervals.get(name) or {}
        if interval.get("low") is not None:
            text += f"  [{_figure(interval['low'])}, {_figure(interval['high'])}]"
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
