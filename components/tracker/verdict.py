"""A model's verdict as MLflow keeps it: metrics with their intervals, and what the gates said."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from contracts.results.evidence import Evidence, MetricEvidence
from contracts.results.gates import GateReport
from contracts.results.summary import Metrics


def metrics_of(measured: Metrics, evidence: Evidence) -> dict[str, float]:
    """Gives the metrics of record with their intervals, those of the baseline, and differences.

    Args:
      measured: The metrics of record, by name; what is no number is left out.
      evidence: The intervals.

    Returns:
      `roc_auc`, `roc_auc.low`, `roc_auc.high`, `baseline.roc_auc`, `difference.roc_auc.low`, ...
    """
    figures = {**dict(_intervals(evidence.metrics)), **measured}
    return {
        name: float(value)
        for name, value in figures.items()
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _intervals(metrics: Mapping[str, MetricEvidence]) -> Iterator[tuple[str, float | None]]:
    for name, entry in metrics.items():
        for side, interval in entry:
            stem = name if side == "candidate" else f"{side}.{name}"
            for key, value in interval or ():
                yield stem if key == "value" else f"{stem}.{key}", value


def reasons_of(verdict: GateReport) -> list[str]:
    """The sentences of the gates that blocked."""
    return [gate.reason for gate in verdict.gates if gate.outcome == "block"]


def verdict_tags(verdict: GateReport, evidence: Evidence) -> dict[str, str]:
    """Blessing, reasons, how many gates came out how, and the metrics to show first."""
    outcomes = Counter(gate.outcome for gate in verdict.gates)
    gated = (gate.metric for gate in verdict.gates if gate.gate in ("bound", "change"))
    first = dict.fromkeys(name for name in (evidence.metric, *gated) if name)
    return {
        "blessed": str(verdict.blessed).lower(),
        "reasons": " ".join(reasons_of(verdict))[:5000],
        **{f"gates.{outcome}": str(count) for outcome, count in sorted(outcomes.items())},
        "metrics": ",".join(first),
    }
