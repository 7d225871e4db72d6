"""The models of a teacher: trees or a linear model, fitted in folds and asked about the others."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.arrays import Array
from contracts.errors import ModelError
from models.data.design import (
    Columns,
    LinearDesign,
    TreeDesign,
    all_classes,
    learn_linear,
    learn_trees,
)
from models.networks import InputSpec
from models.training.config import TeacherSpec

Scorer = Callable[[Any], Array]

EVERY_FOLD = -1
"""The fold of a row that no model has seen."""

# The inverse of the penalty, the strongest first.
_STRENGTHS = (0.003, 0.03, 0.3, 3.0, 30.0)
_STEPS = 300
_LINEAR_ROWS = 20_000  # a line needs no more, and each penalty is a fit for each fold
_LEAST_SHARE = 1e-15
_SHARES = np.linspace(0.0, 1.0, 21)


@dataclass(frozen=True)
class FoldRows:
    """The rows of train that are fitted.

    Attributes:
      columns: Their transformed features.
      targets: Class ids, or numbers in the unit that the network learns.
      folds: The fold of each.
      weights: What each weighs; None weighs all alike.
      classes: How many classes the label has; 0 for numbers.
    """

    columns: Columns
    targets: Array
    folds: Array
    weights: Array | None
    classes: int

    @property
    def count(self) -> int:
        """How many folds there are."""
        return int(self.folds.max()) + 1

    def loss(self, scores: Array, chosen: Array | slice = slice(None)) -> float:
        """The log loss, or the squared error, of all or of the chosen rows."""
        targets = self.targets[chosen]
        if self.classes:
            shares = scores[np.arange(len(targets)), targets]
            losses = -np.log(np.maximum(shares, _LEAST_SHARE))
        else:
            losses = np.square(scores[:, 0] - targets)
        return float(np.average(losses, weights=self.weights_of(chosen)))

    def weights_of(self, chosen: Array | slice) -> Array | None:
        """The weights of the chosen rows."""
        return None if self.weights is None else self.weights[chosen]

    def kept(self, fold: int, most: int | None = None) -> Array:
        """The places of the rows that the fit of a fold takes.

        Args:
          fold: The one that is left out.
          most: At most so many; None takes all.

        Raises:
          ModelError: they are of one class.
        """
        places = np.flatnonzero(self.folds != fold)
        if most is not None and len(places) > most:
            places = places[:: -(-len(places) // most)]
        if self.classes and len(np.unique(self.targets[places])) < 2:
            raise ModelError(
                "Invalid folds for the teacher: the others leave rows of one class.",
                where="training.teacher.folds",
                expected="rows of two classes or more in every fit",
                received=f"{len(places)} rows of one class",
                fix="lower training.teacher.folds, or remove training.teacher",
            )
        return places


@dataclass(frozen=True)
class FoldModels:
    """One model a fold, fitted on the others.

    Attributes:
      design: Makes their matrix.
      scorers: By fold: from rows of the matrix to `[rows, classes]`, or `[rows, 1]` for numbers.
      settings: What was chosen by the rows left out.
    """

    design: TreeDesign | LinearDesign
    scorers: Sequence[Scorer]
    settings: Mapping[str, float]

    def scores(self, columns: Columns, folds: Array) -> Array:
        """Scores each row by the model that did not see it; rows of no fold by all of them."""
        matrix = self.design.matrix(columns)
        every = np.flatnonzero(folds == EVERY_FOLD)
        parts, places = [], []
        for fold, scorer in enumerate(self.scorers):
            apart = np.flatnonzero(folds == fold)
            if len(apart):
                parts.append(scorer(matrix[apart]))
                places.append(apart)
        if len(every):
            parts.append(np.mean([scorer(matrix[every]) for scorer in self.scorers], axis=0))
            places.append(every)
        found: Array = np.concatenate(parts)
        return found[np.argsort(np.concatenate(places))]


def fit_trees(
    rows: FoldRows,
    ports: Sequence[InputSpec],
    settings: TeacherSpec,
    seed: int,
    *,
    choose_rounds: bool,
) -> FoldModels:
    """Boosts trees on all folds but one, for each of them.

    Args:
      rows: What to fit.
      ports: The features.
      settings: Of boosting.
      seed: Of whatever is drawn.
      choose_rounds: Whether to keep only as many rounds as the rows left out like best.

    Raises:
      ModelError: a fold leaves rows of one class.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    design = learn_trees(ports, rows.columns)
    matrix = design.matrix(rows.columns)
    kind = HistGradientBoostingClassifier if rows.classes else HistGradientBoostingRegressor
    models = []
    # One thread: see components/baseline_models/estimators.py.
    with threadpool_limits(1):
        for fold in range(rows.count):
            kept = rows.kept(fold)
            model = kind(
                learning_rate=settings.learning_rate,
                max_iter=settings.rounds,
                max_leaf_nodes=settings.leaves,
                categorical_features=design.categorical(),
                early_stopping=False,
                random_state=seed,
            )
            models.append(model.fit(matrix[kept], rows.targets[kept], rows.weights_of(kept)))
        rounds = _best_rounds(models, matrix, rows) if choose_rounds else settings.rounds
    for model in models:
        # scikit-learn itself only lets one look at the first rounds.
        model._predictors = model._predictors[:rounds]
    return FoldModels(design, [_scorer(m, rows.classes) for m in models], {"rounds": rounds})


def _best_rounds(models: Sequence[Any], matrix: Array, rows: FoldRows) -> int:
    """The number of rounds with the least loss on the rows left out."""
    losses: Array = np.zeros(models[0].max_iter)
    for fold, model in enumerate(models):
        apart = np.flatnonzero(rows.folds == fold)
        stages = model.staged_predict_proba if rows.classes else model.staged_predict
        for place, scores in enumerate(stages(matrix[apart])):
            losses[place] += len(apart) * rows.loss(_wide(model, scores, rows.classes), apart)
    return int(np.argmin(losses)) + 1


def fit_linear(rows: FoldRows, ports: Sequence[InputSpec]) -> FoldModels:
    """Fits logistic or ridge regression; of some penalties, that which the rows left out like best.

    Args:
      rows: What to fit; of very many a part.
      ports: The features.

    Raises:
      ModelError: a fold leaves rows of one class.
    """
    from threadpoolctl import threadpool_limits

    design = learn_linear(ports, rows.columns)
    matrix = design.matrix(rows.columns)
    paths, losses = [], np.zeros(len(_STRENGTHS))
    with threadpool_limits(1):
        for fold in range(rows.count):
            kept, apart = rows.kept(fold, _LINEAR_ROWS), np.flatnonzero(rows.folds == fold)
            fit = _logistic(rows.classes) if rows.classes else _ridge
            known = matrix[kept], rows.targets[kept], rows.weights_of(kept)
            path = [fit(*known, strength) for strength in _STRENGTHS]
            losses += [len(apart) * rows.loss(scorer(matrix[apart]), apart) for scorer in path]
            paths.append(path)
    best = int(np.argmin(losses))
    return FoldModels(design, [path[best] for path in paths], {"strength": _STRENGTHS[best]})


def best_share(rows: FoldRows, trees: FoldModels, linear: FoldModels) -> float:
    """The trees' share in a mean of both that has the least loss on the rows left out."""
    first, second = (models.scores(rows.columns, rows.folds) for models in (trees, linear))
    losses = [rows.loss(share * first + (1 - share) * second) for share in _SHARES]
    return float(_SHARES[int(np.argmin(losses))])


def _scorer(model: Any, classes: int) -> Scorer:
    ask = model.predict_proba if classes else model.predict
    return lambda matrix: _wide(model, ask(matrix), classes)


def _wide(model: Any, scores: Array, classes: int) -> Array:
    return all_classes(scores, model.classes_, classes) if classes else scores[:, None]


def _logistic(classes: int) -> Callable[[Any, Array, Array | None, float], Scorer]:
    """Gives the fit, which goes on from the coefficients of the one before."""
    import copy

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=_STEPS, warm_start=True)

    def fit(matrix: Any, targets: Array, weights: Array | None, strength: float) -> Scorer:
        with warnings.catch_warnings():
            # The weakest penalties need most steps, and the rows left out judge them.
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.set_params(C=strength).fit(matrix, targets, weights)
        return _scorer(copy.deepcopy(model), classes)

    return fit


def _ridge(matrix: Any, targets: Array, weights: Array | None, strength: float) -> Scorer:
    from sklearn.linear_model import Ridge

    mean, deviation = float(np.mean(targets)), float(np.std(targets)) or 1.0
    model = Ridge(alpha=1 / strength, solver="sparse_cg", tol=1e-6)
    model.fit(matrix, (targets - mean) / deviation, weights)
    return lambda rows: (model.predict(rows) * deviation + mean)[:, None]
