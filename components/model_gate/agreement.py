"""Whether our metrics are TFMA's: the record and the intervals must tell of one thing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from components.evaluator.results import ModelEvaluation
from components.model_gate.gate import Gate
from evidence.wording import name_of

TOLERANCE = 1e-6


def agreement(evidence: Mapping[str, Any], record: ModelEvaluation) -> list[Gate]:
    """Gives one gate: the largest difference between our figures and TFMA's.

    It warns instead of blocking: the candidate is not to blame.
    """
    compared = list(_pairs(evidence, record))
    if not compared:
        return []
    off, where, metric = max(compared)
    agrees = off <= TOLERANCE
    text = (
        f"{len(compared)} metrics of the whole and of slices were computed twice, by TFMA and "
        f"from the predictions: at most {off:.2e} apart ({metric}, {where})."
    )
    outcome: Any = "pass" if agrees else "warn"
    return [Gate("agreement", metric, outcome, text, value=off, bound=TOLERANCE)]


def _pairs(
    evidence: Mapping[str, Any], record: ModelEvaluation
) -> Iterator[tuple[float, str, str]]:
    for metric, entry in evidence["metrics"].items():
        yield from _pair(entry["candidate"], record.metrics.get(metric), "all rows", metric)
    ours = {
        name_of(entry["slice"]): entry["metrics"]
        for entry in evidence["slices"]
        if entry["source"] == "config" and not entry["insufficient"]
    }
    for entry in record.slices:
        name = name_of(entry["slice"])
        for metric, interval in ours.get(name, {}).items():
            yield from _pair(interval, entry.get("metrics", {}).get(metric), name, metric)


def _pair(
    interval: Mapping[str, Any] | None, recorded: float | None, where: str, metric: str
) -> Iterator[tuple[float, str, str]]:
    """Relative to the figure where it is large: rmse is in the label's unit."""
    if interval is None or interval["value"] is None or recorded is None:
        return
    apart = abs(interval["value"] - recorded) / max(1.0, abs(recorded))
    if math.isfinite(apart):
        yield apart, where, metric
