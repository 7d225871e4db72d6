"""The gates against models that cost next to nothing: a constant guess, a linear one, trees.

The constant guess must be beaten beyond chance: a model that is not shown to know anything
is not blessed. The other two may be equalled. Worse than they are, beyond chance, is what
`evaluation.baselines` gives a severity to; a tie is no reason to refuse a model.
"""

from __future__ import annotations

from collections.abc import Iterator

from components.model_gate.gate import outcome_of
from contracts.results.evidence import BaselineEvidence, Evidence, Gain, Severity
from contracts.results.gates import Gate, Outcome
from evidence.config import EvaluationSpec
from evidence.permutation import LEVEL
from evidence.standing import Standing, equal_bound, standing_of
from evidence.wording import figure, with_interval

_LINEAR = "network: {kind: linear}"
_NAMES = {
    "majority": "the constant guess",
    "linear": "the linear model",
    "trees": "the trees",
    "last_value": "the last value",
}
_SEASONAL = "seasonal_naive_"


def baseline_gates(evidence: Evidence, spec: EvaluationSpec) -> Iterator[Gate]:
    """Gives a gate for each baseline model that is not off."""
    severities: dict[str, Severity] = {
        "majority": spec.baselines.majority,
        "linear": spec.baselines.linear,
        "trees": spec.baselines.trees,
    }
    for entry in evidence.baselines:
        severity = severities.get(entry.name, spec.baselines.naive)
        if severity != "off":
            yield _baseline(evidence, entry, severity, spec)


def _baseline(
    evidence: Evidence, entry: BaselineEvidence, severity: Severity, spec: EvaluationSpec
) -> Gate:
    name, metric, gain = entry.name, evidence.metric, entry.difference
    key = f"evaluation.baselines.{name}"
    if gain.value is None:
        text = _not_compared(evidence, entry, spec)
        return Gate(
            gate="baseline", metric=metric, outcome="block", reason=text, subject=name, key=key
        )
    if name == "majority":
        outcome, verdict, advice = _against_majority(gain, severity, evidence.rows)
    else:
        equal = equal_bound(
            spec.baselines.equal_within, entry.metric.value, evidence.higher_is_better
        )
        standing = standing_of(gain, equal)
        outcome, verdict, advice = _against_rival(name, standing, severity, equal)
    own = evidence.interval_of(metric).value
    text = (
        f"The candidate is {verdict}: {metric} is {figure(own)}, compared with "
        f"{figure(entry.metric.value)}, a gain of "
        f"{with_interval(gain.value, gain, '+')}.{advice}"
    )
    return Gate(
        gate="baseline",
        metric=metric,
        outcome=outcome,
        reason=text,
        **gain.ends(),
        bound=0.0,
        subject=name,
        key=key,
    )


def _not_compared(evidence: Evidence, entry: BaselineEvidence, spec: EvaluationSpec) -> str:
    why = entry.insufficient or "it is not a number"
    shorter = ", or make evaluation.block.length shorter" if spec.block_length else ""
    return (
        f"{evidence.metric} could not be compared with {_title(entry.name)} on the "
        f"{evidence.rows:,} rows of test: {why}. Bring more rows, or give test a larger share "
        f"(data.split.shares){shorter}."
    )


def _title(name: str) -> str:
    """What people call a baseline model."""
    if name.startswith(_SEASONAL):
        return f"the value {name.removeprefix(_SEASONAL)} steps before"
    return _NAMES[name]


def _against_majority(gain: Gain, severity: Severity, rows: int) -> tuple[Outcome, str, str]:
    low, high, p = gain.low, gain.high, gain.p
    if (gain.value or 0) > 0 and p is not None and p < LEVEL:
        return "pass", "better than the constant guess", ""
    outcome = outcome_of(severity)
    of_test = f"the {rows:,} rows of test"
    if high is not None and high < 0:
        return outcome, "worse than the constant guess", " It has learned nothing of use."
    if low is not None and low > 0:
        advice = (
            f" A p of at most {LEVEL:g} is asked, so that a model of noise is not "
            f"blessed by luck, and {of_test} give {figure(p)}: bring more rows."
        )
        return outcome, "better than the constant guess, but not surely enough", advice
    advice = f" Nothing in {of_test} shows that it has learned anything."
    return outcome, "not shown to be better than the constant guess", advice


def _against_rival(
    name: str, standing: Standing, severity: Severity, equal: float
) -> tuple[Outcome, str, str]:
    title = _title(name)
    if standing == "better":
        return "pass", f"better than {title}", ""
    if standing == "worse":
        longer = "; a network that is one already has to train longer"
        way = f" ({_LINEAR}){longer}" if name == "linear" else ""
        return outcome_of(severity), f"worse than {title}", f" Prefer {title}{way}."
    within = f"differences up to {equal:.3g} count as none"
    if standing == "unclear" or (standing == "not worse" and name != "trees"):
        advice = f" Too few rows of test to tell: {within}, and the interval is wider."
        return "insufficient", f"neither better nor worse than {title} beyond chance", advice
    if name == "trees":
        return "pass", "as good as the trees", ""
    if name != "linear":
        return "warn", f"as good as {title}", f" It is a tie, as {within}: it costs nothing."
    advice = f" It is a tie, as {within}: prefer the linear model ({_LINEAR}), if this is none."
    return "warn", "as good as the linear model", advice
