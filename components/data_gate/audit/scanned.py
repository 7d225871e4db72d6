"""Columns of images and the like, of which the audit keeps facts instead of values."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from components.data_gate.config import AuditSpec
from models.content.kind import Content
from models.features.spec import FeaturesSpec


def scanned_contents(problem: FeaturesSpec) -> dict[str, Content]:
    """The raw columns whose values are not kept, with what reads them."""
    contents = {name: kind.content() for name, kind in problem.raw_columns().items()}
    return {
        name: content
        for name, content in contents.items()
        if content is not None and not content.keeps_values
    }


def most_rows(contents: dict[str, Content], spec: AuditSpec) -> int:
    """How many rows the audit may look at."""
    bounds = [getattr(spec, content.audit_key).rows for content in contents.values()]
    return int(min([spec.sample_rows, *bounds]))


class Scanner:
    """Keeps facts of values batch by batch, and gives tables with digests in their place.

    Attributes:
      contents: By raw column, what reads its values.
    """

    def __init__(self, contents: dict[str, Content]) -> None:
        self.contents = contents
        self._facts: dict[str, dict[str, list[Any]]] = {name: {} for name in contents}

    def scan(self, split: str, table: pa.Table) -> pa.Table:
        """Takes the next rows of a split."""
        for name, content in self.contents.items():
            facts = content.scan(table[name])
            self._facts[name].setdefault(split, []).append(facts)
            place = table.column_names.index(name)
            table = table.set_column(place, name, content.digests(facts))
        return table

    def facts(self) -> dict[str, dict[str, Any]]:
        """By column and split, the facts of all rows."""
        return {
            name: {split: content.join(parts) for split, parts in self._facts[name].items()}
            for name, content in self.contents.items()
        }
