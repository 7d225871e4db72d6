"""What a check of the audit gets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa

from components.data_gate.audit.columns import Ints
from components.data_gate.audit.whole import WholeRows, whole_rows
from components.data_gate.config import AuditSpec
from components.example_gen.config import SplitSpec
from components.example_gen.series.findings import SeriesFindings
from components.row_files import files_of_row
from models.content.kind import Content
from models.features.spec import FeaturesSpec


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
      facts: By raw column and split, what its content kept of the values of the rows of a
        table, which has a digest of each in their place.
      series: What is odd in the long table that windows were cut from.
    """

    tables: Mapping[str, pa.Table]
    problem: FeaturesSpec
    spec: AuditSpec
    split: SplitSpec
    spans: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    places: Mapping[str, Ints] = field(default_factory=dict)
    counted: WholeRows | None = None
    read_row: Callable[[str, int], pa.Table] | None = None
    facts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    series: SeriesFindings | None = None

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

    def windows(self) -> list[str]:
        """The raw columns whose rows hold lists of steps."""
        kinds = self.problem.raw_columns()
        return [name for name in self.columns() if kinds[name].raw_size() > 1]

    def contents(self) -> dict[str, Content]:
        """The raw columns whose values are no scalars."""
        kinds = self.problem.raw_columns()
        contents = {name: kinds[name].content() for name in self.columns()}
        return {name: content for name, content in contents.items() if content is not None}

    def facts_of(self, name: str) -> Mapping[str, Any]:
        """By split, what the content of a raw column kept of its values."""
        if name in self.facts:
            return self.facts[name]
        content = self.contents()[name]
        return {split: content.scan(table[name]) for split, table in self.tables.items()}

    def name_row(self, split: str, place: int) -> str:
        """Names a row of a table, with its file where the examples know it."""
        named = f"row {self.places_of(split)[place] + 1} of split {split}"
        files = self.files_of(split, place)
        return f"{named} ({', '.join(files)})" if files else named

    def files_of(self, split: str, place: int) -> list[str]:
        """The files of a row of a table, of those that the examples know."""
        return files_of_row(self.tables[split], place, self.problem)

    def holds_numbers(self, name: str) -> bool:
        """Whether a feature's raw column holds numbers that are no codes of categories."""
        is_text = any(pa.types.is_string(table[name].type) for table in self.tables.values())
        return not self.problem.raw_columns()[name].is_category(is_text)
