"""Gathers all that the report shows from a run's summary and artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from contracts.results.summary import Summary
from contracts.results.training import IntervalScaling, TeacherReport, TrainingReport
from contracts.storage.location import is_remote
from contracts.storage.staging import remote_place
from report.config import CardSpec
from report.formats import count, duration, number, percent, title
from report.sections.advice import advice_of
from report.sections.contents import PictureBudget, contents_of, errors_of
from report.sections.data import data_of
from report.sections.model import model_of
from report.sections.variants import variants_of
from report.sections.verdict import gates_of, verdict_of
from report.sources import Sources
from report.view import Part, Record, Report, Step, Training

_CARD_TITLES = {"license": "Licence", "ethics": "Ethical considerations", "data": "Training data"}
_KEYS = {
    "evidence": "Evidence and gates",
    "data_verdict": "Audit of the data",
    "model_run": "Training",
    "statistics": "Statistics",
    "schema": "Schema",
    "model": "Model",
    "examples": "Examples",
    "predictions": "Predictions",
    "baselines": "Baseline models",
    "stress": "Stress tests",
    "folds": "Cross-validation",
    "pushed": "Push",
}


def gather(sources: Sources) -> Report:
    """Gathers the whole report."""
    gates, model = gates_of(sources), model_of(sources)
    budget = PictureBudget()
    errors, contents = errors_of(sources, budget), contents_of(sources, budget)
    data = data_of(sources, budget)
    variants = variants_of(sources)
    return Report(
        summary=sources.summary,
        task=sources.evidence.task if sources.evidence else "",
        verdict=verdict_of(sources, gates, data, model, variants),
        advice=advice_of(sources),
        gates=gates,
        data=data,
        training=_training(sources),
        model=model,
        variants=variants,
        record=_record(sources),
        card=_card(sources.card),
        contents=contents,
        errors=errors,
    )


def _training(sources: Sources) -> Part[Training]:
    report = sources.training
    if report is None:
        return Part(absent=sources.why_not("training"))
    return Part(Training([(name, text) for name, text in _training_facts(report) if text], report))


def _training_facts(report: TrainingReport) -> list[tuple[str, str]]:
    early = ", stopped early" if report.stopped_early else ""
    kept = ", its moving average of weights" if report.kept_weights == "average" else ""
    point, weights, refit = report.operating_point, report.class_weights or {}, report.refit
    again = ""
    if refit is not None:
        again = (
            f"on train and val, {count(refit.rows)} rows, {refit.epochs} epochs, "
            f"{duration(refit.seconds)}; all that val says is about the fit before"
        )
    return [
        ("Epochs", f"{report.epochs}{early}; the best was {report.best_epoch}{kept}"),
        ("Refit", again),
        ("Teacher", _teacher(report.teacher) if report.teacher else ""),
        ("Parameters", count(report.parameters)),
        ("Device", f"{report.device} · {report.precision}"),
        ("Seconds of the fit", duration(report.seconds)),
        ("Rows", ", ".join(f"{k} {count(v)}" for k, v in report.rows.items())),
        ("Temperature", number(report.calibration.temperature) if report.calibration else ""),
        ("Intervals", ", ".join(_stretched(scaling) for scaling in report.intervals)),
        ("Class weights", ", ".join(f"{k}: {number(v)}" for k, v in weights.items())),
        ("Operating threshold", number(point.threshold) if point else ""),
        ("Cost a row on val", number(point.cost) if point else ""),
    ]


def _stretched(scaling: IntervalScaling) -> str:
    return (
        f"{percent(scaling.high - scaling.low, 0)} stretched {number(scaling.factor)} times, "
        f"which covers {percent(scaling.coverage_after)} of val instead of "
        f"{percent(scaling.coverage_before)}"
    )


def _teacher(report: TeacherReport) -> str:
    name, value = next(iter(report.metrics.items()))
    kept = "" if report.by in ("row", "stratified") else f" by {report.by}"
    trees = f"boosted trees of {count(report.rounds)} rounds"
    fitted = {0.0: "a linear model", 1.0: trees}.get(
        report.tree_share, f"{trees} ({percent(report.tree_share, 0)}) and a linear model"
    )
    return (
        f"{fitted}, {report.folds} folds of train{kept}, {count(report.rows)} rows, "
        f"{duration(report.seconds)}; {name} {number(value)} on the rows left out; "
        f"{number(report.weight)} of what the network learned is this prediction"
    )


def _place(folder: str | Path) -> str:
    """A folder as the user would name it: from the folder in which kelp is called."""
    path, here = Path(folder), Path.cwd()
    if is_remote(place := remote_place(path)):
        return place
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _record(sources: Sources) -> Record:
    return Record(
        steps=_steps(sources.summary),
        lineage=_lineage(sources),
        artifacts=[(_KEYS.get(key, key), _place(path)) for key, path in sources.folders.items()],
        versions=list(sources.summary.versions.items()),
        config=sources.config,
    )


def _steps(summary: Summary) -> list[Step]:
    longest = max(summary.seconds.values(), default=0.0)
    return [
        Step(
            name,
            seconds,
            seconds / longest if longest else 0.0,
            summary.cached.get(name, False),
            summary.peak_memory_mib.get(name),
        )
        for name, seconds in summary.seconds.items()
    ]


def _lineage(sources: Sources) -> list[tuple[str, str]]:
    summary, parity, tracked = sources.summary, sources.parity, sources.summary.mlflow
    mlflow = f"run {tracked.run_id} at {tracked.uri}" if tracked and tracked.run_id else ""
    compared = ""
    if parity is not None:
        worst, rows = number(parity.max_difference), count(parity.rows)
        compared = f"largest difference {worst} on {rows} rows"
    lineage = [
        ("Run", summary.run_id),
        ("Config", summary.config),
        ("Overrides", ", ".join(summary.overrides)),
        ("Seed", str(summary.seed)),
        *((f"{title(name)} digest", digest or "") for name, digest in summary.digests),
        ("Pushed to", summary.pushed_to or ""),
        ("Served against trained", compared),
        ("MLflow", mlflow),
    ]
    return [(name, text) for name, text in lineage if text]


def _card(card: Mapping[str, str | None]) -> list[tuple[str, str]]:
    return [
        (_CARD_TITLES.get(name, title(name)), str(card.get(name) or ""))
        for name in CardSpec.model_fields
    ]
