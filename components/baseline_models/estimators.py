"""Three models that cost next to nothing: fitted on train, set on val, asked on val and test.

Linear model and trees are to be no worse than scikit-learn's defaults on the same rows: what
is tried holds these defaults, and val chooses.

None of them weighs classes, whatever the network does: their probabilities stay shares of
rows, and stay comparable.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from contracts.arrays import Array
from models.data.design import (
    Columns,
    LinearDesign,
    TreeDesign,
    all_classes,
    learn_linear,
    learn_trees,
)
from models.networks import InputSpec
from models.tasks import Task, find_task

# The inverse of the penalty, the strongest first; scikit-learn's default is among them.
_STRENGTHS = (0.03, 0.3, 1.0, 3.0, 30.0)
_SMALL = 20_000
_STEPS, _STEPS_OF_MANY_ROWS = 1000, 300
# Rounds of boosting, each with a tree a class; scikit-learn's default is 100.
_ROUNDS = 150
_ROUNDS_AT_ONCE = 50
_PATIENCE = 30
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
      ports: The transformed features that the models can take.
      seed: Of whatever is drawn.
      history: The window of the label's own past; forecasts only.
      season: How many steps a season of it has; 0 where the config names none.
      horizon: How many steps a forecast has; 0 for other tasks.
    """

    task: str
    classes: int
    ports: list[InputSpec]
    seed: int
    history: InputSpec | None = None
    season: int = 0
    horizon: int = 0

    @property
    def kind(self) -> Task:
        """What the task decides."""
        return find_task(self.task)


@dataclass(frozen=True)
class Fitted:
    """A fitted baseline.

    Attributes:
      predict: Gives the scores of rows, from their transformed features.
      learned: What it learned, to be weighed; can be pickled.
    """

    predict: Callable[[Columns], Array]
    learned: Any


Fit = Callable[[Rows], Fitted]


@dataclass(frozen=True)
class Outcome:
    """What a baseline says, in the form of the network's own predictions.

    Attributes:
      scores: By split, float32: P(second class), class probabilities, or numbers.
      settings: How it was fitted, and what val chose.
      fitted: What it is after train.
      refit: Fits it on other rows, with what val chose.
    """

    scores: Mapping[str, Array]
    settings: Mapping[str, Any]
    fitted: Fitted
    refit: Fit

    @property
    def predict(self) -> Callable[[Columns], Array]:
        """Gives the scores of other rows, from their transformed features."""
        return self.fitted.predict


Splits = Mapping[str, Rows]
Estimator = Callable[[Problem, Splits], Outcome]
Scorer = Callable[[Any], Array]
# Of a matrix, its labels and the inverse of the penalty: a model, and how it was fitted.
LinearFit = Callable[[Any, Array, float], tuple[Scorer, dict[str, Any]]]


def fit_majority(problem: Problem, splits: Splits) -> Outcome:
    """The classes' shares on train, or the label's mean, for every row."""
    _, words = problem.kind.constant(splits["train"].labels, problem.classes)

    def fit(rows: Rows) -> Fitted:
        constant = np.atleast_2d(problem.kind.constant(rows.labels, problem.classes)[0])

        def predict(columns: Columns) -> Array:
            count = len(next(iter(columns.values())))
            return problem.kind.baseline_scores(np.repeat(constant, count, axis=0))

        return Fitted(predict, constant)

    return make_outcome(splits, fit(splits["train"]), {"predicts": words}, fit)


# Threads of OpenMP and BLAS that wait for one another on busy cores take up to ten times as long
# as a single one, which also adds up alike on every machine.
@threadpool_limits.wrap(limits=1)
def fit_linear(problem: Problem, splits: Splits) -> Outcome:
    """Logistic or ridge regression; of several penalties val takes the best.

    Penalties are tried from the strongest on, each fit beginning where the one before ended,
    until val gets worse. All five took 11 s of one core on 37,000 rows of 5 classes.
    """
    if not problem.ports or _one_class(problem, splits):
        return fit_majority(problem, splits)
    design = learn_linear(problem.ports, splits["train"].columns)
    matrix, val = (design.matrix(splits[name].columns) for name in ("train", "val"))
    labels = splits["train"].labels
    classes, fit = np.unique(labels), _linear_fit(problem, len(labels))
    tried: list[tuple[float, float, Scorer, dict[str, Any]]] = []
    for strength in _STRENGTHS:
        scorer, settings = fit(matrix, labels, strength)
        says = _all_classes(problem, classes, scorer(val))
        loss = problem.kind.baseline_loss(says, splits["val"].labels)
        tried.append((loss, strength, scorer, settings))
        if len(tried) > 1 and tried[-1][0] > tried[-2][0]:
            break
    _, chosen, best, settings = min(tried, key=lambda attempt: attempt[0])

    @threadpool_limits.wrap(limits=1)
    def refit(rows: Rows) -> Fitted:
        matrix, labels = design.matrix(rows.columns), rows.labels
        scorer, _ = _linear_fit(problem, len(labels))(matrix, labels, chosen)
        return _fitted_linear(problem, design, scorer, np.unique(labels))

    settings |= {"columns": matrix.shape[1], "penalties_tried": len(tried)}
    if design.rarities:
        settings["tf_idf"] = sorted(design.rarities)
    return make_outcome(splits, _fitted_linear(problem, design, best, classes), settings, refit)


@threadpool_limits.wrap(limits=1)
def fit_trees(problem: Problem, splits: Splits) -> Outcome:
    """Gradient-boosted trees; val takes as many of them as serve it best.

    scikit-learn's own early stopping would hold out rows of train at random, and rows of one
    group would be on both sides: val keeps the role it has for the network.
    """
    if not problem.ports or _one_class(problem, splits):
        return fit_majority(problem, splits)
    return _boost(problem, splits)


ESTIMATORS: Mapping[str, Estimator] = {
    "majority": fit_majority,
    "linear": fit_linear,
    "trees": fit_trees,
}


def make_outcome(
    splits: Splits, fitted: Fitted, settings: Mapping[str, Any], refit: Fit
) -> Outcome:
    """Asks a fitted baseline about val and test."""
    scores = {
        name: fitted.predict(split.columns) for name, split in splits.items() if name != "train"
    }
    return Outcome(scores, settings, fitted, refit)


def _fitted_linear(
    problem: Problem, design: LinearDesign, scorer: Scorer, classes: Array
) -> Fitted:
    def predict(columns: Columns) -> Array:
        says = _all_classes(problem, classes, scorer(design.matrix(columns)))
        return problem.kind.baseline_scores(says)

    return Fitted(predict, (design.mean, design.deviation, scorer))


def _boost(problem: Problem, splits: Splits) -> Outcome:
    from sklearn.base import clone
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    design = learn_trees(problem.ports, splits["train"].columns)
    regression = not problem.kind.has_classes
    kind = HistGradientBoostingRegressor if regression else HistGradientBoostingClassifier
    model = kind(
        learning_rate=_LEARNING_RATE,
        max_iter=_ROUNDS_AT_ONCE,
        categorical_features=design.categorical(),
        early_stopping=False,
        warm_start=True,
        random_state=problem.seed,
    )
    matrix, val = (design.matrix(splits[name].columns) for name in ("train", "val"))
    classes = np.unique(splits["train"].labels)
    best = 0
    while model.max_iter <= _ROUNDS and best + _PATIENCE >= model.max_iter - _ROUNDS_AT_ONCE:
        model.fit(matrix, splits["train"].labels)
        stages = model.staged_predict(val) if regression else model.staged_predict_proba(val)
        losses = [
            problem.kind.baseline_loss(_all_classes(problem, classes, says), splits["val"].labels)
            for says in stages
        ]
        best = int(np.argmin(losses))
        model.max_iter += _ROUNDS_AT_ONCE

    @threadpool_limits.wrap(limits=1)
    def refit(rows: Rows) -> Fitted:
        again = clone(model).set_params(max_iter=best + 1, warm_start=False)
        again.fit(design.matrix(rows.columns), rows.labels)
        return _fitted_trees(problem, design, again, np.unique(rows.labels))

    settings = {
        "iterations": best + 1,
        "of": model.n_iter_,
        "chosen_on": "val",
        "learning_rate": _LEARNING_RATE,
        "categories": int(design.categorical().sum()),
        "by_frequency": sorted(design.frequencies),
    }
    fitted = _fitted_trees(problem, design, first_rounds(model, best + 1), classes)
    return make_outcome(splits, fitted, settings, refit)


def _fitted_trees(problem: Problem, design: TreeDesign, model: Any, classes: Array) -> Fitted:
    answer = model.predict_proba if problem.kind.has_classes else model.predict

    def predict(columns: Columns) -> Array:
        says = _all_classes(problem, classes, answer(design.matrix(columns)))
        return problem.kind.baseline_scores(says)

    return Fitted(predict, (dict(design.frequencies), model))


def first_rounds(model: Any, rounds: int) -> Any:
    """The model of the first rounds alone: scikit-learn itself only lets one look at them."""
    kept = copy.copy(model)
    kept._predictors = model._predictors[:rounds]
    return kept


def _linear_fit(problem: Problem, rows: int) -> LinearFit:
    return _logistic(rows) if problem.kind.has_classes else _ridge


def _logistic(rows: int) -> LinearFit:
    """Gives the fit, which goes on from the coefficients of the one before."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    steps = _STEPS if rows <= _SMALL else _STEPS_OF_MANY_ROWS
    model = LogisticRegression(max_iter=steps, warm_start=True)

    def fit(matrix: Any, labels: Array, strength: float) -> tuple[Scorer, dict[str, Any]]:
        model.set_params(C=strength)
        with warnings.catch_warnings():
            # Said by `converged` below.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(matrix, labels)
        used = int(model.n_iter_.max())
        settings = {"kind": "logistic regression", "solver": "lbfgs", "C": strength}
        settings |= {"iterations": used, "converged": used < steps}
        return copy.deepcopy(model).predict_proba, settings

    return fit


@dataclass(frozen=True)
class _Standardised:
    """A regression of the standardised label."""

    model: Any
    mean: float
    deviation: float

    def __call__(self, matrix: Any) -> Array:
        says: Array = self.model.predict(matrix) * self.deviation + self.mean
        return says


def _ridge(matrix: Any, labels: Array, strength: float) -> tuple[Scorer, dict[str, Any]]:
    from sklearn.linear_model import Ridge

    mean, deviation = float(np.mean(labels)), float(np.std(labels)) or 1.0
    model = Ridge(alpha=1 / strength, solver="sparse_cg", tol=1e-6)
    model.fit(matrix, (labels - mean) / deviation)
    settings = {"kind": "ridge regression", "solver": "sparse_cg", "alpha": 1 / strength}
    return _Standardised(model, mean, deviation), settings


def _one_class(problem: Problem, splits: Splits) -> bool:
    """A train split of one class leaves nothing to fit: its share is all there is to say."""
    return problem.kind.has_classes and len(np.unique(splits["train"].labels)) < 2


def _all_classes(problem: Problem, known: Array, scores: Array) -> Array:
    return all_classes(scores, known, problem.classes) if problem.kind.has_classes else scores
