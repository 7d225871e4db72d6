"""Raw columns to a network's inputs without TensorFlow: what the transform graph does, in numpy.

All constants come from the transform graph; see models/compression/constants.py. Nothing
here imports TensorFlow, so that a phone's or a small server's program can be held against it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from models.features.kind import indicator_name
from models.features.spec import MISSING_INT, MISSING_TOKEN

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Prepared:
    """How one raw column becomes a feature.

    Attributes:
      column: The raw column.
      kind: The feature's type.
      raw: The raw column's type in the schema.
      missing_indicator: Whether a second feature says that the value is missing.
      filler: Stands in for a missing number.
      offset: Is taken from the number.
      scale: Divides what is left.
      angle: Turns a number on a circle into radians.
      vocabulary: The words by id; any other word has the id that comes after them.
    """

    column: str
    kind: Literal["numeric", "categorical", "vocabulary", "cyclic", "boolean"]
    raw: Literal["int64", "float32", "string"]
    missing_indicator: bool = False
    filler: float | None = None
    offset: float | None = None
    scale: float | None = None
    angle: float | None = None
    vocabulary: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Preparation:
    """How raw columns become features, in the config's order."""

    features: tuple[Prepared, ...]

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> Preparation:
        """Reads what `dataclasses.asdict` gave."""
        return cls(tuple(_prepared(entry) for entry in fields["features"]))


def _prepared(fields: Mapping[str, Any]) -> Prepared:
    words = fields.get("vocabulary")
    return Prepared(**{**fields, "vocabulary": None if words is None else tuple(words)})


def prepare(table: pa.Table, preparation: Preparation) -> dict[str, Array]:
    """Gives the transformed features of raw rows, as the transform graph does.

    Args:
      table: Raw columns, a missing value being null; a column that is absent is all missing.
      preparation: The constants.

    Returns:
      float32 `[rows, width]` and, for categories, int64 ids `[rows, 1]`, by feature.
    """
    features: dict[str, Array] = {}
    for one in preparation.features:
        column = _raw(table, one.column)
        if one.vocabulary is not None:
            features[one.column] = _ids(column, one)
            continue
        number = _number(column)
        if one.raw == "int64":  # as the SavedModel takes them
            number = np.trunc(number)
        features[one.column] = _PREPARE[one.kind](number, one)
        if one.missing_indicator:
            missing = np.isnan(number).astype(np.float32)
            features[indicator_name(one.column)] = missing[:, None]
    return features


def _raw(table: pa.Table, column: str) -> pa.ChunkedArray:
    if column not in table.column_names:
        return pa.chunked_array([pa.nulls(table.num_rows)])
    return table[column]


def _number(column: pa.ChunkedArray) -> Array:
    if pa.types.is_integer(column.type):
        column = pc.if_else(pc.equal(column, MISSING_INT), None, column)
    # Unsafe: what float32 does not hold is rounded to its nearest, as it is when served.
    values: Array = column.cast(pa.float32(), safe=False).to_numpy()
    finite: Array = np.where(np.isfinite(values), values, np.float32(np.nan))
    return finite


def _numeric(number: Array, one: Prepared) -> Array:
    filled: Array = np.where(np.isnan(number), np.float32(one.filler), number)
    if one.scale is not None:
        filled = (filled - np.float32(one.offset)) / np.float32(one.scale)
    return filled[:, None]


def _cyclic(number: Array, one: Prepared) -> Array:
    angle = number * np.float32(one.angle)
    circle: Array = np.stack([np.sin(angle), np.cos(angle)], axis=1)
    return np.nan_to_num(circle, nan=0.0)


def _boolean(number: Array, one: Prepared) -> Array:
    yes: Array = np.where(
        np.isnan(number), np.float32(one.filler), (number != 0).astype(np.float32)
    )
    return yes[:, None]


_PREPARE = {"numeric": _numeric, "cyclic": _cyclic, "boolean": _boolean}


def _ids(column: pa.ChunkedArray, one: Prepared) -> Array:
    words = list(one.vocabulary or ())
    kind = {"int64": pa.int64(), "float32": pa.float32(), "string": pa.string()}[one.raw]
    places = pc.index_in(_text(column.cast(kind)), value_set=pa.array(words, pa.string()))
    ids: Array = pc.fill_null(places, len(words)).to_numpy().astype(np.int64)
    return ids[:, None]


def _text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_string(column.type):
        # Straight to the token: Arrow 18 mixes up a sliced column of text when null is put in.
        column = pc.if_else(pc.equal(column, ""), MISSING_TOKEN, column)
    elif pa.types.is_integer(column.type):
        column = pc.if_else(pc.equal(column, MISSING_INT), None, column).cast(pa.string())
    else:
        column = _float_text(column)
    return pc.fill_null(column, MISSING_TOKEN)


def _float_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Floats as TensorFlow writes them in their short form; each distinct one once."""
    values = pc.if_else(pc.is_nan(column), None, column)
    coded = values.combine_chunks().dictionary_encode()
    texts = [f"{value:g}" for value in coded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string()).take(coded.indices)])
