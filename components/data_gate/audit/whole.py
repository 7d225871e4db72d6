"""What the audit counts over every row, batch by batch: nothing here is on a sample."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
from tfx_bsl.sketches import KmvSketch

from components.data_gate.audit.columns import Ints, labels_of, numbers_of, row_hashes
from components.data_gate.audit.row_store import RowStore
from components.example_gen.config import SplitSpec
from contracts.arrays import Array
from models.data.row_keys import time_keys
from models.features.spec import FeaturesSpec
from models.tasks import find_task

TRAIN = "train"
ROW = np.dtype([("features", "u8"), ("row", "u8"), ("label", "f8"), ("place", "i8")])
KEY = np.dtype([("key", "u8"), ("place", "i8")])
# Examples hold fractions in 32 bits, which tell whole numbers apart up to here.
_EXACT = 2.0**24
# Up to so many distinct values are counted exactly; more, to about 0.4 %.
_DISTINCT = 1 << 16


@dataclass(frozen=True)
class Spread:
    """Numbers in a few figures.

    Attributes:
      rows: How many there are.
      mean: Their mean.
      squares: The sum of squared distances from it.
      low: The least.
      high: The greatest.
    """

    rows: int = 0
    mean: float = 0.0
    squares: float = 0.0
    low: float = np.inf
    high: float = -np.inf

    @property
    def deviation(self) -> float:
        """The standard deviation."""
        return float(np.sqrt(self.squares / self.rows)) if self.rows else 0.0

    def joined(self, other: Spread) -> Spread:
        """The figures of both (Chan, Golub and LeVeque, 1983)."""
        if not self.rows or not other.rows:
            return other if other.rows else self
        rows, apart = self.rows + other.rows, other.mean - self.mean
        return Spread(
            rows,
            self.mean + apart * other.rows / rows,
            self.squares + other.squares + apart**2 * self.rows * other.rows / rows,
            min(self.low, other.low),
            max(self.high, other.high),
        )


def spread_of(numbers: Array) -> Spread:
    """Gives the figures of finite numbers."""
    if not len(numbers):
        return Spread()
    squares = float(numbers.std()) ** 2 * len(numbers)
    ends = float(numbers.min()), float(numbers.max())
    return Spread(len(numbers), float(numbers.mean()), squares, *ends)


@dataclass
class WholeRows:
    """Counts, keys and sketches of all rows.

    Attributes:
      problem: The task, the label and the features.
      split: How the rows were split.
      folder: Where keys are kept; None keeps them in memory.
      rows: By split.
      nulls: By split and column.
      classes: By split, rows by class id; empty for regression.
      numbers: By split, the label of a regression.
    """

    problem: FeaturesSpec
    split: SplitSpec
    folder: Path | None = None
    rows: dict[str, int] = field(default_factory=dict)
    nulls: dict[str, dict[str, int]] = field(default_factory=dict)
    classes: dict[str, Ints] = field(default_factory=dict)
    numbers: dict[str, Spread] = field(default_factory=dict)
    _sketches: dict[str, KmvSketch] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Makes the stores."""
        self.row_store = RowStore(ROW, "features", self._place("rows"))
        self.key_store = RowStore(KEY, "key", self._place("keys"))

    def add(self, split: str, table: pa.Table) -> None:
        """Counts the next rows of a split."""
        first = self.rows.get(split, 0)
        self.rows[split] = first + table.num_rows
        nulls = self.nulls.setdefault(split, {})
        for name in table.column_names:
            nulls[name] = nulls.get(name, 0) + table[name].null_count
        if self.problem.label.name in table.column_names:
            labels = labels_of(table, self.problem)
            self._add_labels(split, labels)
            self._add_rows(split, table, labels, first)
        if set(self.split.columns) <= set(table.column_names):
            self._add_keys(split, table, first)
        if self.folder is not None and split == TRAIN:
            for name in table.column_names:
                sketch = self._sketches.setdefault(name, KmvSketch(_DISTINCT))
                for chunk in table[name].chunks:
                    sketch.AddValues(chunk)

    def distinct(self, name: str) -> int | None:
        """About how many values a column of train has; None where the rows are in memory."""
        return int(self._sketches[name].Estimate()) if name in self._sketches else None

    def _add_labels(self, split: str, labels: Array) -> None:
        if find_task(self.problem.task).has_classes:
            size = len(self.problem.label_classes())
            counts = np.bincount(labels[labels >= 0], minlength=size)
            self.classes[split] = self.classes.get(split, 0) + counts
        else:
            spread = spread_of(labels[np.isfinite(labels)])
            self.numbers[split] = self.numbers.get(split, Spread()).joined(spread)

    def _add_rows(self, split: str, table: pa.Table, labels: Array, first: int) -> None:
        names = [name for name in self.problem.raw_columns() if name in table.column_names]
        records = np.empty(table.num_rows, ROW)
        records["features"] = row_hashes(table, names)
        records["row"] = row_hashes(table, [*names, self.problem.label.name])
        records["label"] = labels
        records["place"] = np.arange(first, first + table.num_rows)
        self.row_store.add(split, records)

    def _add_keys(self, split: str, table: pa.Table, first: int) -> None:
        if self.split.by == "time":
            self._add_times(split, table, first)
        if self.split.by != "key":
            return
        places = np.flatnonzero(_tellable(table, self.split.columns))
        hashes, at = np.unique(row_hashes(table, self.split.columns)[places], return_index=True)
        records = np.empty(len(hashes), KEY)
        records["key"], records["place"] = hashes, places[at] + first
        self.key_store.add(split, records)

    def _add_times(self, split: str, table: pa.Table, first: int) -> None:
        keys = _times(table[self.split.columns[0]])
        records = np.empty(len(keys), KEY)
        # In the order of the times, whatever their sign.
        records["key"] = keys.view(np.uint64) ^ np.uint64(1 << 63)
        records["place"] = first
        self.key_store.add(split, records)

    def _place(self, name: str) -> Path | None:
        return None if self.folder is None else self.folder / name


def whole_rows(
    tables: Mapping[str, pa.Table], problem: FeaturesSpec, split: SplitSpec
) -> WholeRows:
    """Counts rows that are in memory."""
    whole = WholeRows(problem, split)
    for name, table in tables.items():
        whole.add(name, table)
    return whole


def _times(column: pa.ChunkedArray) -> Ints:
    values = column.combine_chunks().drop_null()
    if pa.types.is_floating(values.type):
        values = values.cast(pa.float64())
    return time_keys(values)


def _tellable(table: pa.Table, columns: Sequence[str]) -> Array:
    """The rows whose key came through ExampleGen as it was."""
    exact = np.ones(table.num_rows, bool)
    for name in columns:
        if pa.types.is_floating(table[name].type):
            exact &= ~(np.abs(numbers_of(table[name])) >= _EXACT)
    return exact
