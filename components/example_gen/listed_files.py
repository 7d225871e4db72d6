"""The files that tables name in a column of paths."""

from __future__ import annotations

from collections.abc import Iterator

from components.example_gen.config import IngestSpec
from components.example_gen.image_files import holds_paths, place_of
from components.example_gen.reading import csv_batches, csv_header, open_parquet


def listed_files(table: str, file_format: str, spec: IngestSpec) -> Iterator[str]:
    """Gives the files that a table names, in the order of its rows.

    Args:
      table: A CSV or Parquet file.
      file_format: Its format.
      spec: Says which columns hold files.
    """
    if file_format == "csv":
        header = csv_header(table, spec)
        names = [name for name in spec.files if name in header]
        batches = csv_batches(table, names, spec) if names else iter(())
    else:
        file = open_parquet(table)
        schema = file.schema_arrow
        known = [name for name in spec.files if name in schema.names]
        names = [name for name in known if holds_paths(schema.field(name).type)]
        batches = file.iter_batches(columns=names) if names else iter(())
    for batch in batches:
        for name in names:
            yield from (place_of(path, table) for path in batch.column(name).to_pylist() if path)
