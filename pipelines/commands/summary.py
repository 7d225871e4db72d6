"""A run's `summary.json`, and a table of it in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from contracts.results.evidence import Interval
from contracts.results.files import read_result
from contracts.results.summary import Metrics, SliceMetrics, Summary
from contracts.results.training import TrainingReport
from pipelines.runs.variant_table import show_variants

# A model that is worse everywhere has a reason for each slice.
_SHOWN_REASONS = 8


def show(folder: Path) -> None:
    """Prints the summary in a run folder as a table."""
    render(read_result(folder, Summary), Console())


def render(summary: Summary, console: Console) -> None:
    """Prints the table: verdict first, then figures, then where things are."""
    table = Table(title=f"{summary.name}, run {summary.run_id}", show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _lines(summary):
        table.add_row(name, escape(value))
    console.print(table)
    show_variants(summary.variants, summary.pushed_to, console)


def _lines(summary: Summary) -> list[tuple[str, str]]:
    verdict = "blessed" if summary.blessed else "not blessed"
    lines = [("status", f"{summary.status}, {verdict}")]
    lines += [("reason", reason) for reason in summary.reasons[:_SHOWN_REASONS]]
    if len(summary.reasons) > _SHOWN_REASONS:
        more = len(summary.reasons) - _SHOWN_REASONS
        lines.append(("reason", f"and {more} more: see the report"))
    if summary.advice:
        lines.append(("advice", summary.advice.paragraph))
    lines.append(("pushed to", summary.pushed_to or "nothing was pushed"))
    if summary.rows:
        parts = ", ".join(f"{split} {count:,}" for split, count in summary.rows.items())
        lines.append(("rows", f"{sum(summary.rows.values()):,} ({parts})"))
    if summary.candidate:
        before = summary.baseline.metrics if summary.baseline else {}
        lines += _metric_lines(summary.candidate.metrics, before, summary.intervals)
        lines.append(("slices", _slices(summary.candidate.slices)))
    if summary.training:
        lines.append(("training", _training_line(summary.training)))
        lines += [
            ("diagnosis", f"{item.name}: {item.evidence}. {item.remedy}")
            for item in summary.training.diagnosis
        ]
    lines += [
        ("recommended", f"{place}: {choice.name}, {choice.reason}")
        for place, choice in summary.recommended.items()
        if choice
    ]
    lines += [("sample", entry.line) for entry in summary.sampled]
    lines += [("warning", text) for text in summary.warnings]
    lines.append(("seconds", f"{summary.total_seconds:.0f} in all"))
    if summary.mlflow and summary.mlflow.run_id:
        lines.append(("MLflow", f"run {summary.mlflow.run_id} at {summary.mlflow.uri}"))
    return lines


def _metric_lines(
    metrics: Metrics, baseline: Mapping[str, float | None], intervals: Mapping[str, Interval]
) -> list[tuple[str, str]]:
    lines = []
    for name, value in metrics.items():
        if name == "rows" or isinstance(value, list):
            continue
        text = _figure(value)
        interval = intervals.get(name) or Interval()
        if interval.low is not None:
            text += f"  [{_figure(interval.low)}, {_figure(interval.high)}]"
        other = baseline.get(name)
        if other is not None:
            text += f"  (baseline {_figure(other)})"
        lines.append((name, text))
    return lines


def _figure(value: float | None) -> str:
    if value is None:
        return "could not be computed"
    return f"{value:,.0f}" if value == int(value) and abs(value) > 1 else f"{value:,.4f}"


def _slices(slices: list[SliceMetrics]) -> str:
    thin = sum(entry.insufficient is not None for entry in slices)
    return f"{len(slices)} evaluated" + (f", {thin} with too few rows to judge" if thin else "")


def _training_line(training: TrainingReport) -> str:
    text = (
        f"{training.epochs} epochs on {training.device}, best {training.best_epoch}, "
        f"{training.parameters:,} parameters"
    )
    point = training.operating_point
    return text + (f", operating threshold {point.threshold:.3f}" if point else "")
