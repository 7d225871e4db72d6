"""The kind of each column, and the one form in which its values are hashed and written.

Kinds form a chain: null < bool < int < float < text. The kind of a column is the highest
that any of its values needs, over all files, so it depends neither on which rows come
first nor on how the data are cut into blocks.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa
import pyarrow.compute as pc

from components.example_gen.numbers import NumberForm, to_plain
from models.data.text import cast_or_none, first_failing

NULL, BOOL, INT, FLOAT, TEXT = "null", "bool", "int", "float", "text"
CHAIN = (NULL, BOOL, INT, FLOAT, TEXT)
LIST = "list"
"""A list of numbers in each row, all equally long: no part of the chain."""
_PROBE = 64
_FRACTION = r"(:\d\d\.\d*?)0+(Z?)$"


def join(kinds: Iterable[str]) -> str:
    """Gives the lowest kind that holds them all."""
    return max(kinds, key=CHAIN.index, default=NULL)


def kind_of_text(text: pa.Array, floor: str = NULL, form: NumberForm | None = None) -> str:
    """Gives the lowest kind, not below `floor`, that every value parses as."""
    for kind in CHAIN[CHAIN.index(floor) : -1]:
        # A failing cast costs far more than a successful one: try a few values first.
        if parse(text[:_PROBE], kind, form) is not None and parse(text, kind, form) is not None:
            return kind
    return TEXT


def kind_of_type(kind: pa.DataType) -> str | None:
    """Gives the kind of a typed column; None for a nested one."""
    if pa.types.is_dictionary(kind):
        return kind_of_type(kind.value_type)
    if pa.types.is_null(kind):
        return NULL
    if pa.types.is_boolean(kind):
        return BOOL
    if pa.types.is_integer(kind) or pa.types.is_duration(kind):
        return INT
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return FLOAT
    if _is_text(kind) or pa.types.is_temporal(kind):
        return TEXT
    return None


def parse(text: pa.Array, kind: str, form: NumberForm | None = None) -> pa.Array | None:
    """Gives text as the canonical array of `kind`, or None where a value does not fit.

    Args:
      text: The values; null is missing.
      kind: One of `CHAIN`.
      form: How numbers are written; None as Arrow reads them.
    """
    if kind == TEXT:
        return text.cast(pa.binary())
    if kind == NULL:
        return pa.nulls(len(text)) if text.null_count == len(text) else None
    if kind == BOOL:
        return _parse_bool(text)
    if form is not None:
        plain = to_plain(_clean(text), form)
        parsed = None if plain is None else _parse_number(plain, kind)
        return None if parsed is None else _canonical_float(parsed)
    parsed = _parse_number(text, kind)
    if parsed is None:
        cleaned = _clean(text)
        parsed = None if cleaned.equals(text) else _parse_number(cleaned, kind)
    return None if parsed is None else _canonical_float(parsed)


def first_invalid(text: pa.Array, kind: str, form: NumberForm | None = None) -> int:
    """Gives the position of the first value that does not parse as `kind`."""
    return first_failing(text, lambda part: parse(part, kind, form))


def canonical(values: pa.Array, kind: str) -> pa.Array:
    """Gives typed values as the canonical array of `kind`.

    Booleans and integers become int64, floats and decimals float64 with NaN as null, text
    binary, dates and times ISO text.

    Raises:
      pyarrow.ArrowInvalid: An integer does not fit into 64 signed bits.
    """
    if pa.types.is_dictionary(values.type):
        values = values.dictionary_decode()
    if pa.types.is_null(values.type) or kind == NULL:
        types = {NULL: pa.null(), TEXT: pa.binary(), FLOAT: pa.float64()}
        return pa.nulls(len(values), types.get(kind, pa.int64()))
    if kind == TEXT:
        return _text_of(values).cast(pa.binary())
    if kind == FLOAT:
        if pa.types.is_boolean(values.type):
            values = values.cast(pa.int8())
        return _canonical_float(values.cast(pa.float64(), safe=False))
    return values.cast(pa.int64())


def _is_text(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
    )


def _parse_number(text: pa.Array, kind: str) -> pa.Array | None:
    as_float = cast_or_none(text, pa.float64())
    if as_float is None or kind == FLOAT:
        return as_float
    # Arrow reads 0x1F as an integer but not as a float: an integer must be both.
    return cast_or_none(text, pa.int64())


def _parse_bool(text: pa.Array) -> pa.Array | None:
    words = pc.utf8_lower(text)
    known = pc.is_in(words, value_set=pa.array(["true", "false"]))
    if pc.sum(known).as_py() != len(text) - text.null_count:
        return None if len(text) > text.null_count else pa.nulls(len(text), pa.int64())
    return pc.equal(words, "true").cast(pa.int64())


def _clean(text: pa.Array) -> pa.Array:
    """Trims blanks, turns empty into null and true/false into 1/0."""
    trimmed = pc.utf8_trim_whitespace(text)
    lower = pc.utf8_lower(trimmed)
    numbers = pc.if_else(pc.equal(lower, "true"), "1", trimmed)
    numbers = pc.if_else(pc.equal(lower, "false"), "0", numbers)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, pa.string()), numbers)


def _canonical_float(values: pa.Array) -> pa.Array:
    if not pa.types.is_floating(values.type):
        return values
    return pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)


def _text_of(values: pa.Array) -> pa.Array:
    kind = values.type
    if _is_text(kind):
        return values
    if not pa.types.is_temporal(kind) or pa.types.is_date32(kind):
        return values.cast(pa.string())
    if pa.types.is_date64(kind):
        return values.cast(pa.date32()).cast(pa.string())
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        values = values.cast(pa.timestamp(kind.unit, "UTC"))
    # The same moment must read the same whatever the file's time unit is.
    short = pc.replace_substring_regex(values.cast(pa.string()), _FRACTION, r"\1\2")
    return pc.replace_substring_regex(short, r"\.(Z?)$", r"\1")
