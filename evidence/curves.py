"""ROC and precision-recall curves to draw, and the confusion matrix."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from contracts.arrays import Array
from contracts.results.evidence import Confusion, Curves
from evidence.measures import Outcome
from evidence.prediction_table import CANDIDATE, PredictionTable
from models.tasks import find_task

Points = list[list[float]]

POINTS = 200
# More curves than this cannot be distinguished.
_CLASSES = 10


def curves(table: PredictionTable, outcomes: Mapping[str, Outcome]) -> Curves:
    """Gives the curves of each model; of each class against the rest for many classes.

    Of more than ten classes, the most frequent ones are drawn, for the candidate alone.
    """
    if not find_task(table.task).has_classes:
        return {}
    if find_task(table.task).form == "binary":
        drawn = {name: (one.scores, table.labels == 1) for name, one in outcomes.items()}
    else:
        scores = outcomes[CANDIDATE].scores
        counts = np.bincount(table.labels, minlength=scores.shape[1])
        frequent = np.sort(np.argsort(-counts, kind="stable")[:_CLASSES])
        drawn = {
            str(table.classes[place]): (scores[:, place], table.labels == place)
            for place in frequent
        }
    both = {name: pair for name, pair in drawn.items() if pair[1].any() and not pair[1].all()}
    return {
        "roc": {name: roc_curve(*pair) for name, pair in both.items()},
        "pr": {name: pr_curve(*pair) for name, pair in both.items()},
    }


def roc_curve(scores: Array, positive: Array) -> Points:
    """False positive rate and recall, from the highest threshold to the lowest."""
    hits, false = _counts(scores, positive)
    x, y = np.append(0, false) / false[-1], np.append(0, hits) / hits[-1]
    return _thinned(x, y)


def pr_curve(scores: Array, positive: Array) -> Points:
    """Recall and precision, from the highest threshold to the lowest."""
    hits, false = _counts(scores, positive)
    return _thinned(hits / hits[-1], hits / (hits + false))


def confusion(table: PredictionTable, outcome: Outcome) -> Confusion | None:
    """Gives counts by class and decision: rows are labels, columns decisions."""
    if not find_task(table.task).has_classes:
        return None
    size = len(table.classes)
    cells = np.bincount(table.labels * size + outcome.decisions, minlength=size * size)
    return Confusion(labels=list(table.classes), matrix=cells.reshape(size, size).tolist())


def _counts(scores: Array, positive: Array) -> tuple[Array, Array]:
    """Positives and negatives at or above each distinct score, the highest first."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    hits = np.cumsum(positive[order])[last]
    return hits, last + 1 - hits


def _thinned(x: Array, y: Array) -> Points:
    """Keeps points that are about equally far apart along the curve, the ends among them."""
    if len(x) > POINTS:
        length = np.append(0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y))))
        wanted = np.linspace(0, length[-1], POINTS)
        places = np.unique(np.minimum(np.searchsorted(length, wanted), len(x) - 1))
        x, y = x[places], y[places]
    result: Points = np.round(np.stack([x, y], axis=1), 5).tolist()
    return result
