"""Reads what the Evaluator wrote: metrics by slice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import tfx  # noqa: F401 (before TFMA: see docs/decisions/0001-stack.md)

import tensorflow_model_analysis as tfma  # isort: skip


from components.evaluator.tfma_metrics import f1_by_class, matrix_of
from contracts.results.summary import CandidateMetrics, Metrics, SliceMetrics
from models.tasks import find_task, task_names


def read_evaluation(uri: str, min_slice_rows: int = 0) -> CandidateMetrics:
    """Gives the candidate's metrics.

    A slice of fewer than `min_slice_rows` rows says `insufficient` instead of metrics.
    """
    result = tfma.load_eval_result(uri)
    overall: Metrics = {}
    slices: list[SliceMetrics] = []
    for key, outputs in result.slicing_metrics:
        metrics = _ordered(dict(_flat(outputs)))
        if not key:
            overall = metrics
            continue
        rows = int(metrics.pop("rows", 0))
        columns = {name: _plain(value) for name, value in key}
        if rows < min_slice_rows:
            few = f"fewer than {min_slice_rows} rows"
            slices.append(SliceMetrics(slice=columns, rows=rows, insufficient=few))
        else:
            slices.append(SliceMetrics(slice=columns, rows=rows, metrics=metrics))
    slices.sort(key=lambda entry: (list(entry.slice), -entry.rows))
    return CandidateMetrics(metrics=overall, slices=slices)


def _ordered(metrics: dict[str, Any]) -> dict[str, Any]:
    """TFMA's order varies; this is the one in which metrics are reported."""
    return {name: metrics[name] for name in (*_reported(), *sorted(metrics)) if name in metrics}


def _reported() -> list[str]:
    tables = (find_task(name).tfma_metrics for name in task_names())
    return [name for table in tables for metrics in table.values() for name, _, _ in metrics]


def _flat(outputs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for sub_keys in outputs.values():
        for name, value in sub_keys.get("", {}).items():
            if name.startswith("_") or name.endswith("_diff"):
                continue
            if "multiClassConfusionMatrixAtThresholds" in value:
                matrix = _matrix(value["multiClassConfusionMatrixAtThresholds"])
                yield "confusion", matrix.tolist()
                yield "f1_by_class", f1_by_class(matrix).tolist()
            elif "doubleValue" in value:
                number = float(value["doubleValue"])
                yield name, number if math.isfinite(number) else None


def _matrix(value: Mapping[str, Any]) -> np.ndarray:
    counts = {
        (int(entry.get("actualClassId", 0)), int(entry.get("predictedClassId", 0))): float(
            entry.get("numWeightedExamples", 0)
        )
        for entry in value["matrices"][0].get("entries", [])
    }
    return matrix_of(counts)


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
