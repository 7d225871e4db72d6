"""Writes a model's answers, batch by batch: CSV, JSON lines or Parquet."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from contracts.arrays import Array
from contracts.errors import ConfigError

COLUMNS = ("probabilities", "predictions", "quantiles", "classes", "decisions", "scores")
_SUFFIXES = {".csv": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".parquet": "parquet"}


def answer_table(answers: Mapping[str, Array]) -> pa.Table:
    """The outputs as columns; a list a row where there is a number a class."""
    return pa.table({name: _column(answers[name]) for name in COLUMNS if name in answers})


def _column(values: Array) -> pa.Array:
    if values.ndim > 1:
        # Of quantiles, all levels of the first step come before those of the next one.
        values = values.reshape(len(values), -1)
        starts = np.arange(len(values) + 1, dtype=np.int32) * values.shape[1]
        return pa.ListArray.from_arrays(pa.array(starts), pa.array(values.ravel()))
    if values.dtype.kind in "OSU":
        # A served text is bytes in UTF-8.
        return pa.array(values.tolist()).cast(pa.string())
    return pa.array(values)


class AnswerFile:
    """A file that is there when all answers are, or not at all; or standard output.

    Args:
      path: Where to; its suffix says how. None prints CSV.

    Raises:
      ConfigError: the suffix says nothing.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._form = "csv" if path is None else _form(path)
        self._text: TextIO | None = sys.stdout if path is None else None
        self._parquet: pq.ParquetWriter | None = None
        self._begun = False

    def __enter__(self) -> AnswerFile:
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if self._form != "parquet":
                self._text = self._temporary.open("w", encoding="utf-8", newline="")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._parquet is not None:
            self._parquet.close()
        if self._path is None:
            return
        if self._text is not None:
            self._text.close()
        if kind is None:
            self._temporary.replace(self._path)
        else:
            self._temporary.unlink(missing_ok=True)

    @property
    def _temporary(self) -> Path:
        assert self._path is not None
        return self._path.with_name(f".{self._path.name}.tmp")

    def write(self, table: pa.Table) -> None:
        """Appends a batch."""
        if self._text is None:
            if self._parquet is None:
                self._parquet = pq.ParquetWriter(self._temporary, table.schema)
            self._parquet.write_table(table)
            return
        if self._form == "csv" and not self._begun:
            self._text.write(",".join(map(_csv_text, table.column_names)) + "\n")
        self._begun = True
        lines = _csv_lines(table) if self._form == "csv" else _json_lines(table)
        self._text.write("\n".join(lines.to_pylist()) + "\n")


def _form(path: Path) -> str:
    form = _SUFFIXES.get(path.suffix.lower())
    if form is None:
        raise ConfigError(
            f"{path.name} does not say how to write the answers",
            where="--out",
            expected=f"a name that ends with one of: {', '.join(_SUFFIXES)}",
            received=path.suffix or "no suffix",
        )
    return form


def _csv_lines(table: pa.Table) -> pa.Array:
    texts = [_texts(column.combine_chunks(), _csv_text, '"', "") for column in table.columns]
    return pc.binary_join_element_wise(*texts, ",")


def _json_lines(table: pa.Table) -> pa.Array:
    parts: list[Any] = []
    for name, column in zip(table.column_names, table.columns, strict=True):
        parts += [", " if parts else "{", f"{json.dumps(name)}: "]
        parts.append(_texts(column.combine_chunks(), json.dumps, "", "null"))
    return pc.binary_join_element_wise(*parts, "}", "")


def _texts(column: pa.Array, quoted: Callable[[str], str], quote: str, missing: str) -> pa.Array:
    """The values as text; of words, each distinct one once."""
    return pc.fill_null(_known_texts(column, quoted, quote), missing)


def _known_texts(column: pa.Array, quoted: Callable[[str], str], quote: str) -> pa.Array:
    if pa.types.is_list(column.type):
        numbers = pa.ListArray.from_arrays(column.offsets, _numbers(column.values))
        listed = pc.binary_join(numbers, ", ")
        return pc.binary_join_element_wise(f"{quote}[", listed, f"]{quote}", "")
    if not pa.types.is_string(column.type):
        return _numbers(column)
    coded = column.dictionary_encode()
    words = [quoted(word) for word in coded.dictionary.to_pylist()]
    return pa.array(words, pa.string()).take(coded.indices)


def _numbers(column: pa.Array) -> pa.Array:
    texts = column.cast(pa.string())
    if not pa.types.is_floating(column.type):
        return texts
    # JSON has no word for what is not finite.
    return pc.if_else(pc.is_finite(column), texts, "null")


def _csv_text(word: str) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow([word])
    return line.getvalue()
