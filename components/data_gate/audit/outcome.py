"""What a check of the audit gets, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

import numpy as np
import pyarrow as pa

from components.data_gate.audit.columns import Ints
from components.data_gate.audit.whole import WholeRows, whole_rows
from components.data_gate.config import AuditSpec, Severity
from components.example_gen.config import SplitSpec
from contracts.results.audit import DataFinding
from models.features.spec import FeaturesSpec

Outcome = Literal["pass", "block", "warn", "off"]


@dataclass(frozen=True)
class AuditData:
    """All that the checks look at.

    Attributes:
      tables: The examples by split, of the splits that there are, as `read_table` gives them;
        of many rows, a sample.
      problem: The task, the label and the features.
      spec: Severities and bounds.
      split: How the rows were split.
      spans: By split, its spans in the order of its rows, each with its number of rows;
        empty where they are not known.
      places: By split, the place of each row of a sample in its split; empty where `tables`
        have all rows.
      counted: What was counted over all rows; None where `tables` have them.
      read_row: Reads the row at a place of a split, where `tables` are a sample.
    """

    tables: Mapping[str, pa.Table]
    problem: FeaturesSpec
    spec: AuditSpec
    split: SplitSpec
    spans: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    places: Mapping[str, Ints] = field(default_factory=dict)
    counted: WholeRows | None = None
    read_row: Callable[[str, int], pa.Table] | None = None

    @cached_property
    def whole(self) -> WholeRows:
        """What is counted over all rows, also where `tables` are a sample."""
        return self.counted or whole_rows(self.tables, self.problem, self.split)

    def places_of(self, split: str) -> Ints:
        """The place in its split of each row of a table."""
        rows = self.tables[split].num_rows
        return self.places[split] if split in self.places else np.arange(rows)

    def row_at(self, split: str, place: int) -> pa.Table:
        """Gives the row at a place of a split."""
        if self.read_row is not None:
            return self.read_row(split, place)
        return self.tables[split].slice(place, 1)

    def columns(self) -> list[str]:
        """The raw columns of features that every table has, in the config's order."""
        held = [set(table.column_names) for table in self.tables.values()]
        return [name for name in self.problem.raw_columns() if all(name in names for names in held)]

    def features(self) -> list[str]:
        """Those of `columns` whose kind offers an audit."""
        kinds = self.problem.raw_columns()
        return [name for name in self.columns() if kinds[name].audit_checks is not None]

    def holds_numbers(self, name: str) -> bool:
        """Whether a feature's raw column holds numbers that are no codes of categories."""
        is_text = any(pa.types.is_string(table[name].type) for table in self.tables.values())
        return not self.problem.raw_columns()[name].is_category(is_text)


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
        return DataFinding(
            severity="block" if self.outcome == "block" else "warn",
            feature=self.feature,
            split=self.split,
            what=self.what,
            expected=self.expected,
            received=self.received,
            check=self.check,
            figure=self.figure,
            bound=self.bound,
            fix=self.fix,
        )


@dataclass(frozen=True)
class Part:
    """What one check gives: its figures, and whatever else the report shows of it."""

    checks: list[Checked] = field(default_factory=list)
    details: dict[str, Any] = field(default_factory=dict)


def outcome_of(severity: Severity, failed: bool) -> Outcome:
    """What comes of a check that was made; one that is off is not made."""
    return severity if failed else "pass"
