"""Settings that depend on how many rows there are."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pipelines.recognition.labels import LabelPlan

_STEPS_AN_EPOCH = 100
_LARGE = 20_000


_BY_ROWS: tuple[tuple[int | None, int, int, int], ...] = (
    # Up to so many rows: units, epochs, patience.
    (1_000, 32, 100, 10),
    (10_000, 64, 40, 8),
    (100_000, 128, 20, 4),
    (None, 256, 12, 3),
)


@dataclass(frozen=True)
class Sizing:
    """What suits data of one size."""

    shares: tuple[float, float, float]
    units: tuple[int, ...]
    batch_norm: bool
    dropout: float
    epochs: int
    batch_size: int
    patience: int
    min_slice_rows: int
    max_loss: float


def size_for(rows: int) -> Sizing:
    """Settings for about `rows` rows in all.

    The fewer the rows, the larger the share that evaluation needs, the smaller the network,
    and the smaller the batches, so that an epoch still has enough steps.
    """
    shares = (0.6, 0.2, 0.2) if rows < 5_000 else (0.8, 0.1, 0.1)
    steps = int(rows * shares[0]) // _STEPS_AN_EPOCH
    batch = 1 << max(4, min(10, steps.bit_length()))
    width, epochs, patience = next(
        (width, epochs, patience)
        for limit, width, epochs, patience in _BY_ROWS
        if limit is None or rows < limit
    )
    return Sizing(
        shares=shares,
        units=(width, width // 2),
        # Batch norm needs batches whose statistics mean something.
        batch_norm=rows >= 1_000,
        dropout=0.1 if rows >= _LARGE else 0.2,
        epochs=epochs,
        batch_size=batch,
        patience=patience,
        min_slice_rows=max(10, min(100, int(rows * shares[2]) // 20)),
        max_loss=0.01 if rows >= _LARGE else 0.03,
    )


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
