"""`training.json`: how one fit went."""

from __future__ import annotations

import math
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from contracts.results.files import Result, ResultFile


def _none_for_nan(value: Any) -> Any:
    """None for NaN and infinity, which JSON does not have."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


Number = Annotated[int | float | None, BeforeValidator(_none_for_nan)]


class Diagnosis(Result):
    """Known training trouble: the figures that show it, and the usual remedy."""

    name: str
    evidence: str
    remedy: str


class OperatingPoint(Result):
    """A threshold, and what it does on the rows it was chosen on.

    Attributes:
      threshold: A row is positive when its probability is at least this.
      cost: The mean cost of a row.
      true_positives: Positives called positive.
      false_positives: Negatives called positive.
      true_negatives: Negatives called negative.
      false_negatives: Positives called negative.
    """

    threshold: float
    cost: float
    true_positives: int
    false_positives: int
    true_negatives: int
    false_negatives: int


class TemperatureScaling(Result):
    """A temperature, and what it does on the rows it was learned on.

    Attributes:
      temperature: What the scores were divided by: above 1 the network was too sure.
      log_loss_before: The log loss without it.
      log_loss_after: The log loss with it.
      error_before: The expected calibration error without it.
      error_after: The expected calibration error with it.
    """

    temperature: float
    log_loss_before: float
    log_loss_after: float
    error_before: float
    error_after: float


class IntervalScaling(Result):
    """How an interval of forecasts was stretched, and what that does on val.

    Attributes:
      low: The level of its lower end.
      high: The level of its upper end.
      factor: What its distances from the next interval within were multiplied by.
      coverage_before: The share of val's values within, without it.
      coverage_after: The same with it.
    """

    low: float
    high: float
    factor: float
    coverage_before: float
    coverage_after: float


class Refit(Result):
    """The fit on train and val that followed the first one; the network is that of this fit.

    Attributes:
      rows: Of train and val.
      epochs: As many as the best one of the first fit.
      loss: That of training in the last epoch.
      seconds: Of this fit alone.
    """

    rows: int
    epochs: int
    loss: float
    seconds: float


class TeacherReport(Result):
    """The models whose predictions of train were mixed with the labels that were learned.

    Attributes:
      kind: What was fitted.
      weight: The share of the predictions in what was learned.
      folds: How many fits there were, each without one part of train.
      by: What the folds kept together, as the split.
      rounds: Of boosting, that were kept; 0 without trees.
      tree_share: The trees' share in a prediction; the rest is a linear model's.
      learning_rate: Of each round.
      leaves: The most that a tree may have.
      rows: Of train, that the fits drew from.
      seconds: Of the fits and the predictions.
      digest: Of the predictions, in the order of the rows in their files.
      metrics: Of the predictions, by the labels: no row was predicted by a model that saw it.
    """

    kind: str
    weight: float
    folds: int
    by: str
    rounds: int
    tree_share: float = 1.0
    learning_rate: float
    leaves: int
    rows: int
    seconds: float
    digest: str
    metrics: dict[str, Number]


class TrainingReport(ResultFile):
    """The fit, epoch by epoch; None stands for NaN and infinity.

    `kept_weights` says whether the network has the weights of the best epoch as they were, or
    their moving average, because val's loss was lower with it. With `refit`, all that val says
    is about the first fit: history, diagnosis, operating point, calibration and metrics.
    """

    FILE: ClassVar[str] = "training.json"

    version: Literal[1] = 1
    device: str
    strategy: str
    precision: str
    rows: dict[str, int]
    epochs: int
    best_epoch: int
    kept_weights: Literal["raw", "average"] = "raw"
    stopped_early: bool
    seconds: float
    history: list[dict[str, Number]]
    diagnosis: list[Diagnosis]
    seed: int
    class_weights: dict[str, float] | None = None
    parameters: int
    operating_point: OperatingPoint | None = None
    calibration: TemperatureScaling | None = None
    intervals: list[IntervalScaling] = []
    val_metrics: dict[str, Number] | None = None
    refit: Refit | None = None
    teacher: TeacherReport | None = None
