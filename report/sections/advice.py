"""The advice's part of the report: from the summary, with the baselines' learning curve."""

from __future__ import annotations

from collections.abc import Mapping

from contracts.results.advice import Verdict
from report.sources import Sources
from report.view import Advised, Part

_LABELS: Mapping[Verdict, str] = {
    "network": "Use the network",
    "smaller_model": "Use a smaller network",
    "linear": "Use a linear network",
    "trees": "Use the trees",
    "more_data": "Bring more data",
    "better_labels": "Correct the labels",
    "better_features": "Find better features",
}


def advice_of(sources: Sources) -> Part[Advised]:
    """Gathers the advice; where there is none, why."""
    advice = sources.summary.advice
    if advice is None:
        if sources.evidence is None:
            return Part(absent=sources.why_not("evidence"))
        return Part(absent="Not given: baseline models are off (evaluation.baselines.enabled).")
    curve = sources.baselines.learning_curve if sources.baselines else None
    return Part(Advised(advice, curve))


def label_of(verdict: Verdict) -> str:
    """A verdict in a few words."""
    return _LABELS[verdict]
