"""The data's part of the report."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from contracts.results.audit import (
    AuditCheck,
    AuditDetails,
    DataFinding,
    FeaturePower,
    LabelErrors,
    Shift,
)
from report.sections.contents import PictureBudget, suspects_of
from report.sources import Sources
from report.statistics import columns_of
from report.view import Column, Data, Part

T = TypeVar("T")

# Rows of a table: a page with thousands of features could not be opened.
_MOST_ROWS = 400
_MOST_FEATURES = 100
_OUTCOMES = ("block", "warn", "pass", "off")


def data_of(sources: Sources, budget: PictureBudget) -> Data:
    """Gathers the data's part."""
    details = sources.audit.details if sources.audit else AuditDetails()
    return Data(
        rows=_rows(sources),
        checks=_checks(sources),
        findings=_findings(sources),
        statistics=_statistics(sources),
        leakage=_leakage(sources, details.leakage),
        labels=_labels(sources, details.label_errors, budget),
        shift=_shift(sources, details.shift),
    )


def _off(check: str) -> str:
    return f"Not measured: the check {check!r} was off, or does not apply to this task."


def _rows(sources: Sources) -> Part[dict[str, int]]:
    rows = sources.summary.rows or {
        split: int(dataset.num_examples) for split, dataset in sources.statistics.items()
    }
    return Part(dict(rows)) if rows else Part(absent=sources.why_not("statistics"))


def _checks(sources: Sources) -> Part[list[AuditCheck]]:
    if sources.audit is None:
        return Part(absent=sources.why_not("audit"))
    checks = sorted(sources.audit.checks, key=lambda check: _OUTCOMES.index(check.outcome))
    return _capped(checks, "checks", "audit.json")


def _findings(sources: Sources) -> Part[list[DataFinding]]:
    if sources.findings is None:
        return Part(absent=sources.why_not("findings"))
    return _capped(sources.findings, "findings", "findings.json")


def _statistics(sources: Sources) -> Part[list[Column]]:
    if not sources.statistics:
        return Part(absent=sources.why_not("statistics"))
    columns = columns_of(sources.statistics)
    shown = _most_noteworthy(sources, list(dict.fromkeys(column.feature for column in columns)))
    rest = len({column.feature for column in columns}) - len(shown)
    more = f"{rest:,} more features are in the artifact of StatisticsGen." if rest else ""
    contents = (sources.audit.details.contents if sources.audit else None) or {}
    return Part(
        [
            # The most frequent of long texts are all but single ones.
            replace(column, bars=[], top=[]) if column.feature in contents else column
            for column in columns
            if column.feature in shown
        ],
        left_out=more,
    )


def _most_noteworthy(sources: Sources, features: list[str]) -> set[str]:
    """All features, or of very many those with findings before the others."""
    noted = {finding.feature for finding in sources.findings or []}
    ranked = sorted(features, key=lambda name: name not in noted)
    return set(ranked[:_MOST_FEATURES])


def _capped(rows: list[T], noun: str, file: str) -> Part[list[T]]:
    """The first rows of a long table, and where the rest is."""
    rest = len(rows) - _MOST_ROWS
    return Part(rows[:_MOST_ROWS], left_out=f"{rest:,} more {noun}: see {file}." * (rest > 0))


def _leakage(sources: Sources, powers: list[FeaturePower] | None) -> Part[list[FeaturePower]]:
    if not powers:
        return Part(absent=sources.why_not("audit", _off("leakage")))
    return Part(sorted(powers, key=lambda entry: (-entry.power, entry.feature)))


def _labels(
    sources: Sources, errors: LabelErrors | None, budget: PictureBudget
) -> Part[LabelErrors]:
    if errors is None or errors.share is None:
        checks = sources.audit.checks if sources.audit else []
        made = (check for check in checks if check.outcome != "off")
        unknown = (check.what for check in made if check.check == "label_errors")
        reason = next(unknown, _off("label_errors"))
        return Part(absent=sources.why_not("audit", reason))
    return Part(suspects_of(errors, budget))


def _shift(sources: Sources, distances: list[Shift] | None) -> Part[list[Shift]]:
    if not distances:
        return Part(absent=sources.why_not("audit", _off("shift")))
    ranked = sorted(distances, key=lambda one: (-(one.of_limit or 0), one.feature, one.end))
    return _capped(ranked, "distances", "audit.json")
