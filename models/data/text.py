"""Bytes as text, and text as other values.

What is not UTF-8 is escaped, so that one odd value does not end a run.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa


def text_of(values: pa.Array) -> pa.Array:
    """Gives binary values as text; a byte that is no UTF-8 is written as its escape sequence.

    Values that differ stay apart; with a replacement character they would not.
    """
    try:
        return values.cast(pa.string())
    except pa.ArrowInvalid:  # Arrow's only way to say that a value is not UTF-8.
        coded = values.dictionary_encode()
        words = [decoded(word) for word in coded.dictionary.to_pylist()]
        return pa.array(words, pa.string()).take(coded.indices)


def decoded(word: bytes) -> str:
    """One value as text; see `text_of`."""
    return word.decode(errors="backslashreplace")


def cast_or_none(text: pa.Array, kind: pa.DataType) -> pa.Array | None:
    """Gives text as values of another type; None where one does not parse."""
    try:
        return text.cast(kind)
    except pa.ArrowInvalid:  # Arrow's only way to say that a value does not parse.
        return None


def first_failing(values: pa.Array, parse: Callable[[pa.Array], pa.Array | None]) -> int:
    """Gives the position of the first value that does not parse; one of them does not."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if parse(values[low:middle]) is None else (middle, high)
    return low
