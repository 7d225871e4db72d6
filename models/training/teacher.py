"""A teacher: boosted trees whose predictions of train are mixed with the labels to learn.

A label of two classes says little about how likely a row was to have it; trees that were fitted
on other rows say more. A network that learns from both follows the trees where they are right,
and the labels where they are not (Frosst and Hinton went the other way, "Distilling a neural
network into a soft decision tree", 2017; out-of-fold predictions are those of stacking: Wolpert,
"Stacked generalization", 1992).
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow_transform as tft

from contracts.errors import ConfigError, ModelError
from contracts.results.training import TeacherReport
from models.data.dataset import Split
from models.data.design import TreeDesign, all_classes, learn_trees
from models.data.folds import deal_folds
from models.data.targets import column_chunks, with_targets
from models.data.transformed import input_specs
from models.networks import InputSpec
from models.tasks import Task, find_task
from models.training.cluster import find_cluster
from models.training.config import TeacherSpec, TrainerSpec
from models.training.operating_point import choose_threshold

_LOG = logging.getLogger(__name__)

Array = np.ndarray[Any, Any]
Keys = Callable[[Sequence[str]], pa.Table]

WHERE = "training.teacher"
_EVERY_FOLD = -1


@dataclass(frozen=True)
class Teacher:
    """Fitted trees, one model a fold.

    Attributes:
      task: The task.
      weight: The share of a prediction in what is learned.
      design: Makes their matrix.
      models: By fold, that which did not see it.
      folds: The fold of each row of train, in the order of the files.
      classes: How many classes the label has; 0 for numbers.
    """

    task: Task
    weight: float
    design: TreeDesign
    models: Sequence[Any]
    folds: Array
    classes: int

    def predict(self, rows: Split, places: Array) -> Array:
        """Predicts each row by the model that did not see it; rows beyond train by all of them.

        Args:
          rows: Train, or train and more rows after it.
          places: Of each row in the order of the files.
        """
        beyond = np.full(len(places) - len(self.folds), _EVERY_FOLD)
        folds = np.concatenate([self.folds, beyond])[places]
        parts, start = [], 0
        for columns in column_chunks(rows):
            matrix = self.design.matrix(columns)
            parts.append(self._of_folds(matrix, folds[start : start + len(matrix)]))
            start += len(matrix)
        return np.concatenate(parts)

    def teach(self, rows: Split, places: Array, predicted: Array | None = None) -> Split:
        """Gives the rows with what is to be learned of them; see `predict`."""
        if predicted is None:
            predicted = self.predict(rows, places)
        return with_targets(rows, self.task.mixed_targets(rows.labels, predicted, self.weight))

    def _of_folds(self, matrix: Array, folds: Array) -> Array:
        every = folds == _EVERY_FOLD
        scores: Array = np.zeros([len(matrix), max(self.classes, 1)])
        for fold, model in enumerate(self.models):
            rows = every | (folds == fold)
            if rows.any():
                scores[rows] += _scores(model, matrix[rows], self.classes)
        scores[every] /= len(self.models)
        return self.task.baseline_scores(scores if self.classes else scores[:, 0])


def fit_teacher(
    spec: TrainerSpec,
    graph: tft.TFTransformOutput,
    train: Split,
    places: Array,
    keys: Keys,
    weights: Sequence[float] | None,
) -> tuple[Teacher, Split, TeacherReport]:
    """Fits trees on all folds but one, for each of them, and gives train with what they say.

    Args:
      spec: What the Trainer gets, with a teacher.
      graph: The transform graph.
      train: The split that is learned from.
      places: Of each row of it in the order of `keys`; see `file_places`.
      keys: Reads raw columns of train.
      weights: A weight per class id, as the network's; None weighs all rows alike.

    Raises:
      ConfigError: there are too few rows, keys or moments for the folds; several machines
        train together; or no feature is one that trees can take.
      ModelError: a fold leaves rows of one class.
    """
    settings = spec.training.teacher
    if settings is None:
        raise ValueError("the spec has no training.teacher")
    _refuse_cluster()
    started = time.monotonic()
    task = find_task(spec.problem.task)
    labels = np.empty_like(train.labels)
    labels[places] = train.labels
    strata = labels if task.has_classes else np.zeros(len(labels))
    folds = deal_folds(spec.fold_rule, strata, keys, settings.folds, spec.seed, f"{WHERE}.folds")
    sample = _sample(len(labels), settings.sample_rows, spec.seed)[places]
    design, matrix = _design(_ports(spec, graph), train, sample)
    known, apart = train.labels[sample], folds[places][sample]
    row_weights = None if weights is None else np.asarray(weights)[known.astype(np.int64)]
    fit = _Fit(settings, spec.seed, design.categorical(), task.has_classes)
    models = [fit(matrix, known, apart != fold, row_weights) for fold in range(settings.folds)]
    teacher = Teacher(
        task, settings.weight, design, models, folds, len(spec.problem.label_classes())
    )
    predicted = teacher.predict(train, places)
    taught = teacher.teach(train, places, predicted)
    report = TeacherReport(
        **settings.model_dump(exclude={"sample_rows"}),
        by=spec.fold_rule.by,
        rows=len(matrix),
        seconds=time.monotonic() - started,
        digest=_digest(predicted, places),
        metrics=_metrics(spec, train.labels, predicted),
    )
    _LOG.info("teacher: %s", describe_teacher(report, task.main_metric))
    return teacher, taught, report


def describe_teacher(report: TeacherReport, metric: str) -> str:
    """Gives the teacher in one line.

    Args:
      report: On its fits.
      metric: That of its out-of-fold predictions which is named.
    """
    value = report.metrics.get(metric)
    measured = "" if value is None else f", {metric} {value:.4f} on the rows left out"
    return (
        f"{report.folds} fits of {report.rounds} rounds on {report.rows:,} rows, each without one "
        f"part of train{measured}; weight {report.weight:g}"
    )


@dataclass(frozen=True)
class _Fit:
    """How one model is fitted."""

    settings: TeacherSpec
    seed: int
    categorical: Array
    has_classes: bool

    def __call__(self, matrix: Array, labels: Array, kept: Array, weights: Array | None) -> Any:
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

        if self.has_classes and len(np.unique(labels[kept])) < 2:
            raise ModelError(
                "Invalid folds for the teacher: the others leave rows of one class.",
                where=f"{WHERE}.folds",
                expected="rows of two classes or more in every fit",
                received=f"{int(kept.sum())} rows of one class",
                fix="lower training.teacher.folds, or remove training.teacher",
            )
        kind = HistGradientBoostingClassifier if self.has_classes else HistGradientBoostingRegressor
        model = kind(
            learning_rate=self.settings.learning_rate,
            max_iter=self.settings.rounds,
            max_leaf_nodes=self.settings.leaves,
            categorical_features=self.categorical,
            early_stopping=False,
            random_state=self.seed,
        )
        # One thread: see components/baseline_models/estimators.py.
        with threadpool_limits(1):
            return model.fit(matrix[kept], labels[kept], None if weights is None else weights[kept])


def _scores(model: Any, matrix: Array, classes: int) -> Array:
    if not classes:
        number: Array = model.predict(matrix)[:, None]
        return number
    return all_classes(model.predict_proba(matrix), model.classes_, classes)


def _refuse_cluster() -> None:
    cluster = find_cluster()
    if cluster is None:
        return
    raise ConfigError(
        "Invalid training.teacher: several machines train together.",
        where=WHERE,
        expected="a Trainer on one machine: trees are fitted by one",
        received=f"TF_CONFIG with {len(cluster.workers)} machines",
        fix="remove training.teacher, or unset TF_CONFIG",
    )


def _ports(spec: TrainerSpec, graph: tft.TFTransformOutput) -> list[InputSpec]:
    ports = [port for port in input_specs(spec.problem, graph) if port.encoding.design is not None]
    if ports:
        return ports
    raise ConfigError(
        "Invalid training.teacher: no feature is one that trees can take.",
        where=WHERE,
        expected="a numeric, categorical or other feature of one value a row",
        received=", ".join(f"{name} ({kind.type})" for name, kind in spec.problem.features.items()),
        fix="remove training.teacher",
    )


def _sample(rows: int, most: int, seed: int) -> Array:
    """Flags the rows that are fitted, in the order of the files."""
    flags = np.ones(rows, bool)
    if rows > most:
        flags[:] = False
        flags[np.random.default_rng(seed).choice(rows, most, replace=False)] = True
    return flags


def _design(ports: list[InputSpec], train: Split, sample: Array) -> tuple[TreeDesign, Array]:
    """Gives the design and the matrix of the rows that are fitted."""
    parts: dict[str, list[Array]] = {port.name: [] for port in ports}
    start = 0
    for columns in column_chunks(train):
        kept = sample[start : start + len(next(iter(columns.values())))]
        start += len(kept)
        for name, values in parts.items():
            values.append(columns[name][kept])
    drawn = {name: np.concatenate(values) for name, values in parts.items()}
    design = learn_trees(ports, drawn)
    return design, design.matrix(drawn)


def _metrics(spec: TrainerSpec, labels: Array, predicted: Array) -> dict[str, float | None]:
    task = find_task(spec.problem.task)
    point = choose_threshold(labels, predicted, spec.costs) if task.form == "binary" else None
    return task.val_metrics(labels, predicted, point)


def _digest(predicted: Array, places: Array) -> str:
    ordered = np.empty_like(predicted)
    ordered[places] = predicted
    return hashlib.sha256(ordered.tobytes()).hexdigest()
