"""Whether a binary candidate decides at all: one that always says the same is no help."""

from __future__ import annotations

from collections.abc import Iterator

from contracts.results.evidence import Evidence
from contracts.results.gates import Gate
from evidence.config import EvaluationSpec

# A class that is called on a smaller share of the rows that have it is as good as never said.
_NEARLY_NEVER = 0.1


def decision_gates(evidence: Evidence, spec: EvaluationSpec) -> Iterator[Gate]:
    """Warns of a candidate that says nearly always the same, and of the costs behind it."""
    made = evidence.decisions
    if made is None:
        return
    rows, called, positives = made.rows, made.called, made.positives
    too_few = called < _NEARLY_NEVER * positives
    too_many = rows - called < _NEARLY_NEVER * (rows - positives)
    if not (too_few or too_many):
        return
    never, always = ("never", "always") if called in (0, rows) else ("hardly ever", "nearly always")
    says, share, real = made.positive, called / rows, positives / rows
    costs = spec.costs
    text = (
        f"At its threshold of {made.threshold:.4g} the candidate "
        f"{never if too_few else always} says {says}: of {called:,} of the {rows:,} rows of test "
        f"({share:.1%}), where {positives:,} ({real:.1%}) are. It is the cheapest threshold on "
        f"val if a false positive costs {costs.false_positive:g} and a false negative "
        f"{costs.false_negative:g}. If that is not what errors cost you, change it."
    )
    yield Gate(
        gate="decisions",
        metric="selection_rate",
        outcome="warn",
        reason=text,
        value=share,
        key="evaluation.costs",
    )
