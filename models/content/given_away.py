"""How many rows of a class a score tells nearly without a mistake."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from contracts.arrays import Array

# Of the mistakes that chance makes.
MISTAKES = 0.1
FEWEST_OF_CLASS = 20
_FOLDS = 3
# Two-sided, 95 %.
_Z = 1.96


def out_of_fold_probabilities(model: ClassifierMixin, rows: Any, labels: Array) -> Array | None:
    """Predicts each row by a model that has not seen it; None where classes are too small.

    Args:
      model: A classifier of scikit-learn.
      rows: `[n, features]`, dense or sparse.
      labels: Class ids.

    Returns:
      `[n, classes]`; a class with too few rows is never predicted.
    """
    counts = np.bincount(labels)
    judged = np.flatnonzero(counts >= FEWEST_OF_CLASS)
    if len(judged) < 2:
        return None
    usable = np.isin(labels, judged)
    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=0)
    predicted = cross_val_predict(
        model, rows[usable], labels[usable], cv=folds, method="predict_proba"
    )
    probabilities = np.zeros((len(labels), len(counts)))
    probabilities[np.ix_(usable, judged)] = predicted
    return probabilities


def given_away(scores: Array, own: Array) -> float:
    """The share of a class's rows above the lowest score at which hardly any other row lies.

    Hardly any: beyond chance, fewer than a tenth of those that a guess would hit.

    Args:
      scores: By row; what is not above 0 tells nothing.
      own: Which rows are of the class.
    """
    if not 0 < own.sum() < len(own):
        return 0.0
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(own[order])
    rows = np.arange(1, len(order) + 1)
    precise = lowest_precision(hits, rows) >= needed_precision(own.mean())
    at_ends = np.append(ranked[1:] != ranked[:-1], True) & (ranked > 0)
    hit = hits[at_ends & precise]
    return float(hit.max() / own.sum()) if len(hit) else 0.0


def needed_precision(prior: float) -> float:
    """From which precision on a rule gives a class away that makes up `prior` of the rows."""
    return float(1 - MISTAKES * (1 - prior))


def lowest_precision(hits: Array, rows: Array) -> Array:
    """The lower end of Wilson's interval of a precision."""
    share = hits / rows
    centre = share + _Z**2 / (2 * rows)
    half = _Z * np.sqrt(share * (1 - share) / rows + _Z**2 / (4 * rows**2))
    return (centre - half) / (1 + _Z**2 / rows)
