"""`kelp diff`: what changed between two runs, from what they recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts import yaml
from contracts.files import read_json
from pipelines.config.overrides import apply_overrides
from pipelines.runs.differences import (
    Change,
    changed,
    flat,
    gate_changes,
    metric_changes,
    second_changes,
    slice_changes,
    statistics_changes,
)
from pipelines.runs.find import SUMMARY
from report.sources import CONFIG_FILE, CONFIG_TEXT, Sources, read_sources
from report.statistics import columns_of

MOST = 15
_LEAST_SECONDS = 1.0
_LEAST_SHARE = 0.2
_FIGURES = ("missing", "mean", "deviation", "least", "median", "most", "distinct")
_VERDICT = ("status", "blessed", "pushed_to")
_OF_A_VARIANT = ("status", "reasons", "format", "bytes", "parameters", "sparsity")


@dataclass(frozen=True)
class Run:
    """One run's records."""

    folder: Path
    summary: Mapping[str, Any]
    sources: Sources
    schema: Mapping[str, Any] | None

    @property
    def evidence(self) -> Mapping[str, Any]:
        """The evidence; where there is none, the metrics that the summary has."""
        found: Mapping[str, Any] | None = self.sources.files.get("evidence")
        if found is not None:
            return found
        metrics = (self.summary.get("candidate") or {}).get("metrics") or {}
        return {"metrics": {name: {"candidate": {"value": one}} for name, one in metrics.items()}}

    @property
    def gates(self) -> list[Mapping[str, Any]]:
        """All gates."""
        found = self.sources.files.get("gates") or {}
        return list(found.get("gates") or [])


def read_run(folder: Path) -> Run:
    """Reads a run folder and the artifacts that its summary names."""
    summary = read_json(folder / SUMMARY)
    folders = summary.get("folders") or {}
    if not folders and (summary.get("training") or {}).get("folder"):
        folders = {"model_run": summary["training"]["folder"]}
    sources = read_sources(folder, summary, folders)
    return Run(folder, summary, sources, _schema(sources.folders.get("schema")))


def compare(before: Path, after: Path) -> dict[str, Any]:
    """Gives what changed from one run to another, section by section.

    Args:
      before: The first run's folder.
      after: The second run's folder.

    Returns:
      `runs`, `equal`, the sections as lists of changes, and `not_recorded`: for the
      sections that one of the runs cannot tell, why.
    """
    first, second = read_run(before), read_run(after)
    sections = _sections(first, second)
    return {
        "runs": {"before": _about(first), "after": _about(second)},
        "equal": not any(sections.values()),
        **sections,
        "not_recorded": _not_recorded(first, second),
    }


def _sections(first: Run, second: Run) -> dict[str, list[Change]]:
    one, other = first.summary, second.summary
    return {
        "verdict": changed(_picked(one, _VERDICT), _picked(other, _VERDICT)),
        "config": _config_changes(first, second),
        "data": changed(_data(one), _data(other)),
        "statistics": statistics_changes(
            _columns(first), _columns(second), (*_FIGURES, "commonest"), MOST
        ),
        "schema": changed(first.schema, second.schema)
        if first.schema is not None and second.schema is not None
        else [],
        "source": changed(_source(one), _source(other)),
        "versions": changed(one.get("versions") or {}, other.get("versions") or {}),
        "metrics": metric_changes(
            first.evidence.get("metrics") or {}, second.evidence.get("metrics") or {}
        ),
        "slices": slice_changes(first.evidence, second.evidence, MOST),
        "gates": gate_changes(first.gates, second.gates),
        "variants": changed(_variants(one), _variants(other)),
        "seconds": second_changes(*_seconds(first, second), _worth_telling),
    }


def _about(run: Run) -> dict[str, Any]:
    keys = ("name", "run_id", "status", "blessed", "started")
    return {**_picked(run.summary, keys), "folder": str(run.folder)}


def _picked(summary: Mapping[str, Any], keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: summary.get(key) for key in keys}


def _data(summary: Mapping[str, Any]) -> dict[str, Any]:
    digests = summary.get("digests") or {}
    return {"digest": digests.get("data"), **flat(summary.get("rows") or {}, "rows")}


def _source(summary: Mapping[str, Any]) -> dict[str, Any]:
    return {"digest": (summary.get("digests") or {}).get("source")}


def _variants(summary: Mapping[str, Any]) -> dict[str, Any]:
    """What each variant came to; its timing differs from run to run, and is left out."""
    return {
        f"{one['name']}.{key}": value
        for one in summary.get("variants") or []
        for key, value in {
            **{name: one.get(name) for name in _OF_A_VARIANT},
            one.get("metric"): (one.get("metrics") or {}).get(one.get("metric"), {}).get("value"),
        }.items()
    }


def _seconds(first: Run, second: Run) -> tuple[dict[str, float], dict[str, float]]:
    """The seconds of what was done: what came from either's cache is not worth comparing."""
    cached = {
        name
        for run in (first, second)
        for name, taken_over in (run.summary.get("cached") or {}).items()
        if taken_over
    }
    before, after = (
        {
            name: taken
            for name, taken in (run.summary.get("seconds") or {}).items()
            if name not in cached
        }
        for run in (first, second)
    )
    return before, after


def _worth_telling(before: float, after: float) -> bool:
    return abs(after - before) > max(_LEAST_SECONDS, _LEAST_SHARE * max(before, after))


def _columns(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "feature": one.feature,
            "split": one.split,
            **{name: getattr(one, name) for name in _FIGURES},
            "commonest": one.top[0][0] if one.top else None,
        }
        for one in columns_of(run.sources.statistics)
    ]


def _config_changes(first: Run, second: Run) -> list[Change]:
    """Compared as they were resolved; for older runs, as they were written."""
    resolved = [run.folder / CONFIG_FILE for run in (first, second)]
    if all(path.is_file() for path in resolved):
        before, after = (read_json(path) for path in resolved)
    else:
        before, after = _written(first), _written(second)
    return changed(flat(before), flat(after))


def _written(run: Run) -> dict[str, Any]:
    document = yaml.parse(run.sources.config, str(run.folder / CONFIG_TEXT)).value
    if not isinstance(document, dict):
        return {}
    return apply_overrides(document, run.summary.get("overrides") or []).value


def _schema(folder: Path | None) -> dict[str, Any] | None:
    """By feature and property, what the schema says; None where there is none."""
    files = sorted(folder.glob("*.pbtxt")) if folder else []
    if not files:
        return None
    from google.protobuf import text_format
    from tensorflow_metadata.proto.v0 import schema_pb2

    schema = text_format.Parse(files[0].read_text(encoding="utf-8"), schema_pb2.Schema())
    domains = {domain.name: list(domain.value) for domain in schema.string_domain}
    return {
        f"{feature.name}.{key}": value
        for feature in schema.feature
        for key, value in _properties(feature, domains).items()
    }


def _properties(feature: Any, domains: Mapping[str, list[str]]) -> dict[str, Any]:
    kinds = {0: "unknown", 1: "text", 2: "integer", 3: "float", 4: "struct"}
    values = list(feature.string_domain.value) or domains.get(feature.domain, [])
    told = {"type": kinds.get(feature.type, "unknown"), "values": sorted(values) or None}
    required = feature.presence.min_fraction or None
    return {
        name: value
        for name, value in {**told, "min_fraction": required}.items()
        if value is not None
    }


def _not_recorded(first: Run, second: Run) -> dict[str, str]:
    found: dict[str, str] = {}
    for run in (first, second):
        told = {
            "statistics": run.sources.statistics,
            "schema": run.schema,
            "slices": run.sources.files.get("evidence"),
            "gates": run.sources.files.get("gates"),
            "config": run.sources.config,
        }
        for section, there in told.items():
            if not there:
                found[section] = f"run {run.summary.get('run_id')} has no record of its {section}"
    return found
