"""Metrics on val, from labels and predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from contracts.results.training import OperatingPoint
from models.features.spec import Task

Array = np.ndarray[Any, Any]


def score(
    task: Task, labels: Array, predictions: Array, point: OperatingPoint | None
) -> dict[str, float | None]:
    """Gives the task's metrics; one that cannot be computed is None.

    Args:
      task: The task.
      labels: Class ids, or numbers for regression.
      predictions: P(1), class probabilities, or numbers.
      point: The operating point; binary only.
    """
    if task == "regression":
        return _regression(labels, predictions)
    if task == "multiclass":
        return _multiclass(labels, predictions)
    if point is None:
        raise ValueError("a binary task is scored at an operating point")
    return _binary(labels, predictions, point)


def _binary(labels: Array, probabilities: Array, point: OperatingPoint) -> dict[str, float | None]:
    from sklearn import metrics

    both = len(np.unique(labels)) == 2
    wide = probabilities.astype(np.float64)
    found, missed = point.true_positives, point.false_negatives
    called = found + point.false_positives
    return {
        "roc_auc": float(metrics.roc_auc_score(labels, wide)) if both else None,
        "pr_auc": float(metrics.average_precision_score(labels, wide)) if both else None,
        "log_loss": float(metrics.log_loss(labels, wide, labels=[0, 1])),
        "calibration": _ratio(float(wide.sum()), float(labels.sum())),
        "precision": _ratio(found, called),
        "recall": _ratio(found, found + missed),
        "f1": _ratio(2 * found, called + found + missed),
        "accuracy": (found + point.true_negatives) / len(labels),
        "cost": point.cost,
    }


def _multiclass(labels: Array, probabilities: Array) -> dict[str, float | None]:
    from sklearn import metrics

    wide = probabilities.astype(np.float64)
    wide /= wide.sum(axis=1, keepdims=True)
    classes = wide.argmax(axis=1)
    return {
        "accuracy": float((classes == labels).mean()),
        "macro_f1": float(metrics.f1_score(labels, classes, average="macro", zero_division=0)),
        "weighted_f1": float(
            metrics.f1_score(labels, classes, average="weighted", zero_division=0)
        ),
        "log_loss": float(metrics.log_loss(labels, wide, labels=list(range(wide.shape[1])))),
    }


def _regression(labels: Array, predictions: Array) -> dict[str, float | None]:
    errors = predictions.astype(np.float64) - labels
    spread = float(((labels - labels.mean(dtype=np.float64)) ** 2).sum())
    return {
        "rmse": float(np.sqrt((errors**2).mean())),
        "mae": float(np.abs(errors).mean()),
        "r2": 1.0 - float((errors**2).sum()) / spread if spread else None,
    }


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole else None
