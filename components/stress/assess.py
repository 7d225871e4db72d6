"""What the candidate loses under each stress, and when a feature is permuted."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import tensorflow as tf

from components.predictions.predict import label_ids
from components.row_files import files_of_row
from components.stress.config import StressJob, stressed_features
from components.stress.errors import error_examples
from components.stress.perturb import Inputs, perturb
from contracts.arrays import Array
from contracts.names import serving_name
from contracts.results.evidence import (
    Importance,
    Interval,
    NotMeasured,
    StressEvidence,
    StressResult,
)
from evidence.bootstrap import Draws, bootstrap, interval, number
from evidence.clusters import clusters_of
from evidence.config import AdversarialSpec, StressSpec
from evidence.groups import whole
from evidence.measures import Outcome, measure, sign_of, values
from models.export.encoding import BATCH_ROWS
from models.export.explanation import permutation_importance, raw_permutation_importance
from models.export.loaded_model import LoadedModel
from models.tasks import find_task
from models.tasks.forecast import point_forecast


@dataclass(frozen=True)
class _Test:
    """The model, the rows it is tried on, and what it says of them as they are."""

    job: StressJob
    model: LoadedModel
    inputs: Inputs
    labels: Array
    scores: Array
    clusters: Array | None

    @property
    def metric(self) -> str:
        return self.job.metric or find_task(self.job.problem.task).main_metric

    def outcome(self, scores: Array, rows: Array | slice = slice(None)) -> Outcome:
        encoding = self.model.encoding
        labels, threshold = self.labels[rows], encoding.threshold
        return Outcome(self.job.problem.task, labels, scores, threshold, encoding.forecast)


def assess(model: LoadedModel, table: pa.Table, job: StressJob) -> StressResult:
    """Measures what the main metric loses; a positive drop is a loss.

    Args:
      model: The candidate.
      table: Raw test rows: the features, the label, `job.cluster_columns`, and the files that
        the rows came from, where the examples know them.
      job: The stresses and how to judge.
    """
    columns = model.columns(table)
    test = _Test(
        job,
        model,
        Inputs(columns, _whole_numbers(table, columns)),
        label_ids(table[job.problem.label.name], job.problem),
        model.predict(columns),
        clusters_of(table, job.cluster_columns, job.block_length),
    )
    return StressResult(
        metric=test.metric,
        rows=table.num_rows,
        robustness=_robustness(test),
        importance=_importance(test) if job.importance.enabled else [],
        errors=[
            error.model_copy(update={"files": files_of_row(table, error.row, job.problem)})
            for error in error_examples(model, columns, test.labels, test.scores, job.problem)
        ],
        not_measured=list(_not_measured(test)),
    )


def _not_measured(test: _Test) -> Iterator[NotMeasured]:
    for name, stress in test.job.stress.items():
        if reason := _why_not(name, stress, test):
            features = list(stressed_features(name, stress, test.job.problem))
            yield NotMeasured(what=f"stress {name}", features=features, reason=reason)


def _why_not(name: str, stress: StressSpec, test: _Test) -> str:
    """Why a stress cannot be measured; empty where it can."""
    if not stressed_features(name, stress, test.job.problem):
        return "no feature is of a kind that offers it"
    if isinstance(stress, AdversarialSpec) and not test.model.is_explainable:
        return "the network does not join its features in one flat layer"
    return ""


def _whole_numbers(table: pa.Table, columns: Mapping[str, Array]) -> frozenset[str]:
    integers = {
        serving_name(name) for name in table.column_names if pa.types.is_integer(table[name].type)
    }
    return frozenset(name for name in integers & set(columns) if columns[name].dtype == np.float32)


def _robustness(test: _Test) -> list[StressEvidence]:
    job, rows = test.job, whole(len(test.labels))
    stresses = {
        name: stress for name, stress in job.stress.items() if not _why_not(name, stress, test)
    }
    scores = {name: _under(name, stress, test) for name, stress in stresses.items()}
    # The empty name is the model on rows as they are.
    outcomes = {name: test.outcome(found) for name, found in {"": test.scores, **scores}.items()}
    figures = {name: values(test.metric, one, rows)[0] for name, one in outcomes.items()}
    drawn = bootstrap(
        {name: measure(test.metric, one, rows) for name, one in outcomes.items()},
        Draws(len(test.labels), job.resamples, job.seed, test.clusters),
    )
    sign = sign_of(job.problem.task, test.metric)
    return [
        StressEvidence(
            name=name,
            kind=stress.kind,
            columns=list(stressed_features(name, stress, job.problem)),
            metric=interval(figures[name], drawn[name][:, 0], job.confidence),
            drop=interval(
                sign * (figures[""] - figures[name]),
                sign * (drawn[""] - drawn[name])[:, 0],
                job.confidence,
            ),
            bound=stress.max_drop,
            severity=stress.severity,
        )
        for name, stress in stresses.items()
    ]


def _under(name: str, stress: StressSpec, test: _Test) -> Array:
    """The scores of all rows under one stress; its draws depend on its name, not its place."""
    features = stressed_features(name, stress, test.job.problem)
    if isinstance(stress, AdversarialSpec):
        return _adversarial(stress, features, test)
    generator = np.random.default_rng([test.job.seed, zlib.crc32(name.encode())])
    kinds = test.job.problem.features
    inputs = [serving_name(column) for name in features for column in kinds[name].raw_columns(name)]
    return test.model.predict(perturb(stress, test.inputs, inputs, generator))


def _adversarial(stress: AdversarialSpec, features: tuple[str, ...], test: _Test) -> Array:
    """Moves each feature by epsilon to where the row's loss grows fastest.

    What the transform put in place of a missing value is moved too.
    """
    rows = len(test.labels)
    parts = [
        _moved(stress, features, test, slice(start, start + BATCH_ROWS))
        for start in range(0, max(rows, 1), BATCH_ROWS)
    ]
    return np.concatenate(parts)


def _moved(stress: AdversarialSpec, features: tuple[str, ...], test: _Test, rows: slice) -> Array:
    """The scores of some rows under the adversary: encoded, all of them would take much room."""
    columns = {name: column[rows] for name, column in test.inputs.columns.items()}
    labels = test.labels[rows]
    encoded = test.model.encode(columns)
    gradient = test.model.gradient(
        encoded, lambda scores, place: _loss(test, scores, labels[place])
    )
    for entry in test.model.encoding.features:
        if entry.feature in features:
            values_at = slice(entry.start, entry.stop - entry.indicator)
            encoded[:, values_at] += stress.epsilon * np.sign(gradient[:, values_at])
    return test.model.head(encoded)


def _loss(test: _Test, scores: tf.Tensor, labels: Array) -> tf.Tensor:
    task = test.job.problem.task
    if task == "multiclass":
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores)
    truth = tf.constant(labels, tf.float32)
    if task == "binary":
        return tf.nn.sigmoid_cross_entropy_with_logits(truth, scores[:, 0])
    if task == "forecast":
        return tf.reduce_mean(tf.abs(point_forecast(scores, truth.shape[1]) - truth), axis=1)
    return tf.square(scores[:, 0] - truth)


def _importance(test: _Test) -> list[Importance]:
    job, spec = test.job, test.job.importance
    rows = np.arange(len(test.labels))
    if len(rows) > spec.rows:
        rows = np.sort(np.random.default_rng(job.seed).choice(rows, spec.rows, replace=False))
    sign, every = sign_of(job.problem.task, test.metric), whole(len(rows))

    def loss(places: Array, scores: Array) -> float:
        outcome = test.outcome(scores, rows[places])
        return -sign * float(values(test.metric, outcome, every)[0])

    columns = {name: column[rows] for name, column in test.inputs.columns.items()}
    draws = (spec.repeats, job.confidence, job.seed)
    if test.model.is_explainable:
        importances = permutation_importance(test.model, test.model.encode(columns), loss, *draws)
    else:
        features = {
            name: [serving_name(column) for column in kind.raw_columns(name)]
            for name, kind in job.problem.features.items()
        }
        importances = raw_permutation_importance(test.model, columns, features, loss, *draws)
    importances.sort(key=lambda importance: -importance.value)
    return [
        Importance(
            feature=importance.feature,
            drop=Interval(
                value=number(importance.value),
                low=number(importance.low),
                high=number(importance.high),
            ),
        )
        for importance in importances
    ]
