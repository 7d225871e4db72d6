"""Whether our metrics are TFMA's: the record and the intervals must agree."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from contracts.results.evidence import Evidence, Interval
from contracts.results.gates import Gate
from contracts.results.summary import CandidateMetrics, Metrics
from evidence.wording import name_of

TOLERANCE = 1e-6


def tfma_parity(evidence: Evidence, record: CandidateMetrics) -> list[Gate]:
    """Gives one gate: the largest difference between our figures and TFMA's.

    It warns instead of blocking: the candidate is not to blame. There is none where our figures
    are on a sample: TFMA's are on all rows.
    """
    if evidence.sampled:
        return []
    compared = list(_pairs(evidence, record))
    if not compared:
        return []
    off, where, metric = max(compared)
    text = (
        f"{len(compared)} metrics of the whole and of slices were computed twice, by TFMA and "
        f"from the predictions: at most {off:.2e} apart ({metric}, {where})."
    )
    return [
        Gate(
            gate="tfma_parity",
            metric=metric,
            outcome="pass" if off <= TOLERANCE else "warn",
            reason=text,
            value=off,
            bound=TOLERANCE,
        )
    ]


def _pairs(evidence: Evidence, record: CandidateMetrics) -> Iterator[tuple[float, str, str]]:
    ours = {metric: entry.candidate for metric, entry in evidence.metrics.items()}
    yield from _pair(ours, record.metrics, "all rows")
    by_name = {
        name_of(entry.slice): entry.metrics
        for entry in evidence.slices
        if entry.source == "config" and not entry.insufficient
    }
    for entry in record.slices:
        name = name_of(entry.slice)
        yield from _pair(by_name.get(name, {}), entry.metrics or {}, name)


def _pair(
    ours: Mapping[str, Interval], recorded: Metrics, where: str
) -> Iterator[tuple[float, str, str]]:
    """Relative to the figure where it is large: rmse is in the label's unit."""
    for metric, interval in ours.items():
        record = recorded.get(metric)
        if interval.value is None or not isinstance(record, int | float):
            continue
        apart = abs(interval.value - record) / max(1.0, abs(record))
        if math.isfinite(apart):
            yield apart, where, metric
