"""Cross-validation: the same network, learned once a fold, scored on the rows it did not see.

The folds are cut from train. Val keeps its role in each of them: it stops the fit and
chooses temperature and threshold. Test is not touched.

The transform graph is the run's own: means, vocabularies and the like were learned on all
of train, hence also on the rows that a fold holds out. Labels are no part of it.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
import pyarrow as pa
import tensorflow_transform as tft

from contracts.arrays import Array
from contracts.errors import ModelError
from models.data.dataset import Split, split_of
from models.data.folds import Round
from models.data.labels import class_weights
from models.tasks import find_task
from models.training.config import TrainerSpec
from models.training.distribution import Device, choose_device
from models.training.fitting import Fit
from models.training.learning import choose_operating_point, fit_network, predict
from models.training.operating_point import measure_threshold
from models.training.teacher import Keys, fit_teacher

_LOG = logging.getLogger(__name__)

Metrics = dict[str, float | None]


@dataclass(frozen=True)
class Fold:
    """One fold: its metrics on the rows held out, and how its fit went."""

    metrics: Metrics
    rows: int
    epochs: int
    best_epoch: int
    seconds: float


def cross_validate(
    spec: TrainerSpec,
    graph: tft.TFTransformOutput,
    train: Mapping[str, Array],
    val: Mapping[str, Array],
    rounds: Sequence[Round],
    keys: Keys,
) -> list[Fold]:
    """Trains and scores once a fold.

    Args:
      spec: What the Trainer gets; every fold trains by it, seed included.
      graph: The transform graph.
      train: Transformed train, see `load_columns`.
      val: Transformed val.
      rounds: Which rows of train are learned from and held out, round by round.
      keys: Reads raw columns of train, for the folds of a teacher: it is fitted anew on the
        rows that a fold leaves.

    Raises:
      ModelError: in some fold the loss is not a number.
    """
    device = choose_device()
    label = spec.problem.label.name
    kept = split_of("val", val, label)
    order = np.random.default_rng(spec.seed).permutation(len(train[label]))
    found = []
    for number, fold in enumerate(rounds, 1):
        learned = np.zeros(len(order), bool)
        learned[fold.train] = True
        rows = {"train": order[learned[order]], "held out": fold.held}
        parts = {name: split_of(name, _take(train, places), label) for name, places in rows.items()}
        splits = {"train": parts["train"], "val": kept}
        if spec.training.teacher is not None:
            splits["train"] = _taught(spec, graph, splits["train"], rows["train"], keys)
        found.append(_one(spec, graph, splits, parts["held out"], device))
        _LOG.info("fold %d of %d: %s", number, len(rounds), found[-1])
    return found


def summarise(folds: Sequence[Metrics]) -> tuple[Metrics, Metrics]:
    """Mean and standard deviation of each metric, over the folds that have it."""
    mean: Metrics = {}
    deviation: Metrics = {}
    for name in folds[0]:
        values = [value for fold in folds if (value := fold[name]) is not None]
        mean[name] = float(np.mean(values)) if values else None
        deviation[name] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return mean, deviation


def _one(
    spec: TrainerSpec,
    graph: tft.TFTransformOutput,
    splits: dict[str, Split],
    held: Split,
    device: Device,
) -> Fold:
    started = time.monotonic()
    keras.utils.set_random_seed(spec.seed)
    weights = class_weights(spec.problem, splits["train"].labels, spec.training.class_weights)
    network, outcome = fit_network(spec, graph, splits, weights, device, None)
    _check(outcome, held)
    validation = choose_operating_point(spec, network, splits["val"])
    predictions = predict(network, held)
    point = validation.point
    if point is not None:
        point = measure_threshold(point.threshold, held.labels, predictions, spec.costs)
    return Fold(
        find_task(spec.problem.task).val_metrics(held.labels, predictions, point),
        held.rows,
        len(outcome.history),
        outcome.best_epoch,
        time.monotonic() - started,
    )


def _taught(
    spec: TrainerSpec, graph: tft.TFTransformOutput, train: Split, places: Array, keys: Keys
) -> Split:
    def drawn(names: Sequence[str]) -> pa.Table:
        return keys(names).take(pa.array(places))

    weights = class_weights(spec.problem, train.labels, spec.training.class_weights)
    return fit_teacher(spec, graph, train, np.arange(train.rows), drawn, weights)[1]


def _check(outcome: Fit, held: Split) -> None:
    if not outcome.not_a_number:
        return
    raise ModelError(
        "cross-validation was stopped: the loss is not a number",
        where=f"CrossValidation, the fold that holds out {held.rows} rows",
        expected="a finite loss on train and val",
        received=f"epoch {len(outcome.history)} without one",
        fix="lower training.optimizer.learning_rate, or leave evaluation.cross_validation out",
    )


def _take(columns: Mapping[str, Array], rows: Array) -> dict[str, Array]:
    return {name: values[rows] for name, values in columns.items()}
