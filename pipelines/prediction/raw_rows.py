"""Raw rows of a CSV or Parquet file as a model takes them, in batches of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen import kinds
from components.example_gen.calendar import NoDateError, no_date, read_dates, source_columns
from components.example_gen.config import RawFormat
from components.example_gen.files import format_of
from components.example_gen.image_files import (
    PATH_COLUMN,
    file_contents,
    holds_images,
    path_batches,
    small_batches,
)
from components.example_gen.reading import (
    csv_batches,
    csv_header,
    open_parquet,
    parquet_batches,
    place,
)
from contracts.columns import list_values
from contracts.errors import DataError
from contracts.names import serving_name
from contracts.storage.location import parse_location
from contracts.storage.objects import find_file
from contracts.text import did_you_mean, shorten, some
from models.data.text import text_of
from pipelines.prediction.model_rows import ModelRows

EXPECTED = {
    "number": "a number, true or false, or null",
    "integer": "a whole number or null",
    "text": "text or null",
    "image": "the path of an image, relative to the file, its bytes, or null",
}
_KINDS = {"number": kinds.FLOAT, "integer": kinds.INT, "text": kinds.TEXT, "image": kinds.TEXT}


@dataclass(frozen=True)
class RawRows:
    """A file, and where in it a model's columns are.

    Attributes:
      path: The file, its address in a bucket, or a folder of images.
      types: By the model's column: a `number`, an `integer` or `text`.
      found: By the model's column: the file's.
      header: All columns of the file.
      raw: How the file writes what it holds.
      keep: Columns of the file to give as they are, beside the model's.
      sizes: By the model's column whose rows hold lists of numbers, how long these are.
    """

    path: Path | str
    types: Mapping[str, str]
    found: Mapping[str, str]
    header: Sequence[str]
    raw: RawFormat
    keep: Sequence[str] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_folder(self) -> bool:
        """Whether the rows are the images of a folder."""
        return not isinstance(self.path, str) and self.path.is_dir()

    @property
    def missing(self) -> list[str]:
        """The model's columns that the file lacks."""
        return [name for name in self.types if name not in self.found]

    @property
    def unused(self) -> list[str]:
        """The file's columns that the model does not take."""
        return [name for name in self.header if name not in self.found.values()]

    def tables(self) -> Iterator[pa.Table]:
        """Streams the columns that were found: float64, int64, text or lists; missing is null.

        Raises:
          DataError: the file is broken, or a value is of another type than the model's.
        """
        for table, _ in self.tables_and_kept():
            yield table

    def tables_and_kept(self) -> Iterator[tuple[pa.Table, pa.Table]]:
        """As `tables`, with the columns to keep of the same rows: text, numbers or booleans.

        Raises:
          DataError: the file is broken, or a value is of another type than the model's.
        """
        first = 1
        for batch in self._batches():
            dated = self._dated(batch, first)
            columns = {
                name: self._stored(dated[column], name)
                if column in dated
                else self._typed(batch.column(column), name, first)
                for name, column in self.found.items()
            }
            kept = {name: _plain(name, batch.column(name)) for name in self.keep}
            yield pa.table(columns), pa.table(kept)
            first += batch.num_rows

    def file_of(self, name: str, row: int) -> str:
        """The path that a row has in a column of images, by the model's input, from 0.

        Empty where the column holds the images themselves.
        """
        column = next(found for known, found in self.found.items() if serving_name(known) == name)
        for batch in self.read_batches():
            if row < batch.num_rows:
                value = batch.column(column)[row].as_py()
                return value if isinstance(value, str) else ""
            row -= batch.num_rows
        return ""

    def _dated(self, batch: pa.RecordBatch, first: int) -> dict[str, pa.Array]:
        """The columns that come from dates, as training got them."""
        derived = [column for column in self.found.values() if column not in self._own()]
        try:
            return read_dates(batch, derived, self.raw)
        except NoDateError as error:
            where = "the model's format of raw data"
            raise no_date(error, str(self.path), first - 1, self.raw, where) from error

    def _own(self) -> set[str]:
        """The columns that the file has itself, and that are no dates."""
        return {column for column in self.header if column not in self.raw.dates}

    def _batches(self) -> Iterator[pa.RecordBatch]:
        images = [column for name, column in self.found.items() if self.types[name] == "image"]
        batches = self.read_batches()
        if not images:
            return batches
        path = str(self.path)
        return (part for batch in batches for part in small_batches(batch, path, images))

    def read_batches(self) -> Iterator[pa.RecordBatch]:
        """Streams the file's columns that were found, and those to keep, as they are."""
        path, own = str(self.path), self._own()
        if self.is_folder:
            return path_batches(path)
        derived = [column for column in self.found.values() if column not in own]
        plain = [column for column in self.found.values() if column in own]
        columns = list(dict.fromkeys([*plain, *source_columns(derived, self.raw), *self.keep]))
        if format_of(path) == "csv":
            return csv_batches(path, columns, self.raw)
        with open_parquet(path) as file:
            groups = range(file.num_row_groups)
        return parquet_batches(path, groups, columns, len(columns) + sum(self.sizes.values()))

    def _typed(self, values: pa.Array, name: str, first: int) -> pa.Array:
        """A column in the model's type; `first` is the number of its first row, from 1."""
        if name in self.sizes:
            return self._lists(values, name, first)
        if self.types[name] == "image":
            contents = file_contents(values, str(self.path), first - 1, self.found[name])
            return contents.cast(pa.binary())
        is_text = pa.types.is_string(values.type)
        if self.types[name] == "text":
            return values if is_text else self._stored(values, name)
        if is_text:
            return self._parsed(values, name, first)
        numbers = self._stored(values, name)
        if self.types[name] == "integer" and pa.types.is_floating(numbers.type):
            return self._whole(numbers, values, name, first)
        return numbers

    def _lists(self, values: pa.Array, name: str, first: int) -> pa.Array:
        size = self.sizes[name]
        path = str(self.path)
        matrix = list_values(self.found[name], values, size, len(values), first - 1, path)
        return pa.FixedSizeListArray.from_arrays(pa.array(matrix.ravel()), size)

    def _stored(self, values: pa.Array, name: str) -> pa.Array:
        """Values of a Parquet file, which has types of its own."""
        kind, wanted = kinds.kind_of_type(values.type), _KINDS[self.types[name]]
        if kind is None or (kind == kinds.TEXT and wanted != kinds.TEXT):
            raise self._of_another_type(name, str(self.path), f"values of type {values.type}")
        if wanted == kinds.INT and kind == kinds.FLOAT:
            wanted = kinds.FLOAT
        try:
            typed = kinds.canonical(values, wanted)
            return typed.cast(pa.string()) if wanted == kinds.TEXT else typed
        except pa.ArrowInvalid as error:
            raise self._of_another_type(name, str(self.path), str(error)) from error

    def _parsed(self, text: pa.Array, name: str, first: int) -> pa.Array:
        form = self.raw.number_form(self.found[name])
        if self.types[name] == "integer":
            whole = kinds.parse(text, kinds.INT, form)
            if whole is not None:
                return whole
        numbers = kinds.parse(text, kinds.FLOAT, form)
        if numbers is None:
            raise self._invalid_value(
                text, kinds.first_invalid(text, kinds.FLOAT, form), name, first
            )
        return numbers if self.types[name] == "number" else self._whole(numbers, text, name, first)

    def _whole(self, numbers: pa.Array, values: pa.Array, name: str, first: int) -> pa.Array:
        known = pc.fill_null(numbers, 0.0).to_numpy(zero_copy_only=False)
        broken = np.flatnonzero((known != np.trunc(known)) | (np.abs(known) >= 2.0**63))
        if len(broken):
            raise self._invalid_value(values, int(broken[0]), name, first)
        return numbers.cast(pa.int64())

    def _invalid_value(self, values: pa.Array, at: int, name: str, first: int) -> DataError:
        value = values[at].as_py()
        where = place(str(self.path), first + at, str(value), self.raw.encoding)
        return self._of_another_type(name, where, shorten(value))

    def _of_another_type(self, name: str, where: str, received: str) -> DataError:
        column = self.found[name]
        return DataError(
            f"the value of {column!r} is of another type than the model's",
            where=f"{where}, column {column!r}",
            expected=EXPECTED[self.types[name]],
            received=received,
            fix="give the values as they are in the data that the model was trained on",
        )


def _plain(name: str, values: pa.Array) -> pa.Array:
    """A column to keep: numbers and booleans as they are, all else as text."""
    kind = values.type
    if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
        return values
    if pa.types.is_nested(kind):
        raise DataError(
            f"the column {name!r} cannot be kept",
            where="--keep",
            expected="a column of text, numbers, booleans or dates",
            received=f"values of type {kind}",
        )
    return text_of(values) if pa.types.is_binary(kind) else values.cast(pa.string())


def open_rows(
    path: Path | str,
    types: Mapping[str, str],
    raw: RawFormat | None = None,
    keep: Sequence[str] = (),
    sizes: Mapping[str, int] | None = None,
) -> RawRows:
    """Finds a model's columns in a file.

    Args:
      path: A CSV or Parquet file, by its name or else by how it begins, or its address; or a
        folder of images.
      types: By column, what its values must be: a `number`, an `integer` or `text`. A column
        of the file may also go by the name that it has among a SavedModel's inputs.
      raw: How the file writes what it holds; None for plain CSV or Parquet.
      keep: Columns of the file to give as they are, beside the model's.
      sizes: By column whose rows hold lists of numbers, how long these are.

    Raises:
      DataError: there is no such file, it is broken, or it has none of the columns, or not
        one that is to be kept.
    """
    _require_file(path)
    raw = raw or RawFormat()
    if not isinstance(path, str) and path.is_dir():
        return _folder_rows(path, types, raw, keep)
    header = read_header(path, raw)
    # A file may also hold the calendar features themselves, as a client of a server sends them.
    derived = [
        name
        for name, (source, _) in raw.calendar().items()
        if source in header and name not in header
    ]
    found = _found(path, [*header, *derived], types)
    if not found:
        raise DataError(
            f"{path} has none of the model's features",
            where=str(path),
            expected=some(types),
            received=some(header),
        )
    for name in keep:
        if name not in header:
            raise DataError(
                f"{path} has no column {name!r} to keep",
                where="--keep",
                expected=some(header, 40),
                received=name,
                fix=did_you_mean(name, header),
            )
    return RawRows(path, types, found, header, raw, tuple(keep), sizes or {})


def _folder_rows(
    path: Path, types: Mapping[str, str], raw: RawFormat, keep: Sequence[str]
) -> RawRows:
    """The images of a folder, which are a row each with the one column `path`."""
    images = [name for name, kind in types.items() if kind == "image"]
    # A server does not say which text is an image.
    images = images or [name for name, kind in types.items() if kind == "text"]
    if len(images) != 1 or not holds_images(path):
        raise DataError(
            f"{path} is a folder, which is read for the one image that a model takes",
            where=str(path),
            expected="a folder of images, and a model with one image",
            received=f"a model with {some(images)}" if len(images) != 1 else "no image in it",
            fix="give a table with a column of paths for each image",
        )
    if set(keep) - {PATH_COLUMN}:
        raise DataError(
            f"a folder of images has no column {keep[0]!r} to keep",
            where="--keep",
            expected=PATH_COLUMN,
            received=some(keep),
        )
    known = {**types, images[0]: "image"}
    return RawRows(path, known, {images[0]: PATH_COLUMN}, [PATH_COLUMN], raw, tuple(keep))


def _require_file(path: Path | str) -> None:
    there = find_file(parse_location(path)) if isinstance(path, str) else path.exists()
    if not there:
        raise DataError(
            f"there is no file {path}", where="--data", expected="a CSV or Parquet file"
        )


def is_file(path: Path | str) -> bool:
    """Whether there is a file of that path or address; a folder is none."""
    if isinstance(path, str):
        return find_file(parse_location(path)) is not None
    return path.is_file()


def read_header(path: Path | str, raw: RawFormat) -> list[str]:
    """The columns of a CSV or Parquet file."""
    if format_of(str(path)) == "csv":
        return csv_header(str(path), raw)
    with open_parquet(str(path)) as file:
        return list(file.schema_arrow.names)


def _found(path: Path | str, header: Sequence[str], types: Mapping[str, str]) -> dict[str, str]:
    served: dict[str, list[str]] = {}
    for column in header:
        served.setdefault(serving_name(column), []).append(column)
    found: dict[str, str] = {}
    for name in types:
        candidates = served.get(serving_name(name), [])
        if len(candidates) > 1:
            raise DataError(
                f"{path} has several columns for the model's {name!r}",
                where=str(path),
                expected="one of them",
                received=some(candidates),
                fix="rename the others, or leave them out",
            )
        if candidates:
            found[name] = candidates[0]
    return found


def nth_row(rows: ModelRows, index: int) -> dict[str, Any]:
    """Gives one row, the first being 0, by the model's columns.

    Raises:
      DataError: there is no such row.
    """
    seen = 0
    for table, _ in rows.tables_and_kept():
        if 0 <= index < seen + table.num_rows:
            row: dict[str, Any] = table.slice(index - seen, 1).to_pylist()[0]
            return row
        seen += table.num_rows
    raise DataError(
        f"{rows.path} has no row {index}",
        where="--index",
        expected=f"0 to {seen - 1}" if seen else "a file with rows",
        received=str(index),
    )
