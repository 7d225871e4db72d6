"""The metrics of each task, ready to be computed by group under any counts of the rows.

Definitions and clipping follow TFMA and Keras as `components.evaluator.eval_config` asks
them to compute, so that the values agree to rounding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

import numpy as np

from contracts.arrays import Array
from contracts.results.forecast import ForecastFacts
from evidence.bootstrap import Resampling
from evidence.class_scores import ClassF1
from evidence.forecasts import forecast_figure
from evidence.groups import Groups
from evidence.moments import Figure, Moments, explained, mean, ratio, root_mean
from evidence.prediction_table import PredictionTable
from evidence.ranking import Ranking, tfma_bins
from models.features.spec import Task
from models.tasks import find_task

# A slice with fewer rows of its rarer class says nothing of a ranking.
MIN_CLASS_ROWS = 5
_RANKED = ("roc_auc", "pr_auc")
NOT_SUMMED = (*_RANKED, "macro_f1", "weighted_f1")
_KERAS_EPSILON = 1e-7


class Measure(Resampling, Protocol):
    """A metric of one model by group of rows: `at` gives `[resamples, groups]`."""

    def influence(self) -> Array:
        """Gives the metric's derivative by the weight of each of the groups' rows."""


@dataclass(frozen=True)
class Outcome:
    """What one model says of the rows, and what was so.

    Attributes:
      task: The task.
      labels: Class ids, numbers, or the numbers of each step.
      scores: P(1), class probabilities, numbers, or each step's quantiles.
      threshold: The operating threshold; binary only.
      forecast: What the model says of its forecasts; None for other tasks.
    """

    task: Task
    labels: Array
    scores: Array
    threshold: float | None
    forecast: ForecastFacts | None = None

    @cached_property
    def bins(self) -> Array:
        """TFMA's bin of each score; binary only."""
        return tfma_bins(self.scores)

    @cached_property
    def decisions(self) -> Array:
        """The class id a row is given: at the threshold, or the most probable one."""
        if find_task(self.task).form == "multiclass":
            result: Array = self.scores.argmax(axis=1)
            return result
        # The served model compares float32 numbers.
        threshold = np.float32(0.5 if self.threshold is None else self.threshold)
        called: Array = (self.scores.astype(np.float32) >= threshold).astype(np.int64)
        return called


def outcome_of(table: PredictionTable, model: str) -> Outcome:
    """Gives what `model` says of the rows of `table`, at its own operating threshold."""
    threshold = table.thresholds.get(model)
    return Outcome(table.task, table.labels, table.scores[model], threshold, table.forecast)


def measure(metric: str, outcome: Outcome, groups: Groups) -> Measure:
    """Prepares one metric of one model for some groups of rows."""
    if metric in _RANKED:
        curve = "roc" if metric == "roc_auc" else "pr"
        return Ranking(cast(Any, curve), outcome.bins, outcome.labels == 1, groups)
    if metric in ("macro_f1", "weighted_f1"):
        average = cast(Any, metric.removesuffix("_f1"))
        classes = outcome.scores.shape[1]
        return ClassF1(average, outcome.labels, outcome.decisions, classes, groups)
    return Moments(figure(metric, outcome), groups)


def values(metric: str, outcome: Outcome, groups: Groups) -> Array:
    """Gives a metric of one model by group, NaN where it cannot be computed."""
    ones = np.ones((1, len(outcome.labels)), np.uint8)
    result: Array = measure(metric, outcome, groups).at(ones)[0]
    return result


def sign_of(task: Task, metric: str) -> int:
    """1 where higher is better, -1 where lower is."""
    return 1 if find_task(task).metrics[metric].higher_is_better else -1


def figure(metric: str, outcome: Outcome) -> Figure:
    """Gives a metric that is a function of sums over rows."""
    task = find_task(outcome.task)
    rows = task.metrics[metric].rows
    if rows is not None:
        return mean(rows(outcome.labels, outcome.scores))
    if task.form == "forecast":
        return forecast_figure(metric, outcome.labels, outcome.scores, outcome.forecast)
    if not task.has_classes:
        return _regression(metric, outcome)
    labels, called = outcome.labels, outcome.decisions
    if metric == "accuracy":
        return mean(called == labels)
    if metric == "log_loss":
        return mean(log_losses(outcome))
    both = called * labels
    parts = {
        "calibration": (outcome.scores, labels),
        "precision": (both, called),
        "recall": (both, labels),
        "f1": (2 * both, called + labels),
    }
    return ratio(*parts[metric])


def _regression(metric: str, outcome: Outcome) -> Figure:
    errors = outcome.scores.astype(np.float64) - outcome.labels
    if metric == "r2":
        return explained(outcome.labels.astype(np.float64), errors)
    return mean(np.abs(errors)) if metric == "mae" else root_mean(errors**2)


def log_losses(outcome: Outcome) -> Array:
    """The log loss of each row.

    TFMA's binary one is not finite where a probability is exactly 0 or 1; here the nearest
    float32 stands in for those. Keras's multiclass one normalizes and clips at 1e-7.
    """
    wide = outcome.scores.astype(np.float64)
    if find_task(outcome.task).form == "multiclass":
        own = np.take_along_axis(wide, outcome.labels[:, None], axis=1)[:, 0] / wide.sum(axis=1)
        result: Array = -np.log(np.clip(own, _KERAS_EPSILON, 1 - _KERAS_EPSILON))
        return result
    single = np.finfo(np.float32)
    wide = np.clip(wide, float(single.tiny), 1 - float(single.epsneg))
    return -np.log(np.where(outcome.labels == 1, wide, 1 - wide))


def is_judgeable(metric: str, outcome: Outcome, groups: Groups) -> Array:
    """By group, whether there is enough to judge `metric` by."""
    if metric in _RANKED:
        return _rarer(outcome, groups) >= MIN_CLASS_ROWS
    return np.isfinite(values(metric, outcome, groups))


def why_not(metric: str, outcome: Outcome, groups: Groups) -> list[str | None]:
    """Says by group why `metric` cannot be judged there, None where it can."""
    good = is_judgeable(metric, outcome, groups)
    if metric not in _RANKED:
        return [None if fine else f"{metric} cannot be computed" for fine in good]
    few = f"fewer than {MIN_CLASS_ROWS} rows of one class"
    return [
        None if fine else few if rows else "all rows have the same label"
        for fine, rows in zip(good, _rarer(outcome, groups), strict=True)
    ]


def _rarer(outcome: Outcome, groups: Groups) -> Array:
    positives = groups.sums((outcome.labels == 1)[groups.rows].astype(np.int64))
    fewer: Array = np.minimum(positives, groups.sizes - positives)
    return fewer
