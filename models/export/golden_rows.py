"""Golden rows: raw examples of val with what Keras answered, to compare a SavedModel with.

Three files, none of which needs pickle: the serialized examples, the same rows as named
raw columns, and the outputs. Text is kept as bytes and lengths: numpy's own text of fixed
width drops NULs at the end of a value.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from contracts.arrays import Array
from contracts.tfrecord import frame, read_records

GOLDEN_ROWS = 100
MARGIN = "margin"  # an output: how far a row is from where its class would change
EXAMPLES_FILE = "golden.tfrecord"
_COLUMNS_FILE = "columns.npz"
_OUTPUTS_FILE = "outputs.npz"
# np.savez takes names as keyword arguments, and `file` is one of its own.
_PREFIX = "column/"
_TEXT, _LENGTHS = "text/", "lengths/"


def write_golden(
    folder: Path, examples: list[bytes], columns: Mapping[str, Array], outputs: Mapping[str, Array]
) -> None:
    """Writes the golden rows.

    Args:
      folder: Where to; it is made.
      examples: Serialized `tf.Example`s.
      columns: The same rows as the inputs of `serving_default`; text is an array of bytes.
      outputs: What the trained network answered, by output name.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / EXAMPLES_FILE).write_bytes(b"".join(map(frame, examples)))
    for file, arrays in ((_COLUMNS_FILE, columns), (_OUTPUTS_FILE, outputs)):
        named: dict[str, Any] = {}
        for name, values in arrays.items():
            named |= _packed(name, values)
        np.savez_compressed(folder / file, **named)


def golden_columns(folder: Path) -> dict[str, Array]:
    """Reads the golden rows as the inputs of `serving_default`."""
    return _read(folder / _COLUMNS_FILE)


def golden_outputs(folder: Path) -> dict[str, Array]:
    """Reads what the trained network answered."""
    return _read(folder / _OUTPUTS_FILE)


def golden_examples(folder: Path) -> list[bytes]:
    """Reads the golden rows as serialized `tf.Example`s."""
    return list(read_records(folder / EXAMPLES_FILE))


def _packed(name: str, values: Array) -> dict[str, Array]:
    if values.dtype != object:
        return {_PREFIX + name: values}
    lengths = np.fromiter(map(len, values), np.int64, len(values))
    text = np.frombuffer(b"".join(values), np.uint8)
    return {_TEXT + name: text, _LENGTHS + name: lengths}


def _read(path: Path) -> dict[str, Array]:
    arrays: dict[str, Array] = {}
    with np.load(path, allow_pickle=False) as stored:
        for key in stored.files:
            if key.startswith(_TEXT):
                name = key.removeprefix(_TEXT)
                arrays[name] = _unpacked(stored[key].tobytes(), stored[_LENGTHS + name])
            elif key.startswith(_PREFIX):
                arrays[key.removeprefix(_PREFIX)] = stored[key]
    return arrays


def _unpacked(text: bytes, lengths: Array) -> Array:
    ends = np.cumsum(lengths)
    values = np.empty(len(lengths), object)
    values[:] = [text[end - length : end] for end, length in zip(ends, lengths, strict=True)]
    return values
