"""What a network predicts: plain data, free of TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class OutputSpec:
    """What a network predicts.

    Attributes:
      task: Decides the output's shape and activation.
      classes: How many classes there are; 0 for regression.
      mean: The label's mean on train; regression only.
      deviation: The label's standard deviation on train; regression only.
    """

    task: str
    classes: int = 0
    mean: float = 0.0
    deviation: float = 1.0
