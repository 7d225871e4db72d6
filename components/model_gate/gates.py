"""The gates that a candidate must pass: plain functions over the evidence.

Each gate says its metric, its bound, the value and the value's interval. A gate whose
severity is `warn` is told and does not block.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from components.model_gate.baseline_gates import baseline_gates
from components.model_gate.decision_gates import decision_gates
from components.model_gate.gate import Evidence, Gate, Outcome, in_order, outcome_of
from evidence.config import EvaluationSpec
from evidence.failing_slices import blocked_slices
from evidence.metric_names import HIGHER_IS_BETTER
from evidence.wording import figure, name_of, with_interval

SliceLoss = Literal["change", "gap"]
# A change of exactly the allowed size passes.
_SLACK = 1e-9


def judge(evidence: Evidence, record: Mapping[str, Any], spec: EvaluationSpec) -> list[Gate]:
    """Gives every gate, those that block first.

    Args:
      evidence: Metrics with intervals, slices, baselines, stresses.
      record: TFMA's metrics of the whole of test: the values of record.
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
        "bound",
        "",
        "block",
        "Nothing is asked of a candidate that these rows could answer, so nothing can be "
        "blessed: configure evaluation.bounds, or leave evaluation.baselines on.",
        key="evaluation.bounds",
    )


def _bounds(evidence: Evidence, record: Mapping[str, Any], spec: EvaluationSpec) -> Iterator[Gate]:
    for metric, bound in spec.bounds.items():
        interval = evidence["metrics"].get(metric, {}).get("candidate") or {}
        value = record.get(metric)
        for limit, sign, words in ((bound.min, 1, "at least"), (bound.max, -1, "at most")):
            if limit is None:
                continue
            key = f"evaluation.bounds.{metric}.{'min' if sign > 0 else 'max'}"
            if value is None:
                text = f"{metric} could not be computed on test; the bound is {words} {limit:g}."
                yield Gate("bound", metric, "block", text, bound=limit, key=key)
                continue
            shown = with_interval(value, interval)
            yield Gate(
                "bound",
                metric,
                "pass" if sign * (value - limit) >= 0 else "block",
                f"{metric} is {shown} on test; the bound is {words} {limit:g}.",
                None,
                value,
                interval.get("low"),
                interval.get("high"),
                limit,
                key=key,
            )


def _changes(evidence: Evidence, spec: EvaluationSpec) -> Iterator[Gate]:
    for metric, change in spec.change.items():
        difference = evidence["metrics"].get(metric, {}).get("difference")
        if difference is None:
            continue  # nothing was blessed before
        value, key = difference["value"], f"evaluation.change.{metric}.max_loss"
        if value is None:
            text = f"{metric}: its change against the baseline could not be computed."
            yield Gate("change", metric, "block", text, bound=change.max_loss, key=key)
            continue
        higher = HIGHER_IS_BETTER[evidence["task"]][metric]
        loss = -value if higher else value
        yield Gate(
            "change",
            metric,
            "pass" if loss <= change.max_loss + _SLACK else "block",
            f"{metric} changed by {with_interval(value, difference, '+')} against the baseline; "
            f"at most {change.max_loss:g} for the worse is allowed.",
            None,
            value,
            difference["low"],
            difference["high"],
            change.max_loss,
            key=key,
        )


def _slices(evidence: Evidence, spec: EvaluationSpec) -> Iterator[Gate]:
    gate_spec = spec.slice_gate
    if gate_spec.severity == "off":
        return
    bounds: dict[SliceLoss, float | None] = {
        "change": gate_spec.max_loss,
        "gap": gate_spec.max_gap,
    }
    for kind, bound in bounds.items():
        judged = [
            entry
            for entry in evidence["slices"]
            if entry.get(kind) and (kind == "change" or entry["source"] == "config")
        ]
        if bound is None or not judged:
            continue
        failed = blocked_slices(evidence["slices"], kind, spec)
        for entry in failed:
            yield _slice_gate(evidence, kind, entry, bound, outcome_of(gate_spec.severity))
        if not failed:
            worst = max(judged, key=lambda entry: entry[kind]["value"])
            yield _slice_gate(evidence, kind, worst, bound, "pass", len(judged))
        thin = [entry for entry in evidence["slices"] if entry["insufficient"]]
        if thin:
            yield Gate(
                f"slice_{kind}",
                evidence["metric"],
                "insufficient",
                f"{len(thin)} slices have too few rows to judge, among them "
                f"{name_of(thin[0]['slice'])}: {thin[0]['insufficient']}.",
                thin[0]["slice"],
            )


def _slice_gate(
    evidence: Evidence,
    kind: SliceLoss,
    entry: Mapping[str, Any],
    bound: float,
    outcome: Outcome,
    judged: int = 0,
) -> Gate:
    loss, metric = entry[kind], evidence["metric"]
    against = "the baseline" if kind == "change" else "the whole of test"
    head = f"Of {judged} slices, the worst is" if outcome == "pass" else "Slice"
    text = (
        f"{head} {name_of(entry['slice'])} ({entry['rows']:,} rows): {metric} is worse than "
        f"{against} by {with_interval(loss['value'], loss)}; at most {bound:g} beyond chance is "
        f"allowed (q {figure(loss['q'])})."
    )
    return Gate(
        f"slice_{kind}",
        metric,
        outcome,
        text,
        entry["slice"],
        loss["value"],
        loss["low"],
        loss["high"],
        bound,
        key=f"evaluation.slice_gate.{'max_loss' if kind == 'change' else 'max_gap'}",
    )


def _fairness(evidence: Evidence, spec: EvaluationSpec) -> Iterator[Gate]:
    for entry in evidence["fairness"]:
        for rate, gap in entry["gaps"].items():
            bound = gap["bound"]
            if bound is None or spec.fairness.severity == "off":
                continue
            column = entry["column"]
            if gap["value"] is None:
                text = f"{rate} of the groups of {column}: too few rows to judge."
                yield Gate("fairness", rate, "insufficient", text, bound=bound, subject=column)
                continue
            first, second = gap["between"]
            yield Gate(
                "fairness",
                rate,
                "pass" if gap["value"] <= bound else outcome_of(spec.fairness.severity),
                f"{rate} differs by {with_interval(gap['value'], gap)} between {column} "
                f"{first} and {second}; at most {bound:g} is allowed.",
                None,
                gap["value"],
                gap["low"],
                gap["high"],
                bound,
                column,
                f"evaluation.fairness.{rate}",
            )


def _robustness(evidence: Evidence) -> Iterator[Gate]:
    for entry in evidence["robustness"]:
        bound, drop, name = entry["bound"], entry["drop"], entry["name"]
        key = f"evaluation.stress.{name}.max_drop"
        if bound is None or entry["severity"] == "off":
            continue
        if drop["value"] is None:
            text = f"Under stress {name}, {evidence['metric']} could not be computed."
            yield Gate("robustness", evidence["metric"], "block", text, subject=name, key=key)
            continue
        yield Gate(
            "robustness",
            evidence["metric"],
            "pass" if drop["value"] <= bound else outcome_of(entry["severity"]),
            f"Under stress {name}, {evidence['metric']} drops by "
            f"{with_interval(drop['value'], drop)}; at most {bound:g} is allowed.",
            None,
            drop["value"],
            drop["low"],
            drop["high"],
            bound,
            name,
            key,
        )


def _calibration(evidence: Evidence, spec: EvaluationSpec) -> Iterator[Gate]:
    bound, found = spec.calibration.max_error, evidence["calibration"]
    if bound is None or found is None or spec.calibration.severity == "off":
        return
    error = found["error"]
    yield Gate(
        "calibration",
        "expected_calibration_error",
        "pass" if error["value"] <= bound else outcome_of(spec.calibration.severity),
        f"The expected calibration error is {with_interval(error['value'], error)}; "
        f"at most {bound:g} is allowed.",
        None,
        error["value"],
        error["low"],
        error["high"],
        bound,
        key="evaluation.calibration.max_error",
    )
