"""`kelp diff`: what changed between two runs, from what they recorded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contracts.files import read_json
from contracts.results.evidence import Interval
from contracts.results.files import read_result
from contracts.results.gates import Gate
from contracts.results.summary import Summary
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
from report.sources import CONFIG_FILE, Sources, read_sources
from report.statistics import columns_of

MOST = 15
_FIGURES = ("missing", "mean", "deviation", "least", "median", "most", "distinct")
_VERDICT = ("status", "blessed", "pushed_to")
_OF_A_VARIANT = ("status", "reasons", "format", "bytes", "parameters", "sparsity")


@dataclass(frozen=True)
class Run:
    """One run's records."""

    folder: Path
    summary: Summary
    sources: Sources
    schema: Mapping[str, Any] | None

    @property
    def intervals(self) -> dict[str, Interval]:
        """The candidate's metrics; without evidence, TFMA's, which have no ends."""
        if self.sources.evidence is not None:
            metrics = self.sources.evidence.metrics
            return {name: entry.candidate for name, entry in metrics.items()}
        measured = self.summary.candidate.metrics if self.summary.candidate else {}
        return {
            name: Interval(value=value)
            for name, value in measured.items()
            if not isinstance(value, list)
        }

    @property
    def gates(self) -> list[Gate]:
        """All gates."""
        return self.sources.gates.gates if self.sources.gates else []


def read_run(folder: Path) -> Run:
    """Reads a run folder and the artifacts that its summary names."""
    summary = read_result(folder, Summary)
    sources = read_sources(folder, summary, summary.folders)
    return Run(folder, summary, sources, _schema(sources.folders.get("schema")))


def compare(before: Path, after: Path) -> dict[str, Any]:
    """Gives what changed from one run to another, section by section.

    Args:
      before: The first run's folder.
      after: The second run's folder.

    Returns:
      `runs`, `equal`, the sections as lists of changes, and `not_recorded`: for the
      sections that one of the runs has no record of, why.
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
        "source": changed({"digest": one.digests.source}, {"digest": other.digests.source}),
        "versions": changed(one.versions, other.versions),
        "metrics": metric_changes(first.intervals, second.intervals),
        "slices": slice_changes(first.sources.evidence, second.sources.evidence, MOST),
        "gates": gate_changes(first.gates, second.gates),
        "variants": changed(_variants(one), _variants(other)),
        "seconds": second_changes(*_seconds(first, second)),
    }


def _about(run: Run) -> dict[str, Any]:
    keys = ("name", "run_id", "status", "blessed", "started")
    return {**_picked(run.summary, keys), "folder": str(run.folder)}


def _picked(summary: Summary, keys: tuple[str, ...]) -> dict[str, Any]:
    return {key: getattr(summary, key) for key in keys}


def _data(summary: Summary) -> dict[str, Any]:
    return {"digest": summary.digests.data, **flat(summary.rows, "rows")}


def _variants(summary: Summary) -> dict[str, Any]:
    """What each variant came to; its timing differs from run to run, and is left out."""
    return {
        f"{variant.name}.{key}": value
        for variant in summary.variants
        for key, value in {
            **{name: getattr(variant, name) for name in _OF_A_VARIANT},
            variant.metric: variant.main_metric,
        }.items()
    }


def _seconds(first: Run, second: Run) -> tuple[dict[str, float], dict[str, float]]:
    """The seconds of what was done: what came from either's cache is not worth comparing."""
    both = (first.summary.cached, second.summary.cached)
    cached = {name for each in both for name, from_cache in each.items() if from_cache}
    before, after = (
        {name: seconds for name, seconds in run.summary.seconds.items() if name not in cached}
        for run in (first, second)
    )
    return before, after


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
    """Compared as they were resolved."""
    before, after = (read_json(run.folder / CONFIG_FILE) for run in (first, second))
    return changed(flat(before), flat(after))


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
    properties = {"type": kinds.get(feature.type, "unknown"), "values": sorted(values) or None}
    required = feature.presence.min_fraction or None
    return {
        name: value
        for name, value in {**properties, "min_fraction": required}.items()
        if value is not None
    }


def _not_recorded(first: Run, second: Run) -> dict[str, str]:
    found: dict[str, str] = {}
    for run in (first, second):
        records = {
            "statistics": run.sources.statistics,
            "schema": run.schema,
            "slices": run.sources.evidence,
            "gates": run.sources.gates,
            "config": run.sources.config,
        }
        for section, record in records.items():
            if not record:
                found[section] = f"run {run.summary.run_id} has no record of its {section}"
    return found
