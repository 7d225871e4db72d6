"""A model's verdict as MLflow keeps it: metrics with their intervals, and what the gates said."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

# Metrics `rows`, `confusion` and the like have no interval and are none of a verdict's.
_SIDES = ("candidate", "baseline", "difference")


def metrics_of(measured: Mapping[str, Any], evidence: Mapping[str, Any]) -> dict[str, float]:
    """Gives the metrics of record with their intervals, those of the baseline, and differences.

    Args:
      measured: The metrics of record, by name; what is no number is left out.
      evidence: The content of `evidence.json`.

    Returns:
      `roc_auc`, `roc_auc.low`, `roc_auc.high`, `baseline.roc_auc`, `difference.roc_auc.low`, ...
    """
    figures = dict(_intervals(evidence.get("metrics", {})))
    return {**figures, **{name: float(value) for name, value in measured.items() if _is(value)}}


def _intervals(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, sides in metrics.items():
        for side in _SIDES:
            interval = sides.get(side) or {}
            stem = name if side == "candidate" else f"{side}.{name}"
            for key, suffix in (("value", ""), ("low", ".low"), ("high", ".high")):
                if _is(interval.get(key)):
                    yield stem + suffix, float(interval[key])


def _is(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def reasons_of(verdict: Mapping[str, Any]) -> list[str]:
    """The sentences of the gates that blocked."""
    return [gate["reason"] for gate in verdict["gates"] if gate["outcome"] == "block"]


def verdict_tags(verdict: Mapping[str, Any], evidence: Mapping[str, Any]) -> dict[str, str]:
    """Blessing, reasons, how many gates came out how, and the metrics to show first.

    Args:
      verdict: The content of `gates.json`.
      evidence: The content of `evidence.json`.
    """
    outcomes = Counter(gate["outcome"] for gate in verdict["gates"])
    gated = (gate["metric"] for gate in verdict["gates"] if gate["gate"] in ("bound", "change"))
    first = dict.fromkeys(name for name in (evidence.get("metric"), *gated) if name)
    return {
        "blessed": str(bool(verdict["blessed"])).lower(),
        "reasons": " ".join(reasons_of(verdict))[:5000],
        **{f"gates.{outcome}": str(count) for outcome, count in sorted(outcomes.items())},
        "metrics": ",".join(first),
    }
