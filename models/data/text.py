"""Bytes as text: what is not UTF-8 is escaped, so that one odd value does not end a run."""

from __future__ import annotations

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
