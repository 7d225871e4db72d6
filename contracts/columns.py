"""Names and missing values of raw columns, and rows of a table as requests bring them.

Training and serving share these conventions: a missing value is NaN in a float column,
`MISSING_INT` in an integer column and `MISSING_TEXT` in a text column.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

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


def served_columns(table: pa.Table, dtypes: dict[str, str]) -> dict[str, Array]:
    """Raw rows as a model's inputs take them, missing values in the model's own form.

    Args:
      table: Raw columns, by their own names or by those of the inputs; a missing value is
        null, and a column that is absent is missing in every row.
      dtypes: By input: float32, int64 or string. Text is given as bytes.
    """
    columns = {serving_name(name): table[name] for name in table.column_names}
    return {
        name: _served_column(columns.get(name), dtype, table.num_rows)
        for name, dtype in dtypes.items()
    }


def _served_column(column: pa.ChunkedArray | None, dtype: str, rows: int) -> Array:
    import pyarrow as pa

    kind, missing = {
        "float32": (pa.float32(), float("nan")),
        "int64": (pa.int64(), MISSING_INT),
        "string": (pa.binary(), MISSING_TEXT.encode()),
    }[dtype]
    if column is None:
        column = pa.chunked_array([pa.nulls(rows, kind)])
    if dtype == "string" and not pa.types.is_binary(column.type):
        column = column.cast(pa.string())
    # Unsafe: what float32 does not hold is rounded to its nearest, as it is when served.
    cast = column.cast(kind, safe=dtype != "float32")
    values: Array = cast.fill_null(missing).to_numpy()
    return values
