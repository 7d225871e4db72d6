"""Reads what the Evaluator wrote: metrics by slice."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tfx  # noqa: F401 (before TFMA: see docs/decisions/0001-stack.md)

import tensorflow_model_analysis as tfma  # isort: skip


from components.evaluator.eval_config import REPORTED
from components.evaluator.tfma_metrics import f1_by_class

Metrics = dict[str, Any]


@dataclass(frozen=True)
class ModelEvaluation:
    """The candidate on test: the overall slice, and the others as rows of a table."""

    metrics: Metrics
    slices: list[dict[str, Any]] = field(default_factory=list)


def read_evaluation(uri: str, min_slice_rows: int = 0) -> ModelEvaluation:
    """Gives the candidate's metrics.

    A slice of fewer than `min_slice_rows` rows says `insufficient` instead of metrics.
    """
    result = tfma.load_eval_result(uri)
    overall: Metrics = {}
    slices: list[dict[str, Any]] = []
    for key, outputs in result.slicing_metrics:
        metrics = _ordered(dict(_flat(outputs)))
        if not key:
            overall = metrics
            continue
        rows = int(metrics.pop("rows", 0))
        entry: dict[str, Any] = {"slice": {name: _plain(value) for name, value in key}}
        entry["rows"] = rows
        if rows < min_slice_rows:
            entry["insufficient"] = f"fewer than {min_slice_rows} rows"
        else:
            entry["metrics"] = metrics
        slices.append(entry)
    slices.sort(key=lambda entry: (list(entry["slice"]), -entry["rows"]))
    return ModelEvaluation(overall, slices)


def _ordered(metrics: Metrics) -> Metrics:
    """TFMA's order varies; this is the one in which metrics are reported."""
    return {name: metrics[name] for name in (*REPORTED, *metrics) if name in metrics}


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
                yield name, _number(value["doubleValue"])


def _matrix(value: Mapping[str, Any]) -> np.ndarray:
    entries = value["matrices"][0].get("entries", [])
    cells = [
        (int(entry.get("actualClassId", 0)), int(entry.get("predictedClassId", 0)))
        for entry in entries
    ]
    size = 1 + max((max(cell) for cell in cells), default=0)
    matrix = np.zeros((size, size))
    for cell, entry in zip(cells, entries, strict=True):
        matrix[cell] = float(entry.get("numWeightedExamples", 0))
    return matrix


def _number(value: Any) -> float | None:
    number = float(value)
    return number if math.isfinite(number) else None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value
