"""Images among the columns of a served model, which does not say what is one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from components.example_gen.config import RawFormat
from components.example_gen.image_files import holds_paths, place_of
from contracts.storage.location import is_remote
from pipelines.prediction.raw_rows import open_rows


def served_types(
    path: Path | str, types: Mapping[str, str], raw: RawFormat | None
) -> Mapping[str, str]:
    """Gives the types of a model's columns, an `image` where a table has images for a text.

    Args:
      path: The table.
      types: By column, what its values must be.
      raw: How the table is written.

    Raises:
      DataError: the table cannot be read.
    """
    from pipelines.recognition.images import holds_images

    rows = open_rows(path, types, raw)
    first = None if rows.is_folder else next(rows.read_batches(), None)
    if first is None:
        return types
    images = {
        name: "image"
        for name, column in rows.found.items()
        if types[name] == "text"
        and column in first.schema.names
        and holds_images(first.column(column))
        and _are_there(first.column(column), str(path))
    }
    return {**types, **images}


def _are_there(values: pa.Array, table: str) -> bool:
    """Whether some of the files are there; images that the table holds itself are."""
    if not holds_paths(values.type):
        return True
    places = [place_of(value, table) for value in values.drop_null()[:8].to_pylist()]
    return any(is_remote(place) or Path(place).is_file() for place in places)
