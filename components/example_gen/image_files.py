"""Images as raw data: a folder of class folders, or a column of paths or of bytes.

Examples hold the encoded bytes. Nothing is decoded here: memory holds a few megabytes of
files at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.example_gen import kinds
from components.example_gen.calendar import source_columns
from components.example_gen.config import IngestSpec
from contracts.errors import ConfigError, DataError, EnvironmentProblem
from contracts.images import IMAGE_SUFFIXES, OTHER_SUFFIXES, is_image_name
from contracts.storage.location import is_remote, parse_location
from contracts.storage.objects import list_files, open_stream
from contracts.text import some

PATH_COLUMN = "path"
PIECE_FILES = 512
_BATCH_BYTES = 16 << 20
_UNKNOWN_BYTES = 1 << 20  # of a file in a bucket, until it is read


def holds_images(folder: Path) -> bool:
    """Whether a folder has image files in it or below."""
    return folder.is_dir() and next(_image_files(str(folder)), None) is not None


def is_image_folder(place: str) -> bool:
    """Whether a place is a folder of class folders; in a bucket its address ends in a slash."""
    return place.endswith("/") if is_remote(place) else Path(place).is_dir()


def class_files(folder: str) -> list[tuple[str | None, str]]:
    """Gives the images of a folder of class folders: the class, and the path below the folder.

    An image that is in no class folder has no class.

    Raises:
      DataError: Some are of a format that no model can decode: left out, their rows would be
        missing without a word.
    """
    paths = sorted(_image_objects(folder) if is_remote(folder) else _image_files(folder))
    others = [path for path in paths if path.lower().endswith(OTHER_SUFFIXES)]
    if others:
        raise DataError(
            f"{len(others):,} of {len(paths):,} images are in formats that a model cannot decode",
            where=folder,
            expected=f"files named *{', *'.join(IMAGE_SUFFIXES)}",
            received=some(others),
            fix="convert them to PNG or JPEG, or move them out of the folder",
        )
    return [(path.partition("/")[0] if "/" in path else None, path) for path in paths]


def folder_kinds(folder: str, spec: IngestSpec) -> tuple[dict[str, str], int]:
    """Gives the kinds of the columns that a folder of class folders gives, and its rows.

    Raises:
      ConfigError: the config does not have one image.
    """
    files = class_files(folder)
    names = pa.array([name for name, _ in files], pa.string())
    column_kinds = {
        image_column(spec): kinds.TEXT,
        spec.label: kinds.kind_of_text(names),
        PATH_COLUMN: kinds.TEXT,
    }
    return column_kinds, len(files)


def image_column(spec: IngestSpec) -> str:
    """The name of the column of a folder's images.

    Raises:
      ConfigError: the config has no image, or several.
    """
    if len(spec.files) == 1:
        return spec.files[0]
    raise ConfigError(
        "data.path is a folder of images, which gives one column of images",
        where=f"{spec.where}: features",
        expected="one feature of type image",
        received=", ".join(spec.files) or "no such feature",
        fix="add a feature of type image, or write a table with a column of paths for each",
    )


def folder_batches(folder: str, piece: int, spec: IngestSpec) -> Iterator[pa.RecordBatch]:
    """Streams a piece of a folder of class folders, see `PIECE_FILES`: image, label and path."""
    yield _table(class_files(folder)[piece * PIECE_FILES : (piece + 1) * PIECE_FILES], spec)


def class_batches(folder: str, names: Sequence[str], spec: IngestSpec) -> Iterator[pa.RecordBatch]:
    """Streams columns of a folder of class folders without reading its files."""
    files = class_files(folder)
    for first in range(0, len(files), PIECE_FILES):
        yield _table(files[first : first + PIECE_FILES], spec).select(list(names))


def path_batches(folder: str) -> Iterator[pa.RecordBatch]:
    """Streams the paths of a folder's images, relative to it."""
    paths = [path for _, path in class_files(folder)]
    for first in range(0, len(paths), PIECE_FILES):
        part = pa.array(paths[first : first + PIECE_FILES], pa.string())
        yield pa.record_batch([part], names=[PATH_COLUMN])


def _table(files: Sequence[tuple[str | None, str]], spec: IngestSpec) -> pa.RecordBatch:
    columns = {
        image_column(spec): pa.array([path for _, path in files], pa.string()),
        spec.label: pa.array([name for name, _ in files], pa.string()),
        PATH_COLUMN: pa.array([path for _, path in files], pa.string()),
    }
    return pa.record_batch(list(columns.values()), names=list(columns))


def read_columns(names: Iterable[str], spec: IngestSpec) -> list[str]:
    """Gives the columns of a file that the wanted ones come from, each once."""
    paths = spec.path_columns()
    return source_columns((paths.get(name, name) for name in names), spec)


def small_batches(
    batch: pa.RecordBatch, table: str, files: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """Cuts a batch so that the images of each part take a few megabytes.

    Args:
      batch: Raw columns.
      table: The file that they come from, or the folder of class folders.
      files: The columns that hold images, as paths or as bytes.
    """
    sizes = np.zeros(batch.num_rows, np.int64)
    for name in files:
        sizes += _sizes(batch.column(name), table)
    parts = (np.cumsum(sizes) - sizes) // _BATCH_BYTES
    starts = np.flatnonzero(np.diff(parts, prepend=-1))
    for start, end in zip(starts, [*starts, batch.num_rows][1:], strict=True):
        yield batch.slice(int(start), int(end - start))


def file_contents(values: pa.Array, table: str, first_row: int, name: str) -> pa.Array:
    """Gives the encoded bytes of a column of paths; a column of bytes is given as it is.

    Args:
      values: Paths, relative to the folder of the table, or bytes; null is missing.
      table: The file that they come from, or the folder of class folders.
      first_row: How many rows of the table lie before.
      name: The column, for errors.

    Raises:
      DataError: A file cannot be read.
    """
    if not holds_paths(values.type):
        return values
    contents: list[bytes | None] = []
    for row, path in enumerate(values.to_pylist(), first_row + 1):
        try:
            contents.append(_filled(_content(place_of(path, table))) if path else None)
        except (OSError, ValueError) as error:  # no path may hold a NUL
            raise DataError(
                f"the image {path} cannot be read",
                where=f"{table}, row {row}, column {name}",
                expected=f"a file below {_folder(table)}, or an absolute path",
                received=getattr(error, "strerror", None) or str(error),
                fix="correct the path, bring the file, or leave the row out",
            ) from error
    return pa.array(contents, pa.binary())


def kept_paths(values: pa.Array) -> pa.Array:
    """Gives the paths of a column of files, as the table has them; bytes have none."""
    if holds_paths(values.type):
        return values.cast(pa.string())
    return pa.nulls(len(values), pa.string())


def holds_paths(kind: pa.DataType) -> bool:
    """Whether a column of images holds paths, as opposed to bytes."""
    if pa.types.is_dictionary(kind):
        return holds_paths(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def refuse_lone_images(paths: Sequence[str], where: str) -> None:
    """Refuses a data path that names image files.

    Raises:
      ConfigError: one of the paths is an image.
    """
    lone = next((path for path in paths if is_image_name(Path(path))), None)
    if lone is not None:
        above = lone.rsplit("/", 2)[0] if is_remote(lone) else str(Path(lone).parent.parent)
        raise ConfigError(
            "data.path names image files, which say nothing of their classes",
            where=f"{where}: data.path",
            expected="the folder of the class folders, or a table with a column of paths",
            received=lone,
            fix=f"data.path: {above}",
        )


def _image_files(
    folder: str, below: str = "", above: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Gives paths below a folder; follows links to folders, but never back to where they are."""
    place = os.path.realpath(folder)
    if place in above:
        return
    try:
        with os.scandir(folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith((".", "_"))]
    except OSError as error:
        raise EnvironmentProblem(f"cannot read {folder}: {error.strerror}", where=folder) from error
    for entry in shown:
        if entry.is_dir():
            yield from _image_files(entry.path, f"{below}{entry.name}/", above | {place})
        elif entry.name.lower().endswith(IMAGE_SUFFIXES + OTHER_SUFFIXES):
            yield below + entry.name


def _image_objects(folder: str) -> Iterator[str]:
    """As `_image_files`, in a bucket."""
    for file in list_files(parse_location(folder)):
        below = str(file.location).removeprefix(folder)
        if may_be_image(below):
            yield below


def may_be_image(path: str) -> bool:
    """Whether a path below a folder of class folders is that of an image, and not hidden."""
    hidden = any(part.startswith((".", "_")) for part in path.split("/"))
    return not hidden and path.lower().endswith(IMAGE_SUFFIXES + OTHER_SUFFIXES)


def _sizes(values: pa.Array, table: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    if not holds_paths(values.type):
        lengths = [0 if value is None else len(value) for value in values.to_pylist()]
    else:
        lengths = [_size(place_of(path, table)) if path else 0 for path in values.to_pylist()]
    return np.array(lengths, np.int64)


def _size(place: str) -> int:
    if is_remote(place):
        return _UNKNOWN_BYTES
    try:
        return Path(place).stat().st_size
    except (OSError, ValueError):  # reported, with its row, where the file is read
        return 0


def _content(place: str) -> bytes:
    with open_stream(place, compression=None) as file:
        content: bytes = file.read()
    return content


def _filled(content: bytes) -> bytes:
    """Refuses an empty file: it would be read as a row without an image.

    Raises:
      ValueError: it is empty.
    """
    if not content:
        raise ValueError("an empty file")
    return content


def place_of(path: str, table: str) -> str:
    """Where a file lies that a table names."""
    if is_remote(path) or Path(path).is_absolute():
        return path
    return f"{_folder(table)}/{path}"


def _folder(table: str) -> str:
    """The folder that paths are relative to."""
    if is_remote(table):  # the address of a folder ends in a slash
        return table.rpartition("/")[0]
    return table if Path(table).is_dir() else str(Path(table).parent)
