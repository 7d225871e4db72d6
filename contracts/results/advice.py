"""What the figures advise: which model to use, and what to do next."""

from __future__ import annotations

from typing import Literal

from contracts.results.evidence import Interval
from contracts.results.files import Result

Verdict = Literal[
    "network",
    "smaller_model",
    "linear",
    "trees",
    "more_data",
    "better_labels",
    "better_features",
]


class CurvePoint(Result):
    """A main metric after training on so many rows."""

    rows: int
    metric: Interval


class LearningCurve(Result):
    """How a baseline model's main metric grows with the rows that it is trained on.

    Attributes:
      model: The baseline model: `linear` or `trees`.
      metric: The main metric.
      higher_is_better: Whether higher is better.
      test_rows: How many rows it was measured on.
      train_rows: How many rows train has.
      points: What was measured.
      law: The power law through the points, with its band, up to twice the rows of train.
      doubled: What to expect of twice the rows of train.
      gain: How much better that is (positive is better).
      seconds: What measuring it took.
    """

    model: str
    metric: str
    higher_is_better: bool
    test_rows: int
    train_rows: int
    points: list[CurvePoint]
    law: list[CurvePoint]
    doubled: Interval
    gain: Interval
    seconds: float


class Advice(Result):
    """What to do, from the figures.

    Attributes:
      verdict: The first thing to do.
      also: What is worth doing beside it.
      paragraph: Why, with the figures and the config keys.
    """

    verdict: Verdict
    also: list[Verdict] = []
    paragraph: str
