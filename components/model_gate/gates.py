"""The gates that a candidate must pass: plain functions over the evidence.

Each gate says its metric, its bound, the value and the value's interval. A gate whose
severity is `warn` is reported and does not block.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import get_args

from components.model_gate.baseline_gates import baseline_gates
from components.model_gate.decision_gates import decision_gates
from components.model_gate.gate import in_order, outcome_of
from contracts.results.evidence import Evidence, Loss, SliceEvidence
from contracts.results.gates import Gate, Outcome
from contracts.results.summary import Metrics
from evidence.config import EvaluationSpec
from evidence.failing_slices import SliceLoss, blocked_slices, loss_of
from evidence.wording import figure, name_of, with_interval
from models.tasks import find_task

# A change of exactly the allowed size passes.
_SLACK = 1e-9


def judge(evidence: Evidence, record: Metrics, spec: EvaluationSpec) -> list[Gate]:
    """Gives every gate, those that block first.

    Args:
      evidence: Metrics with intervals, slices, baselines, stresses.
      record: TFMA's metrics of the whole of test: the values of record where it has them.
      spec: The bounds.
    """
    gates = [
        *_bounds(evidence, record, spec),
        *_changes(evidence, spec),
        *_slices(evidence, spec),
        *baseline_gates(evidence, spec),
        *decision_gates(evidence, spec),
        *_fairness(evidence, spec),
        *_robustness(evidence),
        *_calibration(evidence, spec),
    ]
    if not any(gate.outcome in ("pass", "block") for gate in gates):
        gates.append(_nothing_asked())
    return in_order(gates)


def is_blessed(gates: Sequence[Gate]) -> bool:
    """Whether no gate blocks."""
    return not any(gate.outcome == "block" for gate in gates)


def _nothing_asked() -> Gate:
    return Gate(
        gate="bound",
        outcome="block",
        reason="Nothing is asked of a candidate that these rows could answer, so nothing can be "
        "blessed: configure evaluation.bounds, or leave evaluation.baselines on.",
        key="evaluation.bounds",
    )


def _bounds(evidence: Evidence, record: Metrics, spec: EvaluationSpec) -> Iterator[Gate]:
    for metric, bound in spec.bounds.items():
        # Some metrics, such as the coverage of an interval, are none of TFMA's.
        value = record.get(metric, evidence.interval_of(metric).value)
        for limit, sign, words in ((bound.min, 1, "at least"), (bound.max, -1, "at most")):
            if limit is not None:
                yield _bound(evidence, metric, value, limit, sign, words)


def _bound(
    evidence: Evidence, metric: str, value: object, limit: float, sign: int, words: str
) -> Gate:
    key = f"evaluation.bounds.{metric}.{'min' if sign > 0 else 'max'}"
    if not isinstance(value, int | float):
        text = f"{metric} could not be computed on test; the bound is {words} {limit:g}."
        return Gate(gate="bound", metric=metric, outcome="block", reason=text, bound=limit, key=key)
    interval = evidence.interval_of(metric)
    return Gate(
        gate="bound",
        metric=metric,
        outcome="pass" if sign * (value - limit) >= 0 else "block",
        reason=f"{metric} is {with_interval(value, interval)} on test; "
        f"the bound is {words} {limit:g}.",
        value=value,
        low=interval.low,
        high=interval.high,
        bound=limit,
        key=key,
    )


def _changes(evidence: Evidence, spec: EvaluationSpec) -> Iterator[Gate]:
    for metric, change in spec.change.items():
        entry = evidence.metrics.get(metric)
        if entry is None or entry.difference is None:
            continue  # nothing was blessed before
        value, key = entry.difference.value, f"evaluation.change.{metric}.max_loss"
        if value is None:
            text = f"{metric}: its change against the baseline could not be computed."
            outcome: Outcome = "block"
        else:
            loss = -value if find_task(evidence.task).metrics[metric].higher_is_better else value
            outcome = "pass" if loss <= change.max_loss + _SLACK else "block"
            text = (
                f"{metric} changed by {with_interval(value, entry.difference, '+')} against the "
                f"baseline; at most {change.max_loss:g} for the worse is allowed."
            )
        yield Gate(
            gate="change",
            metric=metric,
            outcome=outcome,
            reason=text,
            **entry.difference.ends(),
            bound=change.max_loss,
            key=key,
        )


def _slices(evidence: Evidence, spec: EvaluationSpec) -> Iterator[Gate]:
    if spec.slice_gate.severity == "off":
        return
    for kind in get_args(SliceLoss):
        yield from _slices_by(kind, evidence, spec)


def _slices_by(kind: SliceLoss, evidence: Evidence, spec: EvaluationSpec) -> Iterator[Gate]:
    bound = spec.slice_gate.max_loss if kind == "change" else spec.slice_gate.max_gap
    judged = [
        (loss.value or 0.0, place)
        for place, entry in enumerate(evidence.slices)
        if (loss := loss_of(entry, kind)) is not None
    ]
    if bound is None or not judged:
        return
    failed = blocked_slices(evidence.slices, kind, spec)
    for entry in failed:
        yield _slice_gate(evidence, kind, entry, bound, outcome_of(spec.slice_gate.severity))
    if not failed:
        worst = evidence.slices[max(judged, key=lambda pair: pair[0])[1]]
        yield _slice_gate(evidence, kind, worst, bound, "pass", len(judged))
    thin = [entry for entry in evidence.slices if entry.insufficient]
    if thin:
        yield Gate(
            gate=f"slice_{kind}",
            metric=evidence.metric,
            outcome="insufficient",
            reason=f"{len(thin)} slices have too few rows to judge, among them "
            f"{name_of(thin[0].slice)}: {thin[0].insufficient}.",
            slice=thin[0].slice,
        )


def _slice_gate(
    evidence: Evidence,
    kind: SliceLoss,
    entry: SliceEvidence,
    bound: float,
    outcome: Outcome,
    judged: int = 0,
) -> Gate:
    loss, metric = loss_of(entry, kind) or Loss(), evidence.metric
    against = "the baseline" if kind == "change" else "the whole of test"
    head = f"Of {judged} slices, the worst is" if outcome == "pass" else "Slice"
    return Gate(
        gate=f"slice_{kind}",
        metric=metric,
        outcome=outcome,
        reason=f"{head} {name_of(entry.slice)} ({entry.rows:,} rows): {metric} is worse than "
        f"{against} by {with_interval(loss.value, loss)}; at most {bound:g} beyond chance is "
        f"allowed (q {figure(loss.q)}).",
        slice=entry.slice,
        **loss.ends(),
        bound=bound,
        key=f"evaluation.slice_gate.{'max_loss' if kind == 'change' else 'max_gap'}",
    )


def _fairness(evidence: Evidence, spec: EvaluationSpec) -> Iterator[Gate]:
    for entry in evidence.fairness:
        for rate, gap in entry.gaps.items():
            if gap.bound is None or spec.fairness.severity == "off":
                continue
            column, outcome = entry.column, outcome_of(spec.fairness.severity)
            if gap.value is None or gap.between is None:
                text = f"{rate} of the groups of {column}: too few rows to judge."
                outcome = "insufficient"
            else:
                first, second = gap.between
                text = (
                    f"{rate} differs by {with_interval(gap.value, gap)} between {column} {first} "
                    f"and {second}; at most {gap.bound:g} is allowed."
                )
                outcome = "pass" if gap.value <= gap.bound else outcome
            yield Gate(
                gate="fairness",
                metric=rate,
                outcome=outcome,
                reason=text,
                **gap.ends(),
                bound=gap.bound,
                subject=column,
                key="" if outcome == "insufficient" else f"evaluation.fairness.{rate}",
            )


def _robustness(evidence: Evidence) -> Iterator[Gate]:
    metric = evidence.metric
    for entry in evidence.robustness:
        bound, drop = entry.bound, entry.drop
        if bound is None or entry.severity == "off":
            continue
        if drop.value is None:
            text, outcome = f"{metric} could not be computed.", outcome_of("block")
        else:
            text = f"{metric} drops by {with_interval(drop.value, drop)}; "
            text += f"at most {bound:g} is allowed."
            outcome = "pass" if drop.value <= bound else outcome_of(entry.severity)
        yield Gate(
            gate="robustness",
            metric=metric,
            outcome=outcome,
            reason=f"Under stress {entry.name}, {text}",
            **drop.ends(),
            bound=bound,
            subject=entry.name,
            key=f"evaluation.stress.{entry.name}.max_drop",
        )


def _calibration(evidence: Evidence, spec: EvaluationSpec) -> Iterator[Gate]:
    bound = spec.calibration.max_error
    if bound is None or evidence.calibration is None or spec.calibration.severity == "off":
        return
    error = evidence.calibration.error
    off = error.value is None or error.value > bound
    yield Gate(
        gate="calibration",
        metric="expected_calibration_error",
        outcome=outcome_of(spec.calibration.severity) if off else "pass",
        reason=f"The expected calibration error is {with_interval(error.value, error)}; "
        f"at most {bound:g} is allowed.",
        **error.ends(),
        bound=bound,
        key="evaluation.calibration.max_error",
    )
