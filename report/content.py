"""Gathers all that the report shows from a run's summary and artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from report.config import CardSpec
from report.formats import count, duration, moment, number, title
from report.sections.data import data_of
from report.sections.model import model_of
from report.sections.variants import variants_of
from report.sections.verdict import gates_of, verdict_of
from report.sources import Sources
from report.view import Head, Part, Record, Report, Step, Training

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
    summary = sources.summary
    gates, data, model = gates_of(sources), data_of(sources), model_of(sources)
    variants = variants_of(sources)
    return Report(
        head=_head(sources),
        verdict=verdict_of(sources, gates, data, model, variants),
        gates=gates,
        data=data,
        training=_training(sources),
        model=model,
        variants=variants,
        record=_record(sources),
        card=_card(sources.card),
        warnings=[str(text) for text in summary.get("warnings") or []],
    )


def _head(sources: Sources) -> Head:
    summary = sources.summary
    return Head(
        name=str(summary.get("name") or "a model"),
        run_id=str(summary.get("run_id") or "unknown"),
        started=moment(str(summary.get("started") or "")),
        seconds=summary.get("total_seconds"),
        task=str((sources.files.get("evidence") or {}).get("task") or ""),
    )


def _training(sources: Sources) -> Part[Training]:
    raw = sources.files.get("training")
    if not raw:
        return Part(absent=sources.why_not("training"))
    diagnosis = [
        (str(one["name"]), str(one["evidence"]), str(one["remedy"]))
        for one in raw.get("diagnosis") or []
    ]
    facts = [(name, value) for name, value in _training_facts(raw) if value]
    return Part(Training(facts, diagnosis, raw.get("history") or [], raw.get("best_epoch")))


def _training_facts(raw: Mapping[str, Any]) -> list[tuple[str, str]]:
    early = ", stopped early" if raw.get("stopped_early") else ""
    point = raw.get("operating_point") or {}
    weights = raw.get("class_weights") or {}
    return [
        ("Epochs", f"{raw.get('epochs', 'n/a')}{early}; the best was {raw.get('best_epoch')}"),
        ("Parameters", count(raw.get("parameters"))),
        ("Device", " · ".join(str(raw[key]) for key in ("device", "precision") if raw.get(key))),
        ("Seconds of the fit", duration(raw.get("seconds"))),
        ("Rows", ", ".join(f"{k} {count(v)}" for k, v in (raw.get("rows") or {}).items())),
        ("Temperature", number(raw["temperature"]) if raw.get("temperature") else ""),
        ("Class weights", ", ".join(f"{k}: {number(v)}" for k, v in weights.items())),
        ("Operating threshold", number(point["threshold"]) if point.get("threshold") else ""),
        ("Cost a row on val", number(point["cost"]) if point.get("cost") is not None else ""),
    ]


def _place(folder: str | Path) -> str:
    """A folder as the user would name it: from the folder in which kelp is called."""
    path, here = Path(folder), Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _record(sources: Sources) -> Record:
    summary = sources.summary
    versions = (summary.get("versions") or {}).items()
    return Record(
        steps=_steps(summary),
        lineage=_lineage(sources),
        artifacts=[(_KEYS.get(key, key), _place(path)) for key, path in sources.folders.items()],
        versions=[(str(name), str(version)) for name, version in versions],
        config=sources.config,
    )


def _steps(summary: Mapping[str, Any]) -> list[Step]:
    seconds: Mapping[str, float] = summary.get("seconds") or {}
    longest = max(seconds.values(), default=0.0)
    cached, memory = summary.get("cached") or {}, summary.get("peak_memory_mib") or {}
    return [
        Step(name, taken, taken / longest if longest else 0.0, bool(cached.get(name)), memory_of)
        for name, taken in seconds.items()
        for memory_of in (memory.get(name),)
    ]


def _lineage(sources: Sources) -> list[tuple[str, str]]:
    summary = sources.summary
    tracked = summary.get("mlflow") or {}
    mlflow = f"run {tracked['run_id']} at {tracked.get('uri')}" if tracked.get("run_id") else ""
    parity = sources.files.get("parity") or {}
    worst = parity.get("max_difference")
    told = (
        f"largest difference {number(worst)} on {count(parity.get('rows'))} rows"
        if worst is not None
        else ""
    )
    digests = [
        (f"{title(name)} digest", str(value))
        for name, value in (summary.get("digests") or {}).items()
        if value
    ]
    lineage = [
        ("Run", str(summary.get("run_id") or "")),
        ("Config", str(summary.get("config") or "")),
        ("Overrides", ", ".join(map(str, summary.get("overrides") or []))),
        ("Seed", str(summary.get("seed", ""))),
        *digests,
        ("Pushed to", str(summary.get("pushed_to") or "")),
        ("Served against trained", told),
        ("MLflow", mlflow),
    ]
    return [(name, value) for name, value in lineage if value]


def _card(card: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (_CARD_TITLES.get(name, title(name)), str(card.get(name) or ""))
        for name in CardSpec.model_fields
    ]
