"""A teacher: simpler models whose predictions of train are mixed with the labels to learn.

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

import numpy as np
import pyarrow as pa
import tensorflow_transform as tft

from contracts.arrays import Array
from contracts.errors import ConfigError
from contracts.results.training import TeacherReport
from models.data.dataset import Split
from models.data.design import Columns
from models.data.folds import deal_folds
from models.data.targets import column_chunks, with_targets
from models.data.transformed import input_specs, output_spec
from models.networks import InputSpec, OutputSpec
from models.tasks import Task, find_task
from models.tasks.label_scale import to_label, to_learned
from models.training.cluster import find_cluster
from models.training.config import TeacherSpec, TrainerSpec
from models.training.operating_point import choose_threshold
from models.training.teacher_models import (
    EVERY_FOLD,
    FoldModels,
    FoldRows,
    best_share,
    fit_linear,
    fit_trees,
)

_LOG = logging.getLogger(__name__)

Keys = Callable[[Sequence[str]], pa.Table]

WHERE = "training.teacher"


@dataclass(frozen=True)
class Teacher:
    """Fitted models.

    Attributes:
      task: The task.
      output: What the network learns: a label's scale is the models', too.
      weight: The share of a prediction in what is learned.
      parts: The models, each with its share in a prediction.
      folds: The fold of each row of train, in the order of the files.
    """

    task: Task
    output: OutputSpec
    weight: float
    parts: Sequence[tuple[float, FoldModels]]
    folds: Array

    def predict(self, rows: Split, places: Array) -> Array:
        """Predicts each row by the model that did not see it; rows beyond train by all of them.

        Args:
          rows: Train, or train and more rows after it.
          places: Of each row in the order of the files.
        """
        beyond = np.full(len(places) - len(self.folds), EVERY_FOLD)
        folds = np.concatenate([self.folds, beyond])[places]
        found, start = [], 0
        for columns in column_chunks(rows):
            end = start + len(next(iter(columns.values())))
            found.append(self._predict_chunk(columns, folds[start:end]))
            start = end
        return np.concatenate(found)

    def teach(self, rows: Split, places: Array, predicted: Array | None = None) -> Split:
        """Gives the rows with what is to be learned of them; see `predict`."""
        if predicted is None:
            predicted = self.predict(rows, places)
        return with_targets(rows, self.task.mixed_targets(rows.labels, predicted, self.weight))

    def _predict_chunk(self, columns: Columns, folds: Array) -> Array:
        scores: Array = np.sum(
            [share * models.scores(columns, folds) for share, models in self.parts], axis=0
        )
        if not self.task.has_classes:
            scores = to_label(self.output, scores[:, 0])
        return self.task.baseline_scores(scores)


def fit_teacher(
    spec: TrainerSpec,
    graph: tft.TFTransformOutput,
    train: Split,
    places: Array,
    keys: Keys,
    weights: Sequence[float] | None,
) -> tuple[Teacher, Split, TeacherReport]:
    """Fits models on all folds but one, for each of them, and gives train with what they say.

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
    output, known = output_spec(spec.problem, train.labels), train.labels[sample]
    ports = _ports(spec, graph)
    rows = FoldRows(
        _drawn(ports, train, sample),
        known.astype(np.int64) if task.has_classes else to_learned(output, known),
        folds[places][sample],
        None if weights is None else np.asarray(weights)[known.astype(np.int64)],
        len(spec.problem.label_classes()),
    )
    parts = _fit_parts(rows, ports, settings, spec.seed)
    teacher = Teacher(task, output, settings.weight, parts, folds)
    predicted = teacher.predict(train, places)
    taught = teacher.teach(train, places, predicted)
    report = TeacherReport(
        **settings.model_dump(exclude={"sample_rows", "rounds"}),
        rounds=int(parts[0][1].settings.get("rounds", 0)),
        tree_share=sum(share for share, models in parts if "rounds" in models.settings),
        by=spec.fold_rule.by,
        rows=len(rows.targets),
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
    trees = f"{report.rounds} rounds of boosting"
    fitted = {0.0: "a linear model", 1.0: trees}.get(
        report.tree_share, f"{trees} ({report.tree_share:.0%}) and of a linear model"
    )
    return (
        f"{report.folds} fits of {fitted} on {report.rows:,} rows, each without one "
        f"part of train{measured}; weight {report.weight:g}"
    )


def _fit_parts(
    rows: FoldRows, ports: Sequence[InputSpec], settings: TeacherSpec, seed: int
) -> list[tuple[float, FoldModels]]:
    """The models with their shares; those without one are left out."""
    if settings.kind == "linear":
        return [(1.0, fit_linear(rows, ports))]
    trees = fit_trees(rows, ports, settings, seed, choose_rounds=settings.kind == "blend")
    if settings.kind == "boosted_trees":
        return [(1.0, trees)]
    linear = fit_linear(rows, ports)
    share = best_share(rows, trees, linear)
    return [(part, models) for part, models in ((share, trees), (1 - share, linear)) if part > 0]


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


def _drawn(ports: Sequence[InputSpec], train: Split, sample: Array) -> dict[str, Array]:
    """The columns of the rows that are fitted."""
    parts: dict[str, list[Array]] = {port.name: [] for port in ports}
    start = 0
    for columns in column_chunks(train):
        kept = sample[start : start + len(next(iter(columns.values())))]
        start += len(kept)
        for name, values in parts.items():
            values.append(columns[name][kept])
    return {name: np.concatenate(values) for name, values in parts.items()}


def _metrics(spec: TrainerSpec, labels: Array, predicted: Array) -> dict[str, float | None]:
    task = find_task(spec.problem.task)
    point = choose_threshold(labels, predicted, spec.costs) if task.form == "binary" else None
    return task.val_metrics(labels, predicted, point)


def _digest(predicted: Array, places: Array) -> str:
    ordered = np.empty_like(predicted)
    ordered[places] = predicted
    return hashlib.sha256(ordered.tobytes()).hexdigest()
