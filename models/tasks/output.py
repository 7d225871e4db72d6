"""What a network predicts: plain data, free of TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OutputSpec:
    """What a network predicts.

    Attributes:
      task: Decides the output's shape and activation.
      classes: How many classes there are; 0 for regression.
      mean: The mean on train of what is learned of the label; regression only.
      deviation: Its standard deviation on train; regression only.
      scale: What is learned of the label: see models/tasks/label_scale.py.
      low: The least of it that can be predicted.
      high: The greatest of it that can be predicted.
      scores: Rising points of it, where `scale` is `quantile`.
      values: The labels at these points.
    """

    task: str
    classes: int = 0
    mean: float = 0.0
    deviation: float = 1.0
    scale: str = "standard"
    low: float = 0.0
    high: float = 0.0
    scores: tuple[float, ...] = ()
    values: tuple[float, ...] = ()
