"""Labels before training: checks, class weights, and what predicting nothing costs."""

from __future__ import annotations

from typing import Literal

import numpy as np

from contracts.arrays import Array
from contracts.errors import ConfigError, ModelError
from models.features.spec import FeaturesSpec
from models.tasks import find_task
from models.tasks.label_scale import LEAST_LOG1P


def check_labels(problem: FeaturesSpec, labels: Array, split: str) -> None:
    """Refuses labels that cannot be learned from.

    Raises:
      ModelError: there are no rows, a label is missing, or it is none of the classes.
    """
    name = problem.label.name
    if not len(labels):
        raise ModelError(
            f"split {split!r} has no rows",
            where="Trainer",
            fix="give the split a larger share, or bring more data",
        )
    bad = find_task(problem.task).invalid_labels(labels)
    if not bad.any():
        _check_logarithm(problem, labels, split)
        return
    classes = ", ".join(map(str, problem.label_classes()))
    raise ModelError(
        f"label {name!r} is missing or unknown in {int(bad.sum())} rows of split {split!r}",
        where=f"label {name!r}, the first in row {int(np.argmax(bad))} of the split as read",
        expected=f"one of: {classes}" if classes else "a number",
        received=f"{int(bad.sum())} of {len(labels)} rows without one",
        fix="complete label.classes, or remove the rows that have no label from the data",
    )


def _check_logarithm(problem: FeaturesSpec, labels: Array, split: str) -> None:
    if problem.label.scale != "log1p" or labels.min() > LEAST_LOG1P:
        return
    raise ModelError(
        f"label {problem.label.name!r} has no log1p in {int((labels <= LEAST_LOG1P).sum())} rows "
        f"of split {split!r}",
        where="label.scale",
        expected=f"labels greater than {LEAST_LOG1P:g}",
        received=f"{labels.min():g} in row {int(labels.argmin())} of the split as read",
        fix="set label.scale to quantile or standard, or correct the labels",
    )


def class_weights(
    problem: FeaturesSpec, labels: Array, setting: Literal["none", "balanced"] | dict[str, float]
) -> list[float] | None:
    """Gives a weight per class id, or None where all rows weigh alike.

    `balanced` gives every class the same total and keeps the mean weight at one.

    Raises:
      ConfigError: the config weighs a class that does not exist.
    """
    classes = [str(value) for value in problem.label_classes()]
    if setting == "none":
        return None
    if not find_task(problem.task).has_classes:
        raise ConfigError(
            "a regression task has no classes to weigh",
            where="training.class_weights",
            expected="none",
            received=str(setting),
            fix="remove training.class_weights",
        )
    if setting == "balanced":
        counts = np.bincount(labels.astype(np.int64), minlength=len(classes))
        present = np.maximum(counts, 1)
        return [float(weight) for weight in len(labels) / (np.sum(counts > 0) * present)]
    unknown = sorted(set(setting) - set(classes))
    if unknown:
        raise ConfigError(
            f"training.class_weights names {unknown[0]!r}, which is no class of the label",
            where="training.class_weights",
            expected=f"some of: {', '.join(classes)}",
            received=", ".join(unknown),
            fix="correct the name, or add it to label.classes",
        )
    return [setting.get(name, 1.0) for name in classes]


def constant_guess_loss(problem: FeaturesSpec, labels: Array, weights: list[float] | None) -> float:
    """The loss on train of always predicting the label's distribution, weighted as training is."""
    task = find_task(problem.task)
    return task.constant_guess_loss(labels, len(problem.label_classes()), weights)
