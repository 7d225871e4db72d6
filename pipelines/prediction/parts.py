"""Images, texts and windows of one row: their files, and what their parts add."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contracts.errors import ConfigError, DataError
from contracts.results.preview import Preview
from contracts.text import shorten
from models.features.registry import KINDS

if TYPE_CHECKING:
    from models.export.encoding import Encoding
    from models.export.loaded_model import Columns, LoadedModel


def file_columns(about: Encoding) -> dict[str, str]:
    """By raw column that holds files, its feature."""
    return {
        entry.columns[0]: entry.feature
        for entry in about.features
        if entry.kind in KINDS and KINDS[entry.kind].raw_values == "files"
    }


def read_contents(row: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, bytes | None]:
    """Reads the files that a row names, or has as base64.

    Args:
      row: Raw values: a path, `{"b64": ...}`, bytes, or None.
      names: The columns that hold files.

    Raises:
      DataError: a file cannot be read.
      ConfigError: a value is neither.
    """
    return {name: _content(name, row[name]) for name in names if name in row}


def _content(name: str, value: Any) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, Mapping) and set(value) == {"b64"}:
        try:
            return base64.b64decode(value["b64"], validate=True)
        except (binascii.Error, TypeError, ValueError) as error:
            raise _unreadable(name, value, str(error)) from error
    if not isinstance(value, str):
        raise _unreadable(name, value, shorten(value))
    try:
        return Path(value).read_bytes()
    except (OSError, ValueError) as error:  # no path may hold a NUL
        raise DataError(
            f"the file of {name!r} cannot be read",
            where=shorten(value),
            expected="the path of an image",
            received=getattr(error, "strerror", None) or str(error),
            fix="correct the path: it is relative to the folder in which you call kelp",
        ) from error


def _unreadable(name: str, value: Any, received: str) -> ConfigError:
    return ConfigError(
        f"the value of {name!r} is no file",
        where="--row",
        expected='the path of an image, or {"b64": ...}',
        received=received,
        fix=f'--row \'{{"{name}": "image.png"}}\'' if not isinstance(value, str) else "",
    )


def weighed_views(model: LoadedModel, columns: Columns, target: int | None) -> dict[str, Preview]:
    """Shows a row's images, texts and windows, with what their parts add.

    Args:
      model: The model.
      columns: The inputs of `serving_default`, one row.
      target: The class that is explained; None for two classes and for numbers.

    Returns:
      The views by feature; by raw column where the feature has several.
    """
    from models.export.occlusion import weigh_parts

    views = {}
    for entry in model.encoding.features:
        kind = KINDS.get(entry.kind)
        for column in entry.columns if kind is not None else ():
            name = model.encoding.inputs[column]
            value = columns[name][0]
            view = None if kind is None else kind.preview_value(value)
            if view is None or kind is None:
                continue
            occlusion = kind.occlude(value)
            if occlusion is not None:
                view = occlusion.show(weigh_parts(model, columns, name, occlusion, target))
            views[entry.feature if len(entry.columns) == 1 else column] = view
    return views
