"""Reads raw files as streams of Arrow record batches, and explains what cannot be read."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from components.example_gen.config import RawFormat
from components.example_gen.text_encoding import UTF8, open_text, utf8_file, wrong_encoding
from contracts.errors import DataError
from contracts.storage.errors import is_of_server, storage_problem, without_secrets
from contracts.storage.location import is_remote, parse_location
from contracts.storage.objects import open_random, open_stream

BLOCK_BYTES = 4 << 20
_BATCH_ROWS = 32768
_BATCH_CELLS = 1 << 20
_BATCH_BYTES = 64 << 20
# How far into an object the line of a bad row is looked for.
_SEARCHED_BYTES = 256 << 20


def csv_header(path: str, spec: RawFormat) -> list[str]:
    """Gives the names in a CSV file's first line."""
    with _explained(path, "CSV", spec.encoding):
        try:
            with utf8_file(path, spec.encoding, BLOCK_BYTES) as text:
                names = _header(path, text, spec)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" not in str(error):
                raise
            names = _lone_header(path, spec)
        if any("\0" in name for name in names):
            raise UnicodeError("a name holds the byte 0")
    return list(names)


def csv_batches(path: str, columns: Sequence[str], spec: RawFormat) -> Iterator[pa.RecordBatch]:
    """Streams the columns of a CSV file as text; missing values are null.

    Raises:
      DataError: A row has too few or too many fields, or the file is not CSV in its encoding.
    """
    with (
        _explained(path, "CSV", spec.encoding),
        utf8_file(path, spec.encoding) as text,
    ):
        try:
            yield from _open_csv(text, spec, columns)
        except pa.ArrowInvalid as error:
            if "Empty CSV file" in str(error):
                return
            _refuse_encoding(path, spec.encoding)
            row = _bad_row(text, spec, columns)
            if row is None:
                raise
            raise _wrong_fields(path, row, spec.encoding) from error


def open_parquet(path: str) -> pq.ParquetFile:
    """Opens a Parquet file and reads its footer."""
    with _explained(path, "Parquet"):
        return pq.ParquetFile(open_random(path))


def parquet_batches(
    path: str, row_groups: Sequence[int], columns: Sequence[str], values: int | None = None
) -> Iterator[pa.RecordBatch]:
    """Streams columns of some row groups of a Parquet file.

    Args:
      path: The file.
      row_groups: Its row groups.
      columns: Its columns.
      values: How many values a row holds; None where each column has one.
    """
    with open_parquet(path) as file, _explained(path, "Parquet"):
        rows = max(256, min(_BATCH_ROWS, _BATCH_CELLS // max(1, values or len(columns))))
        rows = max(1, min(rows, _BATCH_BYTES // _row_bytes(file, row_groups)))
        yield from file.iter_batches(rows, row_groups=list(row_groups), columns=list(columns))


def _row_bytes(file: pq.ParquetFile, row_groups: Sequence[int]) -> int:
    """The bytes of a row, decompressed: a column may hold images."""
    groups = [file.metadata.row_group(group) for group in row_groups]
    rows, size = (
        sum(int(getattr(group, name)) for group in groups)
        for name in ("num_rows", "total_byte_size")
    )
    return max(1, size // max(1, rows))


def place(path: str, row: int, value: str, encoding: str = UTF8) -> str:
    """Names the place of a value in a CSV file: its line where that is certain.

    Args:
      path: The file.
      row: The row's number, the first one after the header being 1.
      value: The value as text.
      encoding: The file's.
    """
    line = row + 1
    with open_text(path, encoding) as file:
        text = next(islice(file, line - 1, line), "")
    return f"{path}, line {line}" if value in text else f"{path}, row {row}"


def quote_is_open(path: str, last_value: str | None, encoding: str = UTF8) -> bool:
    """Whether a CSV file ends inside a quoted value, given its last field.

    Arrow takes what follows an opening quote that is never closed as one value.
    """
    if not last_value or "\n" not in last_value:
        return False
    with open_text(path, encoding) as file:
        tail = ""
        while chunk := file.read(BLOCK_BYTES):
            tail = (tail + chunk)[-64:]
    return not tail.rstrip("\r\n").endswith('"')


def _header(path: str, text: str, spec: RawFormat) -> list[str]:
    try:
        names = _open_csv(text, spec, None).schema.names
    except pa.ArrowInvalid as error:
        if "Empty CSV file" in str(error):
            raise
        _refuse_encoding(path, spec.encoding)
        names = _open_csv(text, spec, None, lambda _: "skip").schema.names
    return list(names)


def _bad_row(text: str, spec: RawFormat, columns: Sequence[str]) -> Any:
    """Reads a file again up to its first row of too few or too many fields; None without one."""
    bad: list[Any] = []

    def note(row: Any) -> str:
        bad.append(row)
        return "error"

    with suppress(pa.ArrowInvalid):
        for _ in _open_csv(text, spec, columns, note):
            pass
    return bad[0] if bad else None


def _open_csv(
    path: str,
    spec: RawFormat,
    columns: Sequence[str] | None,
    bad_row: Callable[[Any], str] | None = None,
) -> pa_csv.CSVStreamingReader:
    """Opens a UTF-8 file.

    Arrow decodes a bad row before it calls `bad_row`, and prints a traceback of its own where
    the row is not UTF-8: pass it only where the encoding is known to be right.
    """
    convert = pa_csv.ConvertOptions(strings_can_be_null=True, null_values=list(spec.null_values))
    if columns is not None:
        convert.include_columns = list(columns)
        convert.column_types = {name: pa.string() for name in columns}
    return pa_csv.open_csv(
        open_stream(path),
        # One thread: only then does Arrow know the number of a bad row.
        read_options=pa_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES),
        parse_options=pa_csv.ParseOptions(
            delimiter=spec.delimiter, newlines_in_values=True, invalid_row_handler=bad_row
        ),
        convert_options=convert,
    )


def _lone_header(path: str, spec: RawFormat) -> list[str]:
    """Reads a file of one line that no newline ends, which Arrow takes for empty."""
    with open_stream(path) as file:
        text = file.read(BLOCK_BYTES)
    if not text.strip():
        raise DataError(f"{path} is empty", where=path, expected="a header line, then rows")
    options = pa_csv.ParseOptions(delimiter=spec.delimiter)
    line = (text.decode(spec.encoding) + "\n").encode()
    names = pa_csv.read_csv(pa.BufferReader(line), parse_options=options).column_names
    return list(names)


@contextmanager
def _explained(path: str, kind: str, encoding: str | None = None) -> Iterator[None]:
    """Turns what Arrow says about a file into a `DataError`; `encoding` is that of text."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeError) as error:
        if is_remote(path) and is_of_server(error):
            raise storage_problem(parse_location(path), error) from without_secrets(error)
        encoded = None if encoding is None else _wrong_encoding(path, encoding)
        if encoded is not None:
            raise encoded from error
        reason = str(error).split(" If this is")[0]
        what, fix = f"{path} is not a whole {kind} file", "write the file again"
        if "straddling" in reason:
            what = f"a row of {path} is longer than {BLOCK_BYTES >> 20} MB"
            fix = "look for a quote that is never closed"
        raise DataError(what, where=path, received=reason, fix=fix) from error


def _wrong_encoding(path: str, encoding: str) -> DataError | None:
    try:
        return wrong_encoding(path, encoding)
    except OSError:  # the file cannot be read at all, which the first error says better
        return None


def _refuse_encoding(path: str, encoding: str) -> None:
    encoded = wrong_encoding(path, encoding)
    if encoded is not None:
        raise encoded


def _wrong_fields(path: str, row: Any, encoding: str) -> DataError:
    line = _line_of(path, row.text, encoding)
    place_in_file = f"line {line}" if line else f"row {row.number}"
    few = "few" if row.actual_columns < row.expected_columns else "many"
    fix = "correct the row; a value that holds the delimiter or a line break needs quotes"
    if '\\"' in row.text:
        fix = 'within quotes, write a quote twice (""), not behind a backslash'
    return DataError(
        f"a row has too {few} fields",
        where=f"{path}, {place_in_file}",
        expected=f"{row.expected_columns} fields",
        received=f"{row.actual_columns} fields: {row.text}",
        fix=fix,
    )


def _line_of(path: str, text: str, encoding: str) -> int | None:
    """Finds the number of the line that is exactly `text`; None where it is not found."""
    if encoding.startswith(("utf-16", "utf-32")):  # its lines do not end in one byte
        return None
    wanted = b"\n" + text.encode(encoding, errors="replace")
    if is_remote(path):
        with open_stream(path, compression=None) as stream:
            return _line_in(stream.read(_SEARCHED_BYTES), wanted)
    with (
        Path(path).open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
    ):
        return _line_in(data, wanted)


def _line_in(data: bytes | mmap.mmap, wanted: bytes) -> int | None:
    at = data.find(wanted)
    while at >= 0:
        end = at + len(wanted)
        if data[end : end + 1] in (b"", b"\n", b"\r"):
            return data[:at].count(b"\n") + 2
        at = data.find(wanted, at + 1)
    return None
