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
    path: Path | str,
    index: int,
    types: Mapping[str, str],
    raw: RawFormat | None = None,
    sizes: Mapping[str, int] | None = None,
) -> Row:
    """Reads the features in one row of a CSV or Parquet file, the first row being 0.

    Of a long table of series, each row is the newest window of a series.

    Args:
      path: The file.
      index: The row.
      types: By column, what its values must be.
      raw: How the file writes what it holds.
      sizes: By column whose rows hold lists of numbers, how long these are.

    Raises:
      DataError: there is no such file or row, or none of the features is in it.
    """
    if raw is not None and raw.series is not None:
        from pipelines.prediction.series_rows import long_table

        series = long_table(path, types, sizes or {}, raw)
        if series is not None:
            return nth_row(series, index)
    return nth_row(open_rows(path, types, raw, sizes=sizes), index)


def checked_lists(row: Mapping[str, Any], sizes: Mapping[str, int]) -> Row:
    """Gives the lists of a row; None is a missing list, and in a list a missing step.

    Raises:
      ConfigError: A value is no list of that many numbers.
    """
    return {name: _list(name, row.get(name), size) for name, size in sizes.items()}


def _list(name: str, value: Any, size: int) -> list[float | None] | None:
    if value is None:
        return None
    steps = value if isinstance(value, (list, tuple)) else ()
    if len(steps) != size or not all(map(_is_step, steps)):
        raise ConfigError(
            f"the value of {name!r} is no list of {size} numbers",
            where="the row",
            expected=f"a list of {size} numbers, in which null is a missing step",
            received=f"a list of {len(steps)} values" if steps else shorten(value),
            fix="give one number for each step, the oldest first",
        )
    return [None if step is None or math.isnan(step) else float(step) for step in steps]


def _is_step(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


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
    if kind == "text" and isinstance(value, str) and _is_unicode(value):
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


def _is_unicode(text: str) -> bool:
    """Whether a text can be written as UTF-8: JSON may escape one half of a character."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


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
