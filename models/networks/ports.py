"""What a network takes and gives: plain data, free of TensorFlow."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from models.features.spec import Task


@dataclass(frozen=True)
class InputSpec:
    """One transformed feature as it enters a network.

    Attributes:
      name: The feature's name after the transform.
      kind: Numbers that enter as they are, or ids to one-hot encode or to embed.
      size: How many numbers a row has, or how many ids there are.
      dimension: The embedding's width; None derives it from `size`.
    """

    name: str
    kind: Literal["dense", "one_hot", "embedding"]
    size: int
    dimension: int | None = None

    def embedding_dimension(self) -> int:
        """The embedding's width: as configured, or grown slowly with the vocabulary."""
        if self.dimension is not None:
            return self.dimension
        return max(1, min(50, round(1.6 * math.pow(self.size, 0.56))))


@dataclass(frozen=True)
class OutputSpec:
    """What a network predicts.

    Attributes:
      task: Decides the output's shape and activation.
      classes: How many classes there are; 0 for regression.
      mean: The label's mean on train; regression only.
      deviation: The label's standard deviation on train; regression only.
    """

    task: Task
    classes: int = 0
    mean: float = 0.0
    deviation: float = 1.0
