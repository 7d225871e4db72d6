"""The first pass: the exact kind of every column over all files, and where rows are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from components.example_gen import kinds
from components.example_gen.calendar import (
    NoDateError,
    dated_columns,
    no_date,
    read_dates,
    source_columns,
)
from components.example_gen.config import IngestSpec
from components.example_gen.image_files import PIECE_FILES, folder_kinds, read_columns
from components.example_gen.numbers import likely_form
from components.example_gen.reading import (
    csv_batches,
    csv_header,
    open_parquet,
    place,
    quote_is_open,
)
from contracts.columns import holds_lists
from contracts.errors import DataError
from contracts.text import nearest

_PIECE_ROWS = 1 << 18


@dataclass(frozen=True)
class FileScan:
    """What one file holds.

    Attributes:
      path: The file.
      names: All its columns.
      kinds: The kind of each column that is read.
      rows: Its number of rows.
      pieces: The row groups to read together (Parquet), or none (CSV: the whole file), or
        the number of some files (a folder of images).
      piece_rows: The number of rows of each piece.
      is_folder: Whether it is a folder of class folders.
    """

    path: str
    names: tuple[str, ...]
    kinds: Mapping[str, str]
    rows: int
    pieces: tuple[tuple[int, ...], ...] = ()
    piece_rows: tuple[int, ...] = ()
    is_folder: bool = False


def columns_to_read(spec: IngestSpec) -> tuple[str, ...]:
    """Gives the columns that are written or that decide the split."""
    wanted = [*spec.columns, *spec.split.columns]
    if spec.split.by == "stratified":
        wanted.append(spec.label)
    return tuple(dict.fromkeys(wanted))


def scan_file(path: str, file_format: str, spec: IngestSpec) -> FileScan:
    """Scans one file.

    Raises:
      DataError: A column is missing, is of a wrong type, or the file cannot be read.
    """
    if file_format == "images":
        return _scan_folder(path, spec)
    return _scan_parquet(path, spec) if file_format == "parquet" else _scan_csv(path, spec)


def merge_kinds(scans: Sequence[FileScan], spec: IngestSpec) -> dict[str, str]:
    """Gives each column's kind over all files; a number that is always missing is a float."""
    merged = {
        name: kinds.LIST if name in spec.lists else kinds.join(scan.kinds[name] for scan in scans)
        for name in columns_to_read(spec)
    }
    lost = {name: kinds.FLOAT for name in spec.numbers if merged.get(name) == kinds.NULL}
    return {**merged, **lost}


def _scan_folder(path: str, spec: IngestSpec) -> FileScan:
    """A folder of class folders; a piece is some of its files."""
    column_kinds, rows = folder_kinds(path, spec)
    _require_columns(path, list(column_kinds), spec)
    column_kinds |= dict.fromkeys(spec.path_columns(), kinds.TEXT)
    sizes = [min(PIECE_FILES, rows - first) for first in range(0, rows, PIECE_FILES)]
    pieces = tuple((piece,) for piece in range(len(sizes)))
    wanted = {name: column_kinds[name] for name in columns_to_read(spec)}
    return FileScan(path, tuple(column_kinds), wanted, rows, pieces, tuple(sizes), is_folder=True)


def _scan_csv(path: str, spec: IngestSpec) -> FileScan:
    names = csv_header(path, spec)
    wanted = columns_to_read(spec)
    _require_columns(path, names, spec)
    _refuse_lists(path, wanted, spec)
    found = {**dict.fromkeys(wanted, kinds.NULL), **_derived_kinds(spec)}
    plain = [name for name in wanted if found[name] == kinds.NULL]
    rows, last = 0, None
    to_read = dict.fromkeys([*read_columns(wanted, spec), names[-1]])
    for batch in csv_batches(path, list(to_read), spec):
        for name in plain:
            text, form = batch.column(name), spec.number_form(name)
            found[name] = kinds.kind_of_text(text, found[name], form)
            if found[name] == kinds.TEXT and name in spec.numbers:
                raise _text_in_number(path, name, rows, text, spec)
        _require_dates(batch, path, rows, spec)
        rows += batch.num_rows
        if batch.num_rows:
            last = batch.column(names[-1])[-1].as_py()
    if quote_is_open(path, last, spec.encoding):
        raise DataError(
            f"{path} ends inside a quoted value",
            where=f"{path}, row {rows}, column {names[-1]}",
            fix="close the quote",
        )
    return FileScan(path, tuple(names), found, rows)


def _derived_kinds(spec: IngestSpec) -> dict[str, str]:
    return {**_dated_kinds(spec), **dict.fromkeys(spec.path_columns(), kinds.TEXT)}


def _dated_kinds(spec: IngestSpec) -> dict[str, str]:
    dated = dated_columns(columns_to_read(spec), spec)
    return {name: kinds.TEXT if name in spec.dates else kinds.INT for name in dated}


def _require_dates(batch: pa.RecordBatch, path: str, rows: int, spec: IngestSpec) -> None:
    try:
        read_dates(batch, source_columns(_dated_kinds(spec), spec), spec)
    except NoDateError as error:
        raise no_date(error, path, rows, spec, spec.where) from error


def _scan_parquet(path: str, spec: IngestSpec) -> FileScan:
    with open_parquet(path) as file:
        schema, metadata = file.schema_arrow, file.metadata
        _require_columns(path, schema.names, spec)
        wanted = columns_to_read(spec)
        types = {
            name: _kind_of_field(path, schema.field(name), spec)
            for name in read_columns(wanted, spec)
        }
        found = {name: types[name] for name in wanted if name in types} | _derived_kinds(spec)
        sizes = [metadata.row_group(i).num_rows for i in range(metadata.num_row_groups)]
    for name in spec.numbers:
        if found[name] == kinds.TEXT:
            raise DataError(
                f"column {name} must be a number, and is text",
                where=f"{path}, column {name}",
                expected="a number or a boolean",
                received=str(schema.field(name).type),
                fix=f"declare {name} as categorical in {spec.where}, or write it as a number",
            )
    pieces = _pieces(sizes)
    rows = tuple(sum(sizes[group] for group in groups) for groups in pieces)
    return FileScan(path, tuple(schema.names), found, sum(sizes), pieces, rows)


def _pieces(sizes: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Groups neighbouring row groups until they hold enough rows."""
    pieces: list[list[int]] = []
    held = _PIECE_ROWS
    for group, size in enumerate(sizes):
        if held >= _PIECE_ROWS:
            pieces.append([])
            held = 0
        pieces[-1].append(group)
        held += size
    return tuple(tuple(piece) for piece in pieces)


def _kind_of_field(path: str, field: pa.Field, spec: IngestSpec) -> str:
    if field.name in spec.lists:
        if not holds_lists(field.type):
            raise DataError(
                f"column {field.name} holds no lists of numbers",
                where=f"{path}, column {field.name}",
                expected=f"list<float> of {spec.lists[field.name]} values a row",
                received=str(field.type),
                fix=f"give the feature another type in {spec.where}, or write lists",
            )
        return kinds.LIST
    kind = kinds.kind_of_type(field.type)
    if kind is None:
        raise DataError(
            f"column {field.name} is nested",
            where=f"{path}, column {field.name}",
            expected="one plain value a row",
            received=str(field.type),
            fix="flatten the column, or leave it out of the features"
            + ("; lists of numbers are of type window" if holds_lists(field.type) else ""),
        )
    return kind


def _refuse_lists(path: str, wanted: Sequence[str], spec: IngestSpec) -> None:
    """CSV has no type for a list."""
    for name in wanted:
        if name in spec.lists:
            raise DataError(
                f"column {name} must hold lists of numbers, which CSV does not have",
                where=f"{path}, column {name}",
                expected="a Parquet file with a column of type list<float>",
                received="a CSV file",
                fix="write Parquet; or give the long table and data.series, which cuts windows",
            )


def _require_columns(path: str, names: Sequence[str], spec: IngestSpec) -> None:
    for name in spec.calendar():
        if name in names:
            raise DataError(
                f"{name!r} is a column of the data, and data.dates would give another",
                where=f"{path}; {spec.where}: data.dates",
                expected="parts of dates whose names are free",
                fix="rename the column, or leave the part out",
            )
    for key in ("units", "dates"):
        for name in getattr(spec, key):
            _require_column(path, name, f"column of data.{key}", names, spec)
    for name in read_columns(columns_to_read(spec), spec):
        _require_column(path, name, _role(name, spec), names, spec)


def _require_column(
    path: str, name: str, role: str, names: Sequence[str], spec: IngestSpec
) -> None:
    count = list(names).count(name)
    if count == 0:
        near = nearest(name, names)
        raise DataError(
            f"the {role} {name!r} does not exist in the data",
            where=f"{path}; named in {spec.where}",
            expected=f"a column {name!r}" + (f"; the nearest is {near!r}" if near else ""),
            received=f"{len(names)} columns: {', '.join(names)}",
            fix=f"write {near!r} instead" if near else "correct the name",
        )
    if count > 1:
        raise DataError(
            f"the {role} {name!r} occurs {count} times in the header",
            where=path,
            expected="one column of that name",
            fix="rename the others",
        )


def _role(name: str, spec: IngestSpec) -> str:
    if name == spec.label:
        return "label column"
    return "split column" if name in spec.split.columns else "column"


def _text_in_number(path: str, name: str, rows: int, text: pa.Array, spec: IngestSpec) -> DataError:
    at = kinds.first_invalid(text, kinds.FLOAT, spec.number_form(name))
    value = text[at].as_py()
    expected = "a number or a boolean"
    if spec.number_form(name) is not None:
        separated = f", thousands by {spec.thousands!r}" if spec.thousands else ""
        unit = f", the unit {spec.units[name]!r}" if name in spec.units else ""
        expected += f", its decimal mark {spec.decimal!r}{separated}{unit}"
    return DataError(
        f"column {name} must be a number, and holds text",
        where=f"{place(path, rows + at + 1, value, spec.encoding)}, column {name}",
        expected=expected,
        received=repr(value),
        fix=_number_fix(name, value, spec),
    )


def _number_fix(name: str, value: str, spec: IngestSpec) -> str:
    form = likely_form(pa.array([value]))
    if form is None:
        return (
            f"correct the value, add it to data.null_values, or declare {name} as "
            f"categorical in {spec.where}"
        )
    keys = {"decimal": form.decimal, "thousands": form.thousands}
    changes = [f"data.{key}: {new!r}" for key, new in keys.items() if new != getattr(spec, key)]
    if form.unit and form.unit != spec.units.get(name):
        changes.append(f"data.units: {{{name}: {form.unit!r}}}")
    return f"set {' and '.join(changes)} if all numbers are written so, or correct the value"
