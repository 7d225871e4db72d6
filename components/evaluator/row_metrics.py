"""Metrics of one score a row, from one pass over the rows of each slice.

TFMA's own classes give the same figures. Each of them reads every row of every slice again,
and areas under curves walk over 10,000 thresholds in Python: on 65,000 rows that took most
of the Evaluator's time.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import apache_beam as beam
import numpy as np
import tfx  # noqa: F401 (before TFMA: see docs/decisions/0001-stack.md)
from tensorflow_model_analysis.metrics import metric_types

from components.evaluator.tfma_metrics import Where, per_key
from evidence.groups import whole
from evidence.measures import Outcome, values
from models.tasks import find_task

# By name: what was called, and what it was.
_COUNTS = {
    "true_positives": (1, 1),
    "false_positives": (1, 0),
    "true_negatives": (0, 0),
    "false_negatives": (0, 1),
}


class RowMetric(metric_types.Metric):
    """A metric of the evidence, by slice; `rows` counts them.

    Args:
      name: Of the metric.
      task: Whose metric it is.
      source: A digest of the code; only TFX's cache key looks at it.
    """

    def __init__(self, name: str, task: str, source: str = "") -> None:  # noqa: ARG002
        super().__init__(per_key(partial(_figure, task)), name=name)


def _figure(task: str, name: str, where: Where) -> list[Any]:
    source, key = where.key("_rows_of_one_score"), where.key(name)
    rows = metric_types.MetricComputation(
        keys=[source], preprocessors=None, combiner=_Collect(source)
    )

    def result(metrics: dict[Any, Any]) -> dict[Any, float]:
        return {key: figure(task, name, metrics[source])}

    return [rows, metric_types.DerivedMetricComputation(keys=[key], result=result)]


@dataclass
class Rows:
    """The rows of a slice.

    Attributes:
      labels: The label of each row; of a forecast, all its steps.
      scores: A probability, a decision of 0 or 1, or a predicted number; as many as labels.
      steps: How many of them a row has.
    """

    labels: array[float] = field(default_factory=lambda: array("d"))
    scores: array[float] = field(default_factory=lambda: array("d"))
    steps: int = 1


def figure(task: str, name: str, rows: Rows) -> float:
    """Gives a metric of some rows; NaN where it has no value."""
    if name == "rows":
        return float(len(rows.labels) // rows.steps)
    labels, scores = np.asarray(rows.labels), np.asarray(rows.scores)
    if find_task(task).form == "forecast":
        labels, scores = labels.reshape(-1, rows.steps), scores.reshape(-1, rows.steps)
    outcome = Outcome(task, labels, scores, None)
    if find_task(task).has_classes:
        outcome = Outcome(task, labels.astype(np.int64), scores, 0.5)
    if name in _COUNTS:
        called, label = _COUNTS[name]
        return float(np.sum((outcome.decisions == called) & (outcome.labels == label)))
    return float(values(name, outcome, whole(len(labels)))[0])


class _Collect(beam.CombineFn):
    """Collects labels and scores."""

    def __init__(self, key: metric_types.MetricKey) -> None:
        self._key = key
        self._names = (key.model_name or None, key.output_name or None)

    def create_accumulator(self) -> Rows:
        return Rows()

    def add_input(self, accumulator: Rows, element: Any) -> Rows:
        labels = np.ravel(element.get_labels(*self._names))
        accumulator.labels.extend(labels.tolist())
        accumulator.scores.extend(np.ravel(element.get_predictions(*self._names)).tolist())
        accumulator.steps = len(labels)
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Rows]) -> Rows:
        merged = Rows()
        for rows in accumulators:
            merged.labels.extend(rows.labels)
            merged.scores.extend(rows.scores)
            merged.steps = max(merged.steps, rows.steps)
        return merged

    def extract_output(self, accumulator: Rows) -> dict[Any, Rows]:
        return {self._key: accumulator}
