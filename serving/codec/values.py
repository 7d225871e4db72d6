"""Lists of JSON values to arrays: whole lists at a time, and strict about types."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence
from itertools import chain
from typing import Any

import numpy as np

from serving.codec.signature import STRING

_FLOATS = frozenset({"float32", "float64"})
_RANGES = {
    dtype: (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    for dtype in ("int8", "int16", "int32", "int64", "uint8", "uint32", "uint64")
}
_NUMBER = frozenset({int, float})
_WHOLE = frozenset({int})
_TRUTH = frozenset({bool})
_BASE64 = re.compile(r"[A-Za-z0-9+/]*")
_SPACE = re.compile(r"\s+")

SUPPORTED = _FLOATS | frozenset(_RANGES) | {"bool", STRING}


class UnfitError(Exception):
    """Some value does not fit; which one is found out by `serving.codec.explain`."""


def flatten(values: list[Any], depth: int) -> tuple[list[Any], tuple[int, ...]]:
    """Gives the leaves of nested lists, and the shape that all of them share.

    Raises:
      UnfitError: if the lists are ragged, or nested deeper than `depth`.
    """
    shape = [len(values)]
    while values and type(values[0]) is list:
        if set(map(type, values)) != {list} or len(shape) >= depth:
            raise UnfitError
        sizes = set(map(len, values))
        if len(sizes) > 1:
            raise UnfitError
        shape.append(sizes.pop())
        values = list(chain.from_iterable(values))
    return values, tuple(shape)


def to_array(values: Sequence[Any], dtype: str) -> np.ndarray:
    """Makes a one-dimensional array of leaves.

    Raises:
      UnfitError: if one of them is of another type, or out of the type's range.
    """
    if dtype == STRING:
        return _strings(values)
    kinds = set(map(type, values))
    if dtype in _FLOATS:
        if not kinds <= _NUMBER:
            raise UnfitError
        return _floats(values, dtype)
    if dtype == "bool":
        if not kinds <= _TRUTH:
            raise UnfitError
        return np.array(values, np.bool_)
    if dtype not in _RANGES or not kinds <= _WHOLE:
        raise UnfitError
    lowest, highest = _RANGES[dtype]
    if values and (min(values) < lowest or max(values) > highest):
        raise UnfitError
    return np.array(values, np.dtype(dtype))


def first_wrong(values: Sequence[Any], dtype: str) -> int | None:
    """The place of the first leaf that does not fit a type, by halving."""
    if not values or _all_fit(values, dtype):
        return None
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        if _all_fit(values[low:middle], dtype):
            low = middle
        else:
            high = middle
    return low


def is_base64(value: Any) -> bool:
    """Tells whether a value is TensorFlow Serving's way to write bytes."""
    return type(value) is dict and len(value) == 1 and type(value.get("b64")) is str


def decode_base64(text: str) -> bytes:
    """Reads base64 as TensorFlow Serving does: blanks are skipped, padding may be left out.

    Raises:
      UnfitError: if it is not base64.
    """
    text = _SPACE.sub("", text).replace(".", "=")
    digits = text.rstrip("=")
    padding = len(text) - len(digits)
    missing = -len(digits) % 4
    if missing == 3 or padding not in (0, missing) or not _BASE64.fullmatch(digits):
        raise UnfitError
    return binascii.a2b_base64(digits + "=" * missing)


def text_to_bytes(value: Any) -> bytes:
    """Gives the bytes of a string, or of a base64 object.

    Raises:
      UnfitError: if it is neither.
    """
    if type(value) is str:
        try:
            return value.encode()
        except UnicodeEncodeError:
            raise UnfitError from None
    if is_base64(value):
        return decode_base64(value["b64"])
    raise UnfitError


def _all_fit(values: Sequence[Any], dtype: str) -> bool:
    try:
        to_array(values, dtype)
    except UnfitError:
        return False
    return True


def _strings(values: Sequence[Any]) -> np.ndarray:
    array = np.empty(len(values), object)
    try:
        array[:] = list(map(str.encode, values))
    except (TypeError, UnicodeEncodeError):
        array[:] = list(map(text_to_bytes, values))
    return array


def _floats(values: Sequence[Any], dtype: str) -> np.ndarray:
    try:
        if dtype == "float64":
            return np.array(values, np.float64)
        with np.errstate(over="ignore"):
            # What is beyond its range becomes infinite, as a cast in C++ does it.
            return np.array(values, np.float32)
    except OverflowError:  # a whole number of hundreds of digits
        raise UnfitError from None
