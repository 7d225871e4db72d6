"""What a check of the data audit gives, whoever makes it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from contracts.results.audit import DataFinding
from contracts.results.evidence import Severity

Outcome = Literal["pass", "block", "warn", "off"]


@dataclass(frozen=True)
class Checked:
    """One figure compared with its bound.

    Attributes:
      check: The key under `data.audit`.
      feature: The feature, the label or the columns that it is about; empty: whole rows.
      split: The split or splits.
      severity: What a failure does.
      figure: The number found; None where there is nothing to measure.
      bound: The number that it must not pass.
      outcome: What came of it.
      what: A sentence.
      fix: What to do about a failure.
    """

    check: str
    feature: str
    split: str
    severity: Severity
    figure: float | None
    bound: float | None
    outcome: Outcome
    what: str
    expected: str = ""
    received: str = ""
    fix: str = ""

    def to_dict(self) -> dict[str, Any]:
        """The figure as JSON."""
        names = ("check", "feature", "split", "severity", "figure", "bound", "outcome", "what")
        return {name: getattr(self, name) for name in names}

    def finding(self) -> DataFinding | None:
        """The finding of a check that failed."""
        if self.outcome not in ("block", "warn"):
            return None
        names = vars(self).keys() & DataFinding.model_fields.keys()
        fields = {name: getattr(self, name) for name in names}
        return DataFinding(**{**fields, "severity": self.outcome})


@dataclass(frozen=True)
class Part:
    """What one check gives: its figures, and whatever else the report shows of it."""

    checks: list[Checked] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


class Judged(TypedDict):
    """A figure, its bound and what came of them, as `Checked` takes them."""

    severity: Severity
    figure: float | None
    bound: float
    outcome: Outcome


def judged(
    severity: Severity, figure: float | None, bound: float, *, failed: bool | None = None
) -> Judged:
    """Compares a figure with its bound; a check that is off is not made.

    Args:
      severity: What a failure does.
      figure: The number found.
      bound: The number that it must not pass.
      failed: Whether it does; None where that is to be above it.
    """
    if failed is None:
        failed = figure is not None and figure > bound
    return Judged(
        severity=severity, figure=figure, bound=bound, outcome=severity if failed else "pass"
    )
