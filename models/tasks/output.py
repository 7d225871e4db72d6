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
      horizon: How many steps a forecast has; 0 for other tasks.
      quantiles: The rising levels that it gives for each step; the middle one is 0.5.
      history: The window feature that holds the label's own past; empty where there is none.
      season: How many steps back of it a forecast starts from; 0 starts from the window's mean.
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
    horizon: int = 0
    quantiles: tuple[float, ...] = ()
    history: str = ""
    season: int = 0
