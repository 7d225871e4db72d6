"""One raw row, as somebody writes it on the command line or as a file has it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from components.example_gen.config import RawFormat
from contracts.errors import ConfigError, DataError
from contracts.text import did_you_mean, shorten, some
from pipelines.prediction.raw_rows import EXPECTED, nth_row, open_rows

Row = dict[str, Any]

_EXAMPLE = """--row '{"distance": 733, "carrier": "UA"}'"""


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


def row_from_file(
    path: Path | str, index: int, types: Mapping[str, str], raw: RawFormat | None = None
) -> Row:
    """Reads the features in one row of a CSV or Parquet file, the first row being 0.

    Raises:
      DataError: there is no such file or row, or none of the features is in it.
    """
    return nth_row(open_rows(path, types, raw), index)


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
    if kind == "image" and isinstance(value, (str, bytes)):
        return value if isinstance(value, bytes) else _content(name, value)
    if kind not in ("text", "image") and isinstance(value, (bool, int, float, Decimal)):
        if kind == "number":
            return float(value)
        if value == int(value):
            return int(value)
    raise ConfigError(
        f"the value of {name!r} is of another type than the model's",
        where="the row",
        expected=EXPECTED[kind],
        received=shorten(value),
        fix="give the value as it is in the data",
    )


def _content(name: str, path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise DataError(
            f"the image {path} cannot be read",
            where=f"the row, column {name}",
            expected="the path of an image",
            received=error.strerror or str(error),
        ) from error
