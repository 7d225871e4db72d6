"""A bounded look at raw data: the same columns and values that ExampleGen will see."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from components.example_gen import kinds
from components.example_gen.config import DataSpec, IngestSpec
from components.example_gen.files import Selection
from components.example_gen.image_files import PATH_COLUMN, class_batches, class_files, image_column
from components.example_gen.reading import csv_batches, csv_header, open_parquet, parquet_batches
from components.example_gen.text_encoding import UTF8, open_text
from contracts.errors import DataError
from contracts.storage.objects import file_size, open_stream
from contracts.text import some
from models.data.dates import column_moments, iso_text

SAMPLE_ROWS = 200_000
TIME, NESTED = "time", "nested"
_DELIMITERS = ",;\t|"
_HEAD_BYTES = 1 << 20
_MOST_VALUES = 1_000


@dataclass(frozen=True)
class Column:
    """One column of the sample.

    Attributes:
      name: Its name.
      kind: Its kind as ExampleGen names it, or `time` for typed dates and times, or
        `nested` for lists and structs.
      values: The values in ExampleGen's canonical form; all missing where nested.
      moments: The values of a column that `data.dates` names.
    """

    name: str
    kind: str
    values: pa.Array
    moments: pa.Array | None = None

    @property
    def missing(self) -> int:
        """The number of missing values."""
        return int(self.values.null_count)


@dataclass(frozen=True)
class Sample:
    """Some rows of every file, and about how many rows there are in all."""

    columns: tuple[Column, ...]
    rows: int
    total_rows: int


def look_spec(path: str, where: str) -> IngestSpec:
    """What ExampleGen's readers need to look at a path before there is a config."""
    data = DataSpec(path=path)
    return IngestSpec(
        path=path,
        format=data.format,
        spans=data.spans,
        split=data.split,
        columns=(),
        numbers=(),
        label="",
        task="binary",
        where=where,
    )


def likely_delimiter(selection: Selection, encoding: str = UTF8) -> str:
    """The delimiter that the first line of the first CSV file uses most."""
    if selection.format != "csv":
        return ","
    with open_text(selection.sources[0].path, encoding) as file:
        line = file.readline(_HEAD_BYTES)
    return max(_DELIMITERS, key=line.count)


def column_names(path: str, spec: IngestSpec, selection: Selection) -> list[str]:
    """The columns of one file, in its order."""
    if selection.format == "csv":
        return csv_header(path, spec)
    if selection.format == "images":
        return [image_column(spec), spec.label, PATH_COLUMN]
    with open_parquet(path) as file:
        return list(file.schema_arrow.names)


def read_head(spec: IngestSpec, selection: Selection, rows: int = SAMPLE_ROWS) -> pa.Table:
    """Reads the first rows of every file as they are: CSV as text, Parquet typed."""
    names = column_names(selection.sources[0].path, spec, selection)
    quota = max(1, rows // len(selection.sources))
    tables = []
    for source in selection.sources:
        _require(names, source.path, spec, selection)
        batches = list(_first_rows(_batches(source.path, names, spec, selection), quota))
        tables += [pa.Table.from_batches(batches)] if batches else []
    table = pa.concat_tables(tables, promote_options="permissive") if tables else None
    if table is None or not table.num_rows:
        raise DataError(
            "the data have no rows",
            where=selection.sources[0].path,
            expected="a header line, then rows",
        )
    return table


def to_sample(table: pa.Table, spec: IngestSpec, selection: Selection) -> Sample:
    """Brings the first rows into canonical form."""
    columns = tuple(to_column(name, table[name], spec, selection) for name in table.column_names)
    # No file has more rows than were read: a text may have lines, so that lines are no rows.
    is_whole = table.num_rows < SAMPLE_ROWS // len(selection.sources)
    total = table.num_rows if is_whole else max(table.num_rows, _about_rows(selection))
    return Sample(columns, table.num_rows, total)


def _about_rows(selection: Selection) -> int:
    """The number of rows: exact for Parquet, by the lines of the files for CSV."""
    paths = [source.path for source in selection.sources]
    if selection.format == "parquet":
        return sum(_parquet_rows(path) for path in paths)
    if selection.format == "images":
        return sum(len(class_files(path)) for path in paths)
    head = _head(paths[0])
    size = sum(map(file_size, paths))
    return max(0, int(size * head.count(b"\n") / max(1, len(head))) - 1)


def distinct_values(name: str, spec: IngestSpec, selection: Selection) -> pa.Array | None:
    """All values of a column over all rows, canonical; None where there are very many.

    A file sorted by its label would show only one class in its first rows.
    """
    found: list[pa.Table] = []
    for source in selection.sources:
        for batch in _batches(source.path, [name], spec, selection):
            values = pa.table({name: batch.column(0).unique()})
            both = pa.concat_tables([*found, values], promote_options="permissive")
            found = [pa.table({name: both[name].unique()})]
            if both.num_rows > _MOST_VALUES < found[0].num_rows:
                return None
    return to_column(name, found[0][name], spec, selection).values if found else pa.nulls(0)


def to_column(name: str, chunks: pa.ChunkedArray, spec: IngestSpec, selection: Selection) -> Column:
    """Finds out a column's kind and brings its values into canonical form."""
    values = pa.concat_arrays(chunks.chunks) if chunks.num_chunks else pa.nulls(0)
    if name in spec.dates:
        moments = column_moments(values, spec.dates[name].format)
        if moments is not None:
            return Column(name, TIME, iso_text(moments), moments)
    if selection.format != "parquet":
        form = spec.number_form(name)
        kind = kinds.kind_of_text(values, form=form)
        parsed = kinds.parse(values, kind, form)
        return Column(name, kind, values.cast(pa.binary()) if parsed is None else parsed)
    kind_or_none = kinds.kind_of_type(values.type)
    if kind_or_none is None:
        return Column(name, NESTED, pa.nulls(len(values)))
    canonical = kinds.canonical(values, kind_or_none)
    return Column(name, TIME if pa.types.is_temporal(values.type) else kind_or_none, canonical)


def _batches(
    path: str, names: Sequence[str], spec: IngestSpec, selection: Selection
) -> Iterator[pa.RecordBatch]:
    if selection.format == "csv":
        return csv_batches(path, names, spec)
    if selection.format == "images":
        return class_batches(path, names, spec)
    with open_parquet(path) as file:
        groups = range(file.metadata.num_row_groups)
    return parquet_batches(path, groups, names)


def _first_rows(batches: Iterable[pa.RecordBatch], rows: int) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        yield batch.slice(0, rows)
        rows -= batch.num_rows
        if rows <= 0:
            return


def _require(names: Sequence[str], path: str, spec: IngestSpec, selection: Selection) -> None:
    here = column_names(path, spec, selection)
    twice = [name for name in names if names.count(name) > 1]
    absent = [name for name in names if name not in here]
    if twice or absent:
        what = f"the column {twice[0]!r} comes twice" if twice else "the files' columns differ"
        raise DataError(
            what,
            where=path,
            expected=f"the columns of the first file: {some(names)}",
            received=f"two of {twice[0]}" if twice else f"no {some(absent)}",
        )


def _parquet_rows(path: str) -> int:
    with open_parquet(path) as file:
        return int(file.metadata.num_rows)


def _head(path: str) -> bytes:
    with open_stream(path) as file:
        return bytes(file.read(_HEAD_BYTES))


def count_distinct(values: pa.Array) -> int:
    """The number of distinct values, missing ones left out."""
    return len(values.unique().drop_null())
