"""One raw row, as somebody writes it on the command line or as a file has it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from models.errors import ConfigError, DataError
from pipelines._text import did_you_mean, shorten, some

Row = dict[str, Any]

_EXAMPLE = """--row '{"distance": 733, "carrier": "UA"}'"""
_EXPECTED = {
    "number": "a number, true or false, or null",
    "integer": "a whole number or null",
    "text": "text or null",
}


def row_from_text(text: str) -> Row:
    """Reads `--row`: JSON, or `@FILE` with JSON in it.

    Raises:
      ConfigError: it is neither.
    """
    where = "--row"
    if text.startswith("@"):
        path = Path(text[1:])
        where = str(path)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{path} cannot be read", where="--row", expected="@FILE", received=str(error)
            ) from error
    try:
        row = json.loads(text)
    except json.JSONDecodeError as error:
        raise ConfigError(
            "the row is not JSON",
            where=where,
            expected="a JSON object of features and their values",
            received=f"{error} in {shorten(text)}",
            fix=_EXAMPLE,
        ) from error
    if not isinstance(row, dict):
        raise ConfigError(
            "the row is not a JSON object",
            where=where,
            expected="an object of features and their values",
            received=shorten(row),
            fix=_EXAMPLE,
        )
    return row


def row_from_file(path: Path, index: int, types: Mapping[str, str]) -> Row:
    """Reads the features in one row of a CSV or Parquet file, the first row being 0.

    Raises:
      DataError: there is no such file or row, or none of the features is in it.
    """
    import pyarrow as pa
    from pyarrow import dataset

    if not path.is_file():
        raise DataError(
            f"there is no file {path}", where="--data", expected="a CSV or Parquet file"
        )
    try:
        source = dataset.dataset(str(path), format=_format(path, types))
        names = [name for name in source.schema.names if name in types]
        table = source.head(index + 1, columns=names) if index >= 0 and names else None
        if table is not None and table.num_rows > index:
            row: Row = table.slice(index).to_pylist()[0]
            return row
        rows = source.count_rows()
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} cannot be read",
            where=str(path),
            expected="a CSV or Parquet file",
            received=str(error),
        ) from error
    if not names:
        raise DataError(
            f"{path} has none of the model's features",
            where=str(path),
            expected=some(types),
            received=some(source.schema.names),
        )
    raise DataError(
        f"{path} has no row {index}",
        where="--index",
        expected=f"0 to {rows - 1}" if rows else "a file with rows",
        received=str(index),
    )


def checked(row: Mapping[str, Any], types: Mapping[str, str]) -> Row:
    """Gives every feature its value as the model takes it; None is missing.

    Args:
      row: Features and raw values; those that are not given are missing.
      types: By feature: number, integer or text.

    Raises:
      ConfigError: the row names what is no feature, or gives a value of another type.
    """
    for name in row:
        if name not in types:
            raise ConfigError(
                f"{name!r} is no feature of this model",
                where="--row",
                expected=f"some of: {some(types, 40)}",
                received=name,
                fix=did_you_mean(name, types),
            )
    return {name: _value(name, row.get(name), kind) for name, kind in types.items()}


def _value(name: str, value: Any, kind: str) -> Any:
    if value is None or (isinstance(value, float) and math.isnan(value)) or value == "":
        return None
    if kind == "text" and isinstance(value, str):
        return value
    if kind != "text" and isinstance(value, (bool, int, float, Decimal)):
        if kind == "number":
            return float(value)
        if value == int(value):
            return int(value)
    raise ConfigError(
        f"the value of {name!r} is of another type than the model's",
        where="the row",
        expected=_EXPECTED[kind],
        received=shorten(value),
        fix="give the value as it is in the data",
    )


def _format(path: Path, types: Mapping[str, str]) -> Any:
    """Parquet by its name; text features of a CSV file are not taken for numbers."""
    import pyarrow as pa
    import pyarrow.csv as pa_csv
    from pyarrow import dataset

    from components.example_gen.config import DataSpec

    if path.suffix in (".parquet", ".pq"):
        return dataset.ParquetFileFormat()
    nulls: tuple[str, ...] = DataSpec.model_fields["null_values"].default
    options = pa_csv.ConvertOptions(
        strings_can_be_null=True,
        null_values=list(nulls),
        column_types={name: pa.string() for name, kind in types.items() if kind == "text"},
    )
    return dataset.CsvFileFormat(convert_options=options)
