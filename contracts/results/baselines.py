"""`baselines.json`: how the baseline models were fitted."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from contracts.results.advice import LearningCurve
from contracts.results.evidence import NotMeasured
from contracts.results.files import Result, ResultFile
from contracts.results.sample import SampledRows


class PredictionCost(Result):
    """What predicting costs, from transformed features to scores, with one thread.

    Attributes:
      row_us: The median microseconds of one row predicted alone.
      bulk_row_us: Microseconds a row in a batch of up to 10,000 rows.
      bytes: What the model learned on train, pickled: coefficients or trees, and what its
        design matrix needs (means and deviations, or frequencies of ids).
    """

    row_us: float
    bulk_row_us: float
    bytes: int


class BaselineModel(Result):
    """One baseline model.

    Attributes:
      threshold: Its own operating threshold; binary only.
      val_metrics: By metric.
      seconds: Of the fit, with every choice that val makes.
      cost: What its predictions cost; None where nothing was predicted.
      settings: How it was fitted.
    """

    threshold: float | None = None
    val_metrics: dict[str, float | None]
    seconds: float
    cost: PredictionCost | None = None
    settings: dict[str, Any]


class BaselineReport(ResultFile):
    """The baseline models by name; each learned from `train_rows` rows at most.

    `learning_curve` is that of the better of linear model and trees on val; None where it is
    off or there were too few rows. Where `refit_rows` is given, each was fitted once more on that
    many rows of train and val, with what val chose: `cost` and the scores of test are those of
    that fit; thresholds, val's metrics and the learning curve are those of the fit before.
    """

    FILE: ClassVar[str] = "baselines.json"

    version: Literal[1] = 1
    models: dict[str, BaselineModel]
    rows: dict[str, int]
    train_rows: int
    seed: int
    learning_curve: LearningCurve | None = None
    refit_rows: int | None = None
    not_measured: list[NotMeasured] = []
    sampled: list[SampledRows] = []
