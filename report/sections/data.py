"""What the report tells of the data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from report.formats import short
from report.sources import Sources
from report.statistics import columns_of
from report.view import (
    Check,
    Column,
    Data,
    Finding,
    Interval,
    LabelErrors,
    Part,
    Shift,
    Suspect,
)

T = TypeVar("T")

# Rows of a table: a page with thousands of features could not be opened.
_MOST_ROWS = 400
_MOST_FEATURES = 100
_OUTCOMES = ("block", "warn", "pass", "off")


def data_of(sources: Sources) -> Data:
    """Gathers the data's part."""
    audit = sources.files.get("audit") or {}
    details = audit.get("details") or {}
    return Data(
        rows=_rows(sources),
        checks=_checks(sources, audit.get("checks")),
        findings=_findings(sources),
        statistics=_statistics(sources),
        leakage=_leakage(sources, details.get("leakage")),
        labels=_labels(sources, details.get("label_errors")),
        shift=_shift(sources, details.get("shift")),
    )


def _off(check: str) -> str:
    return f"Not measured: the check {check!r} was off, or does not apply to this task."


def _rows(sources: Sources) -> Part[dict[str, int]]:
    rows = sources.summary.get("rows") or {
        split: int(dataset.num_examples) for split, dataset in sources.statistics.items()
    }
    return Part(dict(rows)) if rows else Part(absent=sources.why_not("statistics"))


def _checks(sources: Sources, raw: list[Mapping[str, Any]] | None) -> Part[list[Check]]:
    if raw is None:
        return Part(absent=sources.why_not("audit"))
    checks = [
        Check(
            check=str(one["check"]),
            feature=str(one.get("feature") or ""),
            split=str(one.get("split") or ""),
            severity=str(one.get("severity") or ""),
            figure=one.get("figure"),
            bound=one.get("bound"),
            outcome=str(one.get("outcome") or "pass"),
            what=str(one.get("what") or ""),
        )
        for one in raw
    ]
    return _capped(sorted(checks, key=lambda check: _rank(check.outcome)), "checks", "audit.json")


def _rank(outcome: str) -> int:
    return _OUTCOMES.index(outcome) if outcome in _OUTCOMES else len(_OUTCOMES)


def _findings(sources: Sources) -> Part[list[Finding]]:
    raw = sources.files.get("findings")
    if raw is None:
        return Part(absent=sources.why_not("findings"))
    names = ("severity", "feature", "split", "what", "expected", "received", "example")
    findings = [Finding(*(str(one.get(name) or "") for name in names)) for one in raw]
    return _capped(findings, "findings", "findings.json")


def _statistics(sources: Sources) -> Part[list[Column]]:
    if not sources.statistics:
        return Part(absent=sources.why_not("statistics"))
    columns = columns_of(sources.statistics)
    shown = _most_noteworthy(sources, list(dict.fromkeys(column.feature for column in columns)))
    rest = len({column.feature for column in columns}) - len(shown)
    told = f"{rest:,} more features are in the artifact of StatisticsGen." if rest else ""
    return Part([column for column in columns if column.feature in shown], left_out=told)


def _most_noteworthy(sources: Sources, features: list[str]) -> set[str]:
    """All features, or of very many those with findings before the others."""
    noted = {str(one.get("feature")) for one in sources.files.get("findings") or []}
    ranked = sorted(features, key=lambda name: name not in noted)
    return set(ranked[:_MOST_FEATURES])


def _capped(rows: list[T], noun: str, file: str) -> Part[list[T]]:
    """The first rows of a long table, and where the rest is."""
    rest = len(rows) - _MOST_ROWS
    return Part(rows[:_MOST_ROWS], left_out=f"{rest:,} more {noun}: see {file}." * (rest > 0))


def _leakage(
    sources: Sources, raw: list[Mapping[str, Any]] | None
) -> Part[list[tuple[str, float]]]:
    if not raw:
        return Part(absent=sources.why_not("audit", _off("leakage")))
    powers = [(str(one["feature"]), float(one["power"])) for one in raw if _known(one, "power")]
    return Part(sorted(powers, key=lambda item: (-item[1], item[0])))


def _known(entry: Mapping[str, Any], key: str) -> bool:
    return entry.get(key) is not None


def _labels(sources: Sources, raw: Mapping[str, Any] | None) -> Part[LabelErrors]:
    if not raw or raw.get("share") is None:
        return Part(absent=sources.why_not("audit", _off("label_errors")))
    share = Interval(raw["share"], raw.get("low"), raw.get("high"))
    return Part(LabelErrors(share, [_suspect(one) for one in raw.get("suspects") or []]))


def _suspect(raw: Mapping[str, Any]) -> Suspect:
    values = raw.get("values") or {}
    return Suspect(
        row=int(raw["row"]),
        split=str(raw.get("split") or ""),
        label=str(raw.get("label")),
        probability=raw.get("probability"),
        values=[
            (short(name, 40), "missing" if value is None else short(_tidy(value), 60))
            for name, value in values.items()
        ],
    )


def _tidy(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


# What a distance must exceed, all of them, to be a shift.
_LIMITS = ("bound", "chance", "usual")


def _shift(sources: Sources, raw: list[Mapping[str, Any]] | None) -> Part[list[Shift]]:
    if not raw:
        return Part(absent=sources.why_not("audit", _off("shift")))
    found = [
        Shift(
            feature=str(one["feature"]),
            start=str(one.get("from") or ""),
            end=str(one.get("to") or ""),
            measure=str(one.get("measure") or ""),
            distance=one.get("distance"),
            limit=max((one[key] for key in _LIMITS if one.get(key) is not None), default=None),
            shifted=bool(one.get("shifted")),
        )
        for one in raw
    ]
    ranked = sorted(found, key=lambda one: (-(one.of_limit or 0), one.feature, one.end))
    return _capped(ranked, "distances", "audit.json")
