"""Slices by figures of images, texts and windows, such as the number of words."""

from __future__ import annotations

from collections.abc import Collection

from contracts.results.evidence import Evidence
from contracts.results.summary import SliceMetrics


def slices_by_figures(evidence: Evidence, figures: Collection[str]) -> list[SliceMetrics]:
    """Those that the config lists: TFMA computes all others.

    Args:
      evidence: Of the candidate.
      figures: Their names.
    """
    return [
        SliceMetrics(
            slice=entry.slice,
            rows=entry.rows,
            insufficient=entry.insufficient,
            metrics={name: metric.value for name, metric in entry.metrics.items()} or None,
        )
        for entry in evidence.slices
        if entry.source == "config" and not entry.slice.keys().isdisjoint(figures)
    ]
