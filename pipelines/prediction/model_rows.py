"""Rows of a file as a model takes them, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from contracts.errors import DataError
from contracts.text import did_you_mean, some


class ModelRows(Protocol):
    """Rows of a file as a model takes them."""

    @property
    def path(self) -> Path | str:
        """The file."""

    @property
    def types(self) -> Mapping[str, str]:
        """By the model's column, what it holds."""

    @property
    def header(self) -> Sequence[str]:
        """All columns of the file."""

    @property
    def missing(self) -> list[str]:
        """The model's columns that the file lacks."""

    @property
    def unused(self) -> list[str]:
        """The file's columns that the model does not take."""

    def tables_and_kept(self) -> Iterator[tuple[pa.Table, pa.Table]]:
        """Streams the model's columns, and those that stand beside the answers."""


def require_columns(rows: ModelRows) -> None:
    """Refuses a file that lacks a column of the model's.

    Raises:
      DataError: it does.
    """
    if not rows.missing:
        return
    name, *others = rows.missing
    raise DataError(
        f"{rows.path} has no column {name!r}" + (f" and lacks {some(others)}" if others else ""),
        where=str(rows.path),
        expected=f"the model's columns: {some(rows.types, 40)}",
        received=some(rows.header, 40),
        fix=did_you_mean(name, rows.unused) or "--allow-missing takes them as missing in every row",
    )
