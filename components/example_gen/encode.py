"""Canonical columns to serialized `tf.Example`s, a batch at a time.

The features of an example are a map, whose order in a file is free. They are written by name:
equal rows give equal bytes, and files half as large as in the order of a hash map, which is another
for each row. A column is encoded at once: what stands before a value depends on its length alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Tags of protobuf: fields 1 and 2 of any message, and the lists of a feature by their fields.
_FIRST, _SECOND = b"\x0a", b"\x12"
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = b"\x0a", b"\x12", b"\x1a"
_MISSING = -1
_ROWS = 8192  # at once: what is made on the way takes more room than the examples
_BINARY = pa.large_binary()

Ints = np.ndarray[Any, np.dtype[np.int64]]


def encode(columns: Mapping[str, pa.Array], names: Sequence[str]) -> list[bytes]:
    """Encodes the named columns: int64, float32, bytes and lists of float32.

    A missing value has no list; a missing step is NaN in its list.
    """
    present = [name for name in names if not pa.types.is_null(columns[name].type)]
    rows = len(columns[present[0]]) if present else 0
    examples: list[bytes] = []
    for start in range(0, rows, _ROWS):
        part = {name: columns[name].slice(start, _ROWS) for name in present}
        examples += _encode_rows(part)
    return examples


def _encode_rows(columns: Mapping[str, pa.Array]) -> list[bytes]:
    parts: list[pa.Array] = []
    for name in sorted(columns, key=str.encode):
        parts += _encode_column(name.encode(), columns[name])
    features = _join(*parts)
    lengths = pc.binary_length(features).to_numpy()
    heads = _by_length(lengths, lambda length: _FIRST + _varint(length))
    examples: list[bytes] = _join(heads, features).to_pylist()
    return examples


@dataclass(frozen=True)
class _Contents:
    """What the lists of a column hold, one list a row that has a value.

    Attributes:
      tag: The tag of such a list in its feature.
      lengths: The length of each.
      data: All of them, one after the other.
    """

    tag: bytes
    lengths: Ints
    data: Any


def _encode_column(name: bytes, column: pa.Array) -> tuple[pa.Array, pa.Array]:
    """What stands before each value, and the values."""
    present = column.is_valid().to_numpy(zero_copy_only=False)
    contents = _contents(column.drop_null())
    lengths = np.full(len(column), _MISSING, np.int64)
    lengths[present] = contents.lengths
    offsets = np.zeros(len(column) + 1, np.int64)
    np.cumsum(np.maximum(lengths, 0), out=offsets[1:])
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(contents.data)]
    values = pa.Array.from_buffers(_BINARY, len(column), buffers)
    return _by_length(lengths, lambda length: _head(name, contents.tag, length)), values


def _contents(values: pa.Array) -> _Contents:
    """The lists of values none of which is missing."""
    kind = values.type
    if pa.types.is_fixed_size_list(kind):
        return _floats(values.flatten(), len(values))
    if pa.types.is_floating(kind):
        return _floats(values, len(values))
    if pa.types.is_integer(kind):
        return _Contents(_INT64_LIST, *_varints(values.cast(pa.int64()).to_numpy()))
    binary = values.cast(_BINARY)
    _, places, content = binary.buffers()
    offsets = np.frombuffer(places or bytes(8), np.int64)
    offsets = offsets[binary.offset : binary.offset + len(binary) + 1]
    data = np.frombuffer(content or b"", np.uint8)[offsets[0] : offsets[-1]]
    return _Contents(_BYTES_LIST, np.diff(offsets), data)


def _floats(values: pa.Array, lists: int) -> _Contents:
    data = values.cast(pa.float32(), safe=False).to_numpy(zero_copy_only=False).astype("<f4")
    return _Contents(_FLOAT_LIST, np.full(lists, data.nbytes // max(lists, 1)), data)


def _varints(numbers: Ints) -> tuple[Ints, Any]:
    """The lengths of numbers in protobuf's form, seven bits a byte, and the bytes."""
    bits = numbers.view(np.uint64)
    lengths = np.ones(len(numbers), np.int64)
    for place in range(1, 10):
        lengths += bits >= np.uint64(1 << 7 * place)
    starts = np.cumsum(lengths) - lengths
    data = np.empty(int(lengths.sum()), np.uint8)
    for place in range(int(lengths.max(initial=0))):
        rows = np.flatnonzero(lengths > place)
        low = (bits[rows] >> np.uint64(7 * place)) & np.uint64(0x7F)
        more = np.where(lengths[rows] > place + 1, 0x80, 0)
        data[starts[rows] + place] = low.astype(np.uint8) | more.astype(np.uint8)
    return lengths, data


def _head(name: bytes, tag: bytes, length: int) -> bytes:
    """What stands before a value of some length in the map of features."""
    key = _FIRST + _varint(len(name)) + name
    if length == _MISSING:
        entry = key + _SECOND + _varint(0)
        return _FIRST + _varint(len(entry)) + entry
    content = _FIRST + _varint(length)
    content = tag + _varint(len(content) + length) + content
    entry = key + _SECOND + _varint(len(content) + length) + content
    return _FIRST + _varint(len(entry) + length) + entry


def _varint(number: int) -> bytes:
    content = bytearray()
    while number >= 0x80:
        content.append(number & 0x7F | 0x80)
        number >>= 7
    content.append(number)
    return bytes(content)


def _by_length(lengths: Ints, make: Callable[[int], bytes]) -> pa.Array:
    """For each row, bytes that depend on a length alone."""
    different, places = np.unique(lengths, return_inverse=True)
    return pa.array([make(int(length)) for length in different], _BINARY).take(pa.array(places))


def _join(*parts: pa.Array) -> pa.Array:
    """Joins arrays of bytes row by row."""
    return pc.binary_join_element_wise(*parts, pa.scalar(b"", _BINARY))
