"""Columns that come from dates: the date itself as ISO text, and its calendar features.

Training and `kelp predict` read files through this one module, so a model sees the same
month of the same raw date in both. A client of the served model sends the features.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import pyarrow as pa

from components.example_gen.config import RawFormat
from components.example_gen.reading import place
from contracts.errors import DataError
from models.data.dates import calendar_part, column_moments, first_no_date, iso_text, likely_formats


class NoDateError(ValueError):
    """A value is no date in its column's form.

    Attributes:
      column: The column.
      position: The value's position in the batch.
      value: The value as text.
      formats: The common forms that the batch's values are written in.
    """

    def __init__(self, column: str, position: int, values: pa.Array) -> None:
        super().__init__(f"column {column} holds no date")
        self.column = column
        self.position = position
        value = values[position].as_py()
        self.value = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
        self.formats = likely_formats(values.cast(pa.string()))


def source_columns(names: Iterable[str], raw: RawFormat) -> list[str]:
    """Gives the columns of a file that the wanted ones come from, each once."""
    calendar = raw.calendar()
    return list(dict.fromkeys(calendar[name][0] if name in calendar else name for name in names))


def dated_columns(names: Iterable[str], raw: RawFormat) -> list[str]:
    """Gives those of the columns that are dates or come from one."""
    calendar = raw.calendar()
    return [name for name in names if name in calendar or name in raw.dates]


def read_dates(batch: pa.RecordBatch, names: Sequence[str], raw: RawFormat) -> dict[str, pa.Array]:
    """Gives the canonical columns (see `kinds`) of dates and of what comes from them.

    Args:
      batch: Raw columns of a file.
      names: The columns wanted; those that are no dates are passed over.
      raw: The format of the dates.

    Raises:
      NoDateError: A value is no date.
    """
    calendar, moments, columns = raw.calendar(), {}, {}
    for name in dated_columns(names, raw):
        source, part = calendar.get(name, (name, ""))
        if source not in moments:
            moments[source] = _moments(batch.column(source), source, raw)
        columns[name] = calendar_part(moments[source], part) if part else iso_text(moments[source])
    return columns


def no_date(error: NoDateError, path: str, row: int, raw: RawFormat, where: str) -> DataError:
    """Explains a value that is no date.

    Args:
      error: What was found.
      path: The file.
      row: The number of its rows before the batch.
      raw: The format of the dates.
      where: What names the column as a date, such as the config.
    """
    wanted = raw.dates[error.column].format
    number = row + error.position + 1
    known = Path(path).suffix in (".parquet", ".pq", ".parq")
    line = f"{path}, row {number}" if known else place(path, number, error.value, raw.encoding)
    form = next(iter(error.formats), "")
    return DataError(
        f"column {error.column} must be a date, and holds another value",
        where=f"{line}, column {error.column}; data.dates in {where}",
        expected="an ISO date or time" if wanted == "iso" else f"a date in the form {wanted}",
        received=repr(error.value),
        fix=f"set data.dates.{error.column}.format: {form!r}"
        if form
        else "correct the value, or add it to data.null_values",
    )


def _moments(values: pa.Array, source: str, raw: RawFormat) -> pa.Array:
    form = raw.dates[source].format
    moments = column_moments(values, form)
    if moments is None:
        raise NoDateError(source, first_no_date(values, form), values)
    return moments
