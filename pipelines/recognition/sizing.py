"""Settings that depend on how many rows there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipelines.recognition.labels import LabelPlan

_LARGE = 20_000
_TEST_HEAVY = 5_000
_REFIT_BELOW = 20_000
_FEWEST_BINS = 8
# Encoded numbers a row: beyond this the first layer has more weights than rows can fit.
_MOST_ENCODED = 2_000


@dataclass(frozen=True)
class _Recipe:
    """How a table of fewer than `rows` rows is trained; see `Sizing`."""

    rows: float
    batch_size: int
    epochs: int
    patience: int
    learning_rate: float
    dropout: float
    weight_decay: float
    bins: int


# Small tables get many cheap epochs and strong regularisation, large ones large steps and fine
# bins: docs/first-runs.md has the measurements.
_RECIPES = (
    _Recipe(2_000, 32, 150, 20, 0.001, 0.3, 0.1, _FEWEST_BINS),
    _Recipe(5_000, 64, 100, 16, 0.001, 0.3, 0.1, _FEWEST_BINS),
    _Recipe(20_000, 128, 100, 12, 0.002, 0.2, 0.05, 16),
    _Recipe(100_000, 256, 40, 6, 0.004, 0.1, 0.02, 32),
    _Recipe(math.inf, 512, 10, 2, 0.002, 0.1, 0.05, 32),
)


@dataclass(frozen=True)
class Sizing:
    """What suits data of one size.

    Attributes:
      shares: Of train, val and test.
      units: Of each hidden layer of a member.
      members: Of the ensemble.
      bins: Of each numeric feature's piecewise encoding; 0 encodes none.
      dropout: Of the hidden layers.
      learning_rate: Of AdamW, at its peak.
      weight_decay: Of AdamW.
      epochs: At most so many.
      batch_size: Rows a step.
      patience: Epochs without gain on val before the fit stops.
      refit: Whether to fit once more on train and val.
      min_slice_rows: The rows that a slice needs to be judged.
      max_loss: What a candidate may lose against the last blessed model.
    """

    shares: tuple[float, float, float]
    units: tuple[int, ...]
    members: int
    bins: int
    dropout: float
    learning_rate: float
    weight_decay: float
    epochs: int
    batch_size: int
    patience: int
    refit: bool
    min_slice_rows: int
    max_loss: float


def size_for(rows: int, numeric_columns: int = 0) -> Sizing:
    """Settings for about `rows` rows in all, of which `numeric_columns` hold quantities.

    The fewer the rows, the larger the share that evaluation needs, and the smaller the batches,
    so that an epoch still has enough steps. The network is the same for all sizes: early
    stopping, dropout and weight decay keep a small table from overfitting.
    """
    shares = (0.6, 0.2, 0.2) if rows < _TEST_HEAVY else (0.8, 0.1, 0.1)
    recipe = next(recipe for recipe in _RECIPES if rows < recipe.rows)
    return Sizing(
        shares=shares,
        units=(128, 128),
        members=4,
        bins=_fitting_bins(recipe.bins, numeric_columns),
        dropout=recipe.dropout,
        learning_rate=recipe.learning_rate,
        weight_decay=recipe.weight_decay,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        patience=recipe.patience,
        refit=rows < _REFIT_BELOW,
        min_slice_rows=max(10, min(100, int(rows * shares[2]) // 20)),
        max_loss=0.01 if rows >= _LARGE else 0.03,
    )


def _fitting_bins(bins: int, numeric_columns: int) -> int:
    """Fewer bins where columns are many, none where they are very many."""
    fitting = _MOST_ENCODED // max(1, numeric_columns)
    return min(bins, fitting) if fitting >= _FEWEST_BINS else 0


@dataclass(frozen=True)
class Bound:
    """What a candidate must beat: a model that has learned nothing.

    Attributes:
      metric: The metric.
      value: What the constant guess reaches.
      max_loss: How much worse than the baseline is too much, in the metric's unit.
      guess: The constant guess in words.
    """

    metric: str
    value: float
    max_loss: float
    guess: str


def bound_for(label: LabelPlan, sizing: Sizing) -> Bound:
    """The bound that suits the task."""
    if label.task == "binary":
        return Bound("roc_auc", 0.5, sizing.max_loss, "chance")
    if label.task == "multiclass":
        # Rounded down: a proportion of the sample is not known to three places.
        share = math.floor(label.majority * 100) / 100
        return Bound("accuracy", share, sizing.max_loss, "naming the most frequent class")
    return Bound("r2", 0.0, sizing.max_loss, "naming the mean")
