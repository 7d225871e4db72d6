"""Names and missing values of raw columns, and rows of a table as requests bring them.

Training and serving share these conventions: a missing value is NaN in a float column,
`MISSING_INT` in an integer column and `MISSING_TEXT` in a text column.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from contracts.errors import DataError
from contracts.names import serving_name

if TYPE_CHECKING:
    import pyarrow as pa

Array = np.ndarray[Any, Any]

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
        return _served_lists(name, column, taken, rows)
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


def _served_lists(name: str, column: pa.ChunkedArray | None, taken: RawInput, rows: int) -> Array:
    """Lists of numbers as `[rows, ...]`; a missing list is a row of missing values."""
    import pyarrow as pa
    import pyarrow.compute as pc

    size = int(np.prod(taken.shape))
    values = np.full([rows, size], np.nan, np.float32)
    if column is not None:
        lengths = pc.list_value_length(column).to_numpy(zero_copy_only=False)
        present = ~np.isnan(lengths.astype(np.float64))
        wrong = np.flatnonzero(present & (lengths != size))
        if len(wrong):
            raise DataError(
                f"The column {name!r} does not fit the model's input.",
                where=f"row {wrong[0]}",
                expected=f"{size} values in each row",
                received=f"{int(lengths[wrong[0]])} values",
            )
        numbers = pc.list_flatten(column).cast(pa.float32(), safe=False)
        values[present] = numbers.fill_null(float("nan")).to_numpy().reshape(-1, size)
    return values.reshape(rows, *taken.shape)
