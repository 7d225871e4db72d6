"""Columns of examples as arrays: codes, numbers, class ids, hashes of rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from contracts.arrays import Array
from contracts.columns import list_values
from models.data.row_keys import hash_rows
from models.features.spec import FeaturesSpec
from models.tasks import find_task

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Hashes = NDArray[np.uint64]

_LISTS_AT_ONCE = 1 << 14


@dataclass(frozen=True)
class Codes:
    """A column as small numbers, one a distinct value; missing is a value, the last.

    Attributes:
      codes: By row.
      values: The distinct values, without the missing one, in the order of their codes.
    """

    codes: Ints
    values: pa.Array

    @property
    def size(self) -> int:
        """How many codes there may be, the missing one's among them."""
        return len(self.values) + 1

    def counts(self) -> Ints:
        """Rows by code."""
        return np.bincount(self.codes, minlength=self.size)


def codes_of(column: pa.ChunkedArray) -> Codes:
    """Numbers a column's distinct values; lists stand by their hashes."""
    if pa.types.is_fixed_size_list(column.type):
        column = pa.chunked_array([hash_rows({"": column.combine_chunks()})])
    encoded = column.combine_chunks().dictionary_encode()
    values = encoded.dictionary
    codes = encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False)
    return Codes(codes.astype(np.int64), values)


def is_text(column: pa.ChunkedArray) -> bool:
    """Whether a column holds text, as opposed to numbers."""
    return bool(pa.types.is_string(column.type))


def numbers_of(column: pa.ChunkedArray) -> Floats:
    """A column of numbers, a list by its mean; what is missing is NaN."""
    if pa.types.is_fixed_size_list(column.type):
        return np.concatenate([known_means(part) for part in list_parts(column)])
    numbers: Floats = column.cast(pa.float64()).fill_null(np.nan).to_numpy()
    return numbers


def lists_of(column: pa.ChunkedArray) -> Floats:
    """A column of lists of numbers, `[rows, steps]`; what is missing is NaN."""
    return list_values("", column, column.type.list_size, len(column)).astype(np.float64)


def list_parts(column: pa.ChunkedArray) -> Iterator[Floats]:
    """The same, some thousands of rows at a time: windows take much room."""
    for start in range(0, max(1, len(column)), _LISTS_AT_ONCE):
        yield lists_of(column.slice(start, _LISTS_AT_ONCE))


def known_means(lists: Floats) -> Floats:
    """The mean of each row's known values; NaN where it has none."""
    known = ~np.isnan(lists)
    counts = known.sum(axis=1)
    return np.where(
        counts > 0, np.where(known, lists, 0.0).sum(axis=1) / np.maximum(counts, 1), np.nan
    )


def labels_of(table: pa.Table, problem: FeaturesSpec) -> Array:
    """The label as class ids (int64, unknown is -1), or as numbers (float64, unknown is NaN).

    Of a label that is a list, such as a forecast's, it is the mean of the list.
    """
    column = table[problem.label.name]
    if not find_task(problem.task).has_classes:
        return numbers_of(column)
    classes = problem.label_classes()
    if is_text(column):
        known = pa.array([str(value) for value in classes], pa.string())
        return _places(column, known)
    if any(isinstance(value, str) for value in classes):
        return np.full(len(column), -1, np.int64)
    known = pa.array([float(value) for value in classes], pa.float64())
    return _places(column.cast(pa.float64()), known)


def row_hashes(table: pa.Table, names: Sequence[str]) -> Hashes:
    """One number a row: equal where all of the columns are equal."""
    if not table.num_rows or not names:
        return np.zeros(table.num_rows, np.uint64)
    # ExampleGen hashes text as bytes.
    columns = {
        name: (table[name].cast(pa.binary()) if is_text(table[name]) else table[name])
        for name in names
    }
    return hash_rows({name: column.combine_chunks() for name, column in columns.items()})


def sample(table: pa.Table, rows: int, rng: np.random.Generator) -> pa.Table:
    """Draws at most `rows` rows, in the order of the table."""
    if table.num_rows <= rows:
        return table
    return table.take(pa.array(np.sort(rng.choice(table.num_rows, rows, replace=False))))


def _places(column: pa.ChunkedArray, known: pa.Array) -> Ints:
    places: Ints = pc.fill_null(pc.index_in(column, known), -1).cast(pa.int64()).to_numpy()
    return places
