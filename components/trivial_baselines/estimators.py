"""Three models that cost next to nothing: fitted on train, set on val, asked on val and test.

None of them weighs classes, whatever the network does: their probabilities stay shares of
rows, and stay comparable.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from components.trivial_baselines.design import Columns, learn_linear, learn_trees
from models.features import Task
from models.networks import InputSpec

Array = np.ndarray[Any, Any]

_SMALL = 20_000
_STRENGTHS = (0.03, 0.3, 3.0)  # the inverse of the penalty; large data try the first alone
_TREES = 150
_FEWEST_TREES = 20
_LEARNING_RATE = 0.1


@dataclass(frozen=True)
class Rows:
    """One split: transformed features and labels."""

    columns: Columns
    labels: Array


@dataclass(frozen=True)
class Problem:
    """What is predicted, and from what.

    Attributes:
      task: The task.
      classes: How many classes the label has; 0 for regression.
      ports: The transformed features.
      seed: Of whatever is drawn.
    """

    task: Task
    classes: int
    ports: list[InputSpec]
    seed: int


@dataclass(frozen=True)
class Outcome:
    """What a baseline says, in the form of the network's own predictions.

    Attributes:
      scores: By split, float32: P(second class), class probabilities, or numbers.
      settings: How it was fitted, and what val chose.
    """

    scores: Mapping[str, Array]
    settings: Mapping[str, Any]


Splits = Mapping[str, Rows]
Estimator = Callable[[Problem, Splits], Outcome]


def fit_majority(problem: Problem, splits: Splits) -> Outcome:
    """The classes' shares on train, or the label's mean, for every row."""
    labels = splits["train"].labels
    if problem.task == "regression":
        says, settings = np.mean(labels, dtype=np.float64), {"predicts": "the mean of train"}
    else:
        counts = np.bincount(labels.astype(np.int64), minlength=problem.classes)
        says, settings = counts / counts.sum(), {"predicts": "the classes' shares on train"}
    return Outcome(
        {
            name: _form(problem.task, np.repeat(np.atleast_2d(says), len(split.labels), axis=0))
            for name, split in splits.items()
            if name != "train"
        },
        settings,
    )


def fit_linear(problem: Problem, splits: Splits) -> Outcome:
    """Logistic or ridge regression; of several penalties val takes the best."""
    if _one_class(problem, splits):
        return fit_majority(problem, splits)
    design = learn_linear(problem.ports, splits["train"].columns)
    matrices = {name: design.matrix(split.columns) for name, split in splits.items()}
    labels = {name: split.labels for name, split in splits.items()}
    fit = _ridge if problem.task == "regression" else _logistic
    tried: list[tuple[float, Outcome]] = []
    for strength in _STRENGTHS if len(labels["train"]) <= _SMALL else _STRENGTHS[:1]:
        predict, settings = fit(matrices["train"], labels["train"], strength)
        scores = {
            name: _all_classes(problem, splits, predict(matrices[name]))
            for name in splits
            if name != "train"
        }
        forms = {name: _form(problem.task, values) for name, values in scores.items()}
        loss = _loss(problem.task, scores["val"], labels["val"])
        tried.append((loss, Outcome(forms, {**settings, "columns": matrices["train"].shape[1]})))
    return min(tried, key=lambda attempt: attempt[0])[1]


def fit_trees(problem: Problem, splits: Splits) -> Outcome:
    """Gradient-boosted trees; val takes as many of them as serve it best.

    scikit-learn's own early stopping would hold out rows of train at random, and rows of one
    group would be on both sides: val keeps the role it has for the network.
    """
    from threadpoolctl import threadpool_limits

    if _one_class(problem, splits):
        return fit_majority(problem, splits)
    # Threads of OpenMP that wait for one another on busy cores take ten times as long as a
    # single one, which also adds up alike on every machine.
    with threadpool_limits(1):
        return _boost(problem, splits)


ESTIMATORS: Mapping[str, Estimator] = {
    "majority": fit_majority,
    "linear": fit_linear,
    "trees": fit_trees,
}


def _boost(problem: Problem, splits: Splits) -> Outcome:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    design = learn_trees(problem.ports, splits["train"].columns)
    regression = problem.task == "regression"
    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    model = kind(
        learning_rate=_LEARNING_RATE,
        max_iter=max(_FEWEST_TREES, _TREES // max(1, problem.classes - 1)),
        categorical_features=design.categorical(),
        early_stopping=False,
        random_state=problem.seed,
    ).fit(design.matrix(splits["train"].columns), splits["train"].labels)

    def stages(split: str) -> Iterable[Array]:
        matrix = design.matrix(splits[split].columns)
        given = model.staged_predict(matrix) if regression else model.staged_predict_proba(matrix)
        return (_all_classes(problem, splits, values) for values in given)

    labels = splits["val"].labels
    losses = [_loss(problem.task, values, labels) for values in stages("val")]
    best = int(np.argmin(losses))
    return Outcome(
        {
            name: _form(problem.task, next(islice(stages(name), best, None)))
            for name in splits
            if name != "train"
        },
        {
            "iterations": best + 1,
            "of": model.n_iter_,
            "chosen_on": "val",
            "learning_rate": _LEARNING_RATE,
            "categories": int(design.categorical().sum()),
            "by_frequency": sorted(design.frequencies),
        },
    )


def _logistic(matrix: Any, labels: Array, strength: float) -> tuple[Any, dict[str, Any]]:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    small = matrix.shape[0] <= _SMALL
    model = LogisticRegression(C=strength, max_iter=1000 if small else 100)
    with warnings.catch_warnings():
        # Said by `converged` below.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(matrix, labels)
    used = int(model.n_iter_.max())
    settings = {"kind": "logistic regression", "solver": "lbfgs", "C": strength}
    settings |= {"iterations": used, "converged": used < model.max_iter}
    return model.predict_proba, settings


def _ridge(matrix: Any, labels: Array, strength: float) -> tuple[Any, dict[str, Any]]:
    from sklearn.linear_model import Ridge

    mean, deviation = float(np.mean(labels)), float(np.std(labels)) or 1.0
    model = Ridge(alpha=1 / strength, solver="sparse_cg")
    model.fit(matrix, (labels - mean) / deviation)
    settings = {"kind": "ridge regression", "solver": "sparse_cg", "alpha": 1 / strength}
    return lambda rows: model.predict(rows) * deviation + mean, settings


def _one_class(problem: Problem, splits: Splits) -> bool:
    """A train split of one class leaves nothing to fit: its share is all there is to say."""
    return problem.task != "regression" and len(np.unique(splits["train"].labels)) < 2


def _all_classes(problem: Problem, splits: Splits, scores: Array) -> Array:
    """Adds the classes that train lacks, at probability 0."""
    if problem.task == "regression" or scores.shape[1] == problem.classes:
        return scores
    wide = np.zeros([len(scores), problem.classes])
    wide[:, np.unique(splits["train"].labels).astype(np.int64)] = scores
    return wide


def _loss(task: Task, scores: Array, labels: Array) -> float:
    if task == "regression":
        return float(np.square(scores - labels).mean())
    chosen = scores[np.arange(len(labels)), labels.astype(np.int64)]
    return float(-np.log(np.maximum(chosen, 1e-15)).mean())


def _form(task: Task, scores: Array) -> Array:
    """As the network gives it: P(second class) alone for two classes."""
    if task == "binary":
        scores = scores[:, 1]
    elif task == "regression":
        scores = scores.reshape(-1)
    return scores.astype(np.float32)
