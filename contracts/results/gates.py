"""`gates.json`: what was required of the candidate, and the verdict."""

from __future__ import annotations

from typing import ClassVar, Literal

from contracts.results.evidence import Cell, Interval
from contracts.results.files import Result, ResultFile

Outcome = Literal["pass", "block", "warn", "insufficient"]


class Gate(Result):
    """One requirement with the measured value, its interval and its bound.

    `subject` names the baseline model, the stress or the sensitive column it is about;
    `key` is the config key that decides, empty where none does.
    """

    gate: str
    metric: str = ""
    outcome: Outcome
    reason: str
    slice: dict[str, Cell] | None = None
    value: int | float | None = None
    low: float | None = None
    high: float | None = None
    bound: int | float | None = None
    subject: str = ""
    key: str = ""

    @property
    def figure(self) -> Interval:
        """The measured value with its interval."""
        return Interval(value=self.value, low=self.low, high=self.high)


class GateReport(ResultFile):
    """The verdict and every gate, those that block first."""

    FILE: ClassVar[str] = "gates.json"

    version: Literal[1] = 1
    blessed: bool
    gates: list[Gate]
