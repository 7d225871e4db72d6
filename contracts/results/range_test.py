"""`range_test.json`: the loss of training while the learning rate rises."""

from __future__ import annotations

from typing import ClassVar, Literal

from contracts.results.files import ResultFile


class RangeTest(ResultFile):
    """What a sweep of learning rates came to.

    Attributes:
      optimizer: The kind that was swept.
      current: The learning rate of the config.
      rates: The rate of each step, rising.
      losses: The training loss of each step.
      smoothed: The same curve without most of its noise.
      lowest: The rate at which the smoothed loss is lowest.
      steepest: The rate below `lowest` at which it falls fastest.
      diverges: The rate beyond `lowest` at which half of the fall is lost again; None where
        the sweep ended before.
      recommended: The learning rate to take.
    """

    FILE: ClassVar[str] = "range_test.json"

    version: Literal[1] = 1
    optimizer: str
    current: float
    rates: list[float]
    losses: list[float]
    smoothed: list[float]
    lowest: float
    steepest: float
    diverges: float | None
    recommended: float
