"""Slices of rows by the values of columns: those of the config, and codes to search by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.arrays import Array
from contracts.errors import ConfigError
from evidence.config import EvaluationSpec
from evidence.groups import groups_by_code

Value = Any

MISSING = "(missing)"
_QUANTILES = 5
# Thin slices say that they are thin; thousands of them would say nothing more.
_THIN_LISTED = 200


@dataclass(frozen=True)
class Slice:
    """Rows that share values of some columns.

    Attributes:
      key: By column, the value or the text of a range.
      source: Whether the config lists it or the search found it.
      rows: The places of its rows.
    """

    key: Mapping[str, Value]
    source: Literal["config", "found"]
    rows: Array


@dataclass(frozen=True)
class Coding:
    """A column as codes from 0.

    Attributes:
      codes: The code of each row.
      values: What each code stands for: a value, the text of a range, or `MISSING`.
      exact: Whether each code is one value.
    """

    codes: Array
    values: Sequence[Value]
    exact: bool


def code(column: pa.ChunkedArray, max_numbers: int) -> Coding:
    """Codes a column by value, or by range where it has more than `max_numbers` numbers."""
    encoded = pc.dictionary_encode(column, null_encoding="encode").combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # no rows, or one chunk in newer Arrow
        encoded = pa.concat_arrays(encoded.chunks) if encoded.num_chunks else None
    values = [] if encoded is None else encoded.dictionary.to_pylist()
    is_number = not (pa.types.is_string(column.type) or pa.types.is_boolean(column.type))
    if is_number and len(values) > max_numbers:
        return _by_range(column)
    codes = np.zeros(0, np.intp) if encoded is None else encoded.indices.to_numpy()
    return Coding(codes.astype(np.intp), [_plain(value) for value in values], True)


def column_of(keys: pa.Table, name: str, where: str) -> pa.ChunkedArray:
    """Gives a raw column of the examples.

    Raises:
      ConfigError: there is no such column.
    """
    if name not in keys.column_names:
        raise ConfigError(
            f"{where} names {name!r}, which the examples do not have",
            where=where,
            expected=f"some of: {', '.join(keys.column_names)}",
            received=name,
            fix="correct the name, or add the column to data.keep",
        )
    return keys[name]


def configured(keys: pa.Table, spec: EvaluationSpec) -> list[Slice]:
    """Gives the slices of the config, by value as TFMA has them, the largest first.

    Missing is a value of its own. A number of many values is sliced by range. Of the
    slices that are too thin to judge, the largest of each group of columns are given.
    """
    most = spec.found_slices.max_values
    names = {name for columns in spec.slices for name in columns}
    codings = {
        name: code(column_of(keys, name, "evaluation.slices"), most) for name in sorted(names)
    }
    return [
        found
        for columns in spec.slices
        for found in _combined({name: codings[name] for name in columns}, spec.min_slice_rows)
    ]


def _combined(codings: Mapping[str, Coding], min_rows: int) -> list[Slice]:
    codes = np.zeros(len(next(iter(codings.values())).codes), np.intp)
    for coding in codings.values():
        # Numbered anew each time, codes stay small however many values there are.
        codes = np.unique(codes * len(coding.values) + coding.codes, return_inverse=True)[1]
    groups, _ = groups_by_code(codes)
    members = np.split(groups.rows, groups.starts[1:])
    members.sort(key=len, reverse=True)
    judged = sum(len(rows) >= min_rows for rows in members)
    return [
        Slice(
            {name: coding.values[coding.codes[rows[0]]] for name, coding in codings.items()},
            "config",
            rows,
        )
        for rows in members[: judged + _THIN_LISTED]
        if len(rows)
    ]


def _by_range(column: pa.ChunkedArray) -> Coding:
    """Codes numbers by ranges of about equally many rows."""
    numbers = pc.drop_null(column).to_numpy()
    shares = np.arange(1, _QUANTILES) / _QUANTILES
    edges = np.unique(np.quantile(numbers, shares, method="inverted_cdf"))
    edges = edges[edges > numbers.min()]
    known = column.is_valid().to_numpy()
    codes = np.full(len(column), len(edges) + 1, np.intp)
    codes[known] = np.searchsorted(edges, numbers, side="right")
    return Coding(codes, [*_range_texts(edges), MISSING], False)


def _range_texts(edges: Array) -> list[str]:
    texts = [np.format_float_positional(edge, trim="-") for edge in edges]
    if not texts:
        return ["any"]
    inner = [f"{low} to below {high}" for low, high in pairwise(texts)]
    return [f"below {texts[0]}", *inner, f"{texts[-1]} or more"]


def _plain(value: Value) -> Value:
    if value is None:
        return MISSING
    return int(value) if isinstance(value, float) and value.is_integer() else value
