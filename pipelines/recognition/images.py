"""Columns of images in unknown data, and the form that suits them."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen import kinds
from components.example_gen.image_files import (
    class_files,
    file_contents,
    holds_paths,
    place_of,
)
from contracts.errors import DataError
from contracts.images import image_size, is_image_name
from contracts.text import some
from pipelines.recognition.roles import Role

_LOOKED_AT = 64
_NEARLY_ALL = 0.95
# Larger images are proposed at this size: a first run is to take minutes.
_LONGEST_SIDE = 128
_SPLITS = frozenset({"train", "training", "val", "valid", "validation", "dev", "test", "testing"})


def holds_images(values: pa.Array) -> bool:
    """Whether a column's values are paths of images, or images."""
    if kinds.kind_of_type(values.type) != kinds.TEXT or pa.types.is_temporal(values.type):
        return False
    known = values.drop_null()[:_LOOKED_AT].to_pylist()
    return bool(known) and float(np.mean(list(map(_is_image, known)))) >= _NEARLY_ALL


def image_role(name: str, values: pa.Array, tables: Sequence[str]) -> Role:
    """Gives the role of a column of images, by a look at some of them.

    Args:
      name: The column.
      values: Paths or bytes, as the table has them.
      tables: The files that they come from, or the folder of class folders.

    Raises:
      DataError: A file cannot be read.
    """
    known = np.flatnonzero(pc.fill_null(pc.greater(pc.binary_length(values), 0), False))
    places = np.unique(np.linspace(0, len(known) - 1, min(_LOOKED_AT, len(known))).astype(int))
    contents = [
        file_contents(part, _table_of(part, tables), row, name)[0].as_py()
        for row in known[places].tolist()
        for part in [values.slice(row, 1)]
    ]
    sizes = [size for size in map(image_size, contents) if size is not None]
    width, height = np.median(sizes or [(64, 64)], axis=0).astype(int).tolist()
    scale = min(1.0, _LONGEST_SIDE / max(width, height))
    form = {"height": max(1, round(height * scale)), "width": max(1, round(width * scale))}
    channels = 1 if all(map(_is_gray, contents)) else 3
    alike = "all" if len(set(sizes)) == 1 else "about"
    note = f"images, {alike} {width} x {height} pixels, {'gray' if channels == 1 else 'in colour'}"
    return Role(name, {"type": "image", **form, "channels": channels}, note)


def require_class_folders(folder: str) -> None:
    """Refuses a folder of images whose folders name no classes.

    Raises:
      DataError: Images are in no folder of it, or its folders are splits.
    """
    files = class_files(folder)
    loose = [path for name, path in files if name is None]
    if loose:
        raise DataError(
            f"{len(loose):,} of {len(files):,} images are in no class folder",
            where=folder,
            expected="images in folders of it, one for each class",
            received=some(loose, 3),
            fix="move them into folders that are named after their classes, or give a table with "
            "a column of paths and one of labels",
        )
    folders = sorted({str(name) for name, _ in files})
    if all(name.lower() in _SPLITS for name in folders) and all(p.count("/") > 1 for _, p in files):
        raise DataError(
            f"the folders {', '.join(folders)} are splits, not classes",
            where=folder,
            expected="one folder for each class: Kelp splits the images itself",
            received=some([path for _, path in files], 3),
            fix="move the images of a class into one folder, whatever their split, or give a "
            "table with a column of paths and one of labels",
        )


def _table_of(path: pa.Array, tables: Sequence[str]) -> str:
    """The first table beside which the file lies that a row names; the first of all otherwise."""
    if len(tables) == 1 or not holds_paths(path.type):
        return tables[0]
    value = path[0].as_py()
    return next((name for name in tables if Path(place_of(value, name)).is_file()), tables[0])


def holds_files(values: pa.Array) -> bool:
    """Whether the values of a column of images are images, as opposed to paths."""
    known = values.drop_null()[:_LOOKED_AT].to_pylist()
    return any(image_size(value) for value in known)


def _is_image(value: bytes | str) -> bool:
    content = value if isinstance(value, bytes) else value.encode()
    if image_size(content) is not None:
        return True
    return len(content) < 4096 and is_image_name(PurePosixPath(content.decode(errors="replace")))


def _is_gray(content: bytes) -> bool:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.mode in ("1", "L", "LA") or image.mode.startswith("I")
    # The run's data audit names it.
    except (UnidentifiedImageError, Image.DecompressionBombError):
        return True
