"""Metrics that TFMA lacks, on TFMA's own interfaces: F1 over many classes.

Their argument `source` is a digest of the code: only TFX's cache key looks at it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import tfx  # noqa: F401 (before TFMA: see docs/decisions/0001-stack.md)
from tensorflow_model_analysis.metrics import (
    metric_types,
    metric_util,
    multi_class_confusion_matrix_metrics,
)


class ClassMetric(metric_types.Metric):
    """A metric of many classes, from their confusion matrix: see `_FIGURES`."""

    def __init__(self, name: str, source: str = "") -> None:  # noqa: ARG002
        super().__init__(per_key(_from_confusion), name=name)


@dataclass(frozen=True)
class Where:
    """Which model and output a metric is computed for."""

    eval_config: Any
    model_name: str
    output_name: str
    example_weighted: bool

    def key(self, name: str | None) -> metric_types.MetricKey:
        """Gives TFMA's key of a metric."""
        return metric_types.MetricKey(
            name=name,
            model_name=self.model_name,
            output_name=self.output_name,
            example_weighted=self.example_weighted,
        )


_Create = Callable[[str, Where], list[Any]]


def per_key(create: _Create) -> Callable[..., list[Any]]:
    """Gives `create` the signature by whose argument names TFMA passes values."""

    def computations(
        name: str,
        eval_config: Any = None,
        model_name: str = "",
        output_name: str = "",
        example_weighted: bool = False,
    ) -> list[Any]:
        return create(name, Where(eval_config, model_name, output_name, example_weighted))

    return cast(Callable[..., list[Any]], metric_util.merge_per_key_computations(computations))


def f1_by_class(matrix: np.ndarray) -> np.ndarray:
    """F1 of each class from a confusion matrix (rows: label, columns: prediction).

    A class that is neither in the labels nor predicted counts 0, as scikit-learn has it.
    """
    hit = np.diag(matrix)
    total = matrix.sum(axis=0) + matrix.sum(axis=1)
    scores: np.ndarray = np.zeros(len(matrix))
    np.divide(2 * hit, total, out=scores, where=total > 0)
    return scores


_FIGURES: Mapping[str, Callable[[np.ndarray], Any]] = {
    # The share of rows whose most probable class is the label.
    "accuracy": lambda matrix: np.trace(matrix) / matrix.sum(),
    # The mean over the classes of each one's F1.
    "macro_f1": lambda matrix: f1_by_class(matrix).mean(),
    # The mean over the rows of their class's F1.
    "weighted_f1": lambda matrix: np.average(f1_by_class(matrix), weights=matrix.sum(axis=1)),
}


def _from_confusion(name: str, where: Where) -> list[Any]:
    matrices = multi_class_confusion_matrix_metrics.multi_class_confusion_matrices(
        thresholds=[0.0],
        eval_config=where.eval_config,
        model_name=where.model_name,
        output_name=where.output_name,
        example_weighted=where.example_weighted,
    )
    source, key = matrices[-1].keys[0], where.key(name)

    def result(metrics: dict[Any, Any]) -> dict[Any, float]:
        return {key: float(_FIGURES[name](dense_matrix(metrics[source])))}

    return [*matrices, metric_types.DerivedMetricComputation(keys=[key], result=result)]


def dense_matrix(matrices: Any) -> np.ndarray:
    """TFMA's sparse multi-class confusion matrix at its one threshold, as an array."""
    entries = next(iter(matrices.values())).items()
    return matrix_of(
        {(cell.actual_class_id, cell.predicted_class_id): count for cell, count in entries}
    )


def matrix_of(counts: Mapping[tuple[int, int], float]) -> np.ndarray:
    """A confusion matrix from its cells, by label and prediction; what is not there is 0."""
    size = 1 + max(map(max, counts), default=0)
    matrix = np.zeros((size, size))
    for cell, count in counts.items():
        matrix[cell] = count
    return matrix
