"""Names and missing values of raw columns, and rows of a table as requests bring them.

Training and serving share these conventions: a missing value is NaN in a float column,
`MISSING_INT` in an integer column and `MISSING_TEXT` in a text column. A column may hold a list
of floats in each row, all equally long: a missing step is NaN in its list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.arrays import Array
from contracts.errors import DataError
from contracts.names import serving_name

if TYPE_CHECKING:
    import pyarrow as pa


MISSING_INT = -(2**63)
MISSING_TEXT = ""
MISSING_TOKEN = "__missing__"
# What raw values must be, by the type of the input that takes them.
TYPES = {"float32": "number", "int64": "integer", "string": "text"}


def indicator_name(feature: str) -> str:
    """The transformed feature that says whether `feature` was missing."""
    return f"{feature}_missing"


@dataclass(frozen=True)
class RawInput:
    """What an input of a model takes of a raw column.

    Attributes:
      dtype: float32, int64 or string.
      shape: The shape of a row's value; () is one value.
    """

    dtype: str
    shape: tuple[int, ...] = ()


def served_columns(table: pa.Table, inputs: Mapping[str, RawInput]) -> dict[str, Array]:
    """Raw rows as a model's inputs take them, missing values in the model's own form.

    Args:
      table: Raw columns, by their own names or by those of the inputs; a missing value is
        null, and a column that is absent is missing in every row.
      inputs: By name, what each takes. Text is given as bytes.

    Raises:
      DataError: a list has not as many values as the input takes.
    """
    columns = {serving_name(name): table[name] for name in table.column_names}
    return {
        name: _served_column(name, columns.get(name), taken, table.num_rows)
        for name, taken in inputs.items()
    }


def _served_column(name: str, column: pa.ChunkedArray | None, taken: RawInput, rows: int) -> Array:
    import pyarrow as pa

    if taken.shape:
        lists = list_values(name, column, int(np.prod(taken.shape)), rows)
        return lists.reshape(rows, *taken.shape)
    kind, missing = {
        "float32": (pa.float32(), float("nan")),
        "int64": (pa.int64(), MISSING_INT),
        "string": (pa.binary(), MISSING_TEXT.encode()),
    }[taken.dtype]
    if column is None:
        column = pa.chunked_array([pa.nulls(rows, kind)])
    if taken.dtype == "string" and not pa.types.is_binary(column.type):
        column = column.cast(pa.string())
    # Unsafe: what float32 does not hold is rounded to its nearest, as it is when served.
    cast = column.cast(kind, safe=taken.dtype != "float32")
    values: Array = cast.fill_null(missing).to_numpy()
    return values


def list_sizes(inputs: Mapping[str, RawInput]) -> dict[str, int]:
    """How long the lists of those inputs are that take one for each row."""
    return {name: taken.shape[0] for name, taken in inputs.items() if len(taken.shape) == 1}


def list_values(
    name: str, column: Any, size: int, rows: int, first_row: int = 0, where: str = ""
) -> Array:
    """Gives lists of numbers as a matrix, float32 `[rows, size]`; what is missing is NaN.

    Args:
      name: The column's name, for an error.
      column: An Arrow array, chunked or not; None where it is missing in every row.
      size: How long each list must be.
      rows: How many rows there are.
      first_row: How many rows come before them, for the place of an error.
      where: The file, for an error.

    Raises:
      DataError: A list is longer or shorter, or the column holds no lists of numbers.
    """
    if column is None:
        return np.full([rows, size], np.nan, np.float32)
    lists = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    if not holds_lists(lists.type):
        raise _wrong_list(name, size, f"values of type {lists.type}", where)
    wrong = np.flatnonzero(_lengths(lists, size) != size)
    if len(wrong):
        at = int(wrong[0])
        row = f"{where}, row {first_row + at + 1}".removeprefix(", ")
        raise _wrong_list(name, size, f"{len(lists[at])} values", row)
    matrix = np.full([rows, size], np.nan, np.float32)
    present = lists.is_valid().to_numpy(zero_copy_only=False)
    # Of a list that is null, `flatten` gives no values.
    values = lists.flatten().cast("float32", safe=False).to_numpy(zero_copy_only=False)
    matrix[present] = values.reshape(-1, size)
    return matrix


def holds_lists(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists of numbers."""
    import pyarrow as pa

    lists = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)
    numbers = (pa.types.is_floating, pa.types.is_integer, pa.types.is_boolean, pa.types.is_null)
    return any(test(kind) for test in lists) and any(test(kind.value_type) for test in numbers)


def _lengths(lists: pa.Array, size: int) -> Array:
    """How long each list is; one that is null counts as whole."""
    import pyarrow.compute as pc

    lengths: Array = pc.fill_null(pc.list_value_length(lists), size).to_numpy(zero_copy_only=False)
    return lengths


def _wrong_list(name: str, size: int, received: str, where: str) -> DataError:
    return DataError(
        f"the column {name!r} does not hold lists of {size} numbers",
        where=f"{where}, column {name!r}".removeprefix(", "),
        expected=f"a list of {size} numbers, in which null or NaN is a missing step",
        received=received,
        fix="give every row a list of that length",
    )
