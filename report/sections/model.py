"""The candidate's part of the report: from the evidence, and from what stands beside it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

from contracts.results.evidence import (
    BaselineEvidence,
    Cell,
    FoldMetrics,
    Importance,
    Interval,
    MetricEvidence,
    SliceEvidence,
    StressEvidence,
)
from contracts.results.forecast import ForecastEvidence
from evidence.metric_names import direction_of
from report.formats import percent
from report.sections.leaderboard import judge_difference, leaderboard_of
from report.sources import Sources
from report.view import Metric, Model, Part, Rival

T = TypeVar("T")
_BETTER = {True: "higher is better", False: "lower is better", None: "1 is best"}


def model_of(sources: Sources) -> Model:
    """Gathers the candidate's part."""
    evidence, stress = sources.evidence, sources.stress
    measured = evidence or stress
    return Model(
        metric=measured.metric if measured else "",
        rows=evidence.rows if evidence else None,
        resamples=evidence.resamples if evidence else None,
        confidence=evidence.confidence if evidence else None,
        metrics=_metrics(sources),
        curves=_part(
            sources,
            {kind: lines for kind, lines in evidence.curves.items() if lines} if evidence else None,
            "only classes have curves.",
        ),
        confusion=_part(
            sources,
            evidence.confusion if evidence else None,
            "only classes have a confusion matrix.",
        ),
        calibration=_part(
            sources,
            evidence.calibration if evidence else None,
            "only probabilities can be calibrated.",
        ),
        forecast=_part(
            sources, evidence.forecast if evidence else None, "only a forecast has steps."
        ),
        slices=_slices(sources),
        baselines=_part(
            sources,
            [_rival(entry) for entry in evidence.baselines] if evidence else None,
            "baseline models are off (evaluation.baselines.enabled).",
        ),
        leaderboard=leaderboard_of(sources),
        fairness=_part(
            sources,
            evidence.fairness if evidence else None,
            "the config marks no sensitive column (evaluation.fairness.sensitive).",
        ),
        robustness=_robustness(sources),
        importance=_importance(sources),
        cross_validation=_folds(sources),
    )


def _part(sources: Sources, content: T | None, otherwise: str, file: str = "evidence") -> Part[T]:
    """A part with its content; where that is empty, why it is."""
    if content:
        return Part(content)
    return Part(absent=sources.why_not(file, f"Not measured: {otherwise}"))


def _metrics(sources: Sources) -> Part[list[Metric]]:
    evidence, candidate = sources.evidence, sources.summary.candidate
    if evidence is not None and evidence.metrics:
        metrics = [
            Metric(name, name == evidence.metric, _better(name, evidence.forecast), figures)
            for name, figures in evidence.metrics.items()
        ]
        return Part(sorted(metrics, key=lambda metric: not metric.main))
    if candidate is None:
        return Part(absent=sources.why_not("evidence"))
    before = sources.summary.baseline.metrics if sources.summary.baseline else {}
    return Part(
        [
            Metric(name, False, _better(name), _alone(value, before.get(name)))
            for name, value in candidate.metrics.items()
            if isinstance(value, float) and name != "rows"
        ]
    )


def _alone(candidate: float, baseline: float | None) -> MetricEvidence:
    """Two figures without intervals."""
    other = None if baseline is None else Interval(value=baseline)
    return MetricEvidence(candidate=Interval(value=candidate), baseline=other)


def _better(name: str, forecast: ForecastEvidence | None = None) -> str:
    if name == "coverage" and forecast is not None:
        return f"{percent(forecast.quantiles[-1] - forecast.quantiles[0], 0)} is best"
    return _BETTER[direction_of(name)]


def _slices(sources: Sources) -> Part[list[SliceEvidence]]:
    slices = sources.evidence.slices if sources.evidence else []
    otherwise = "the config lists no slices (evaluation.slices), none was found."
    return _part(sources, sorted(slices, key=_worst_first), otherwise)


def _worst_first(entry: SliceEvidence) -> tuple[bool, float, str]:
    gap = None if entry.gap is None else entry.gap.value
    return (gap is None, -(gap or 0.0), slice_name(entry.slice))


def slice_name(slice_: Mapping[str, Cell] | None) -> str:
    """`carrier = UA, origin = EWR`; the whole of test for none."""
    if not slice_:
        return "all rows"
    return ", ".join(f"{column} = {value}" for column, value in slice_.items())


def _rival(entry: BaselineEvidence) -> Rival:
    verdict, tone = judge_difference(entry.difference)
    return Rival(entry.name, entry.metric, entry.difference, verdict, tone)


def _robustness(sources: Sources) -> Part[list[StressEvidence]]:
    measured = sources.evidence or sources.stress
    entries = measured.robustness if measured else []
    return _part(sources, entries, "the config lists no stress (evaluation.stress).", "stress")


def _importance(sources: Sources) -> Part[list[Importance]]:
    measured = sources.evidence or sources.stress
    entries = sorted(
        measured.importance if measured else [],
        key=lambda entry: (-(entry.drop.value or 0.0), entry.feature),
    )
    otherwise = "importance is off (evaluation.importance.enabled)."
    return _part(sources, entries, otherwise, "stress")


def _folds(sources: Sources) -> Part[FoldMetrics]:
    folds = (sources.evidence and sources.evidence.cross_validation) or sources.folds
    if folds:
        return Part(folds)
    reason = "Not measured: cross-validation is off (evaluation.cross_validation)."
    stopped = sources.stopped_at() and sources.why_not("evidence")
    return Part(absent=stopped if stopped.startswith("Not measured: the run") else reason)
