"""The leaderboard: the candidate beside its predecessor and the baseline models."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.results.baselines import BaselineModel
from contracts.results.evidence import BaselineEvidence, Evidence, Interval
from contracts.results.summary import BaselineMetrics, ModelCost
from report.sources import Sources
from report.view import Leader, Part, Tone

_NAMES = {
    "majority": "Constant guess",
    "linear": "Linear model",
    "trees": "Trees",
    "last_value": "Last value",
}
_NOTES = {
    "majority": "alike for every row",
    "linear": "logistic or ridge",
    "trees": "gradient-boosted",
}


def leaderboard_of(sources: Sources) -> Part[list[Leader]]:
    """Gathers the models that the run compared, the best main metric first."""
    evidence = sources.evidence
    if evidence is None:
        return Part(absent=sources.why_not("evidence"))
    leaders = [_candidate(sources, evidence), *_predecessor(sources, evidence)]
    models = sources.baselines.models if sources.baselines else {}
    leaders += [_baseline(entry, models.get(entry.name)) for entry in evidence.baselines]
    sign = -1 if evidence.higher_is_better else 1
    leaders.sort(key=lambda leader: _rank(leader.metric, sign))
    off = "" if evidence.baselines else "Baseline models are off (evaluation.baselines.enabled)."
    return Part(leaders, left_out=off)


def judge_difference(difference: Interval) -> tuple[str, Tone]:
    """Says by its interval whether the candidate beats another model (positive is better)."""
    if difference.value is None:
        return "could not be compared", "none"
    if difference.low is not None and difference.low > 0:
        return "beaten", "good"
    if difference.high is not None and difference.high < 0:
        return "better than the candidate", "bad"
    return "no difference beyond chance", "warn"


def _rank(metric: Interval, sign: int) -> tuple[bool, float]:
    return metric.value is None, sign * (metric.value or 0.0)


def _candidate(sources: Sources, evidence: Evidence) -> Leader:
    return Leader(
        name="Candidate",
        note="the network",
        metric=evidence.interval_of(evidence.metric),
        difference=None,
        p=None,
        cost=sources.summary.cost,
        own=True,
    )


def _predecessor(sources: Sources, evidence: Evidence) -> Iterator[Leader]:
    """The last blessed model; none where no model was blessed before."""
    entry = evidence.metrics.get(evidence.metric)
    if entry is None or entry.baseline is None or entry.difference is None:
        return
    difference = entry.difference if evidence.higher_is_better else entry.difference.negated
    verdict, tone = judge_difference(difference)
    known = sources.summary.baseline or BaselineMetrics(metrics={})
    run = f", run {known.run_id}" if known.run_id else ""
    note = f"last blessed{run}"
    yield Leader("Predecessor", note, entry.baseline, difference, None, known.cost, verdict, tone)


def _baseline(entry: BaselineEvidence, model: BaselineModel | None) -> Leader:
    verdict, tone = judge_difference(entry.difference)
    return Leader(
        name=_NAMES.get(entry.name, entry.name.replace("_", " ").capitalize()),
        note=_note(entry.name, model),
        metric=entry.metric,
        difference=entry.difference,
        p=entry.difference.p,
        cost=_cost(model),
        verdict=verdict,
        tone=tone,
    )


def _note(name: str, model: BaselineModel | None) -> str:
    texts = ", texts by TF-IDF" if model is not None and model.settings.get("tf_idf") else ""
    return _NOTES.get(name, "baseline model") + texts


def _cost(model: BaselineModel | None) -> ModelCost:
    if model is None:
        return ModelCost()
    return ModelCost(training_seconds=model.seconds, **dict(model.cost or {}))
