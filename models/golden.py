"""Golden rows: raw examples of val with what Keras answered, to hold a SavedModel against.

Three files, none of which needs pickle: the serialized examples, the same rows as named
raw columns, and the outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

GOLDEN_ROWS = 100
MARGIN = "margin"  # an output: how far a row is from where its class would change
EXAMPLES_FILE = "golden.tfrecord"
_COLUMNS_FILE = "columns.npz"
_OUTPUTS_FILE = "outputs.npz"
# np.savez takes names as keyword arguments, and `file` is one of its own.
_PREFIX = "column/"


def write_golden(
    folder: Path, examples: list[bytes], columns: Mapping[str, Array], outputs: Mapping[str, Array]
) -> None:
    """Writes the golden rows.

    Args:
      folder: Where to; it is made.
      examples: Serialized `tf.Example`s.
      columns: The same rows as the inputs of `serving_default`.
      outputs: What the trained network answered, by output name.
    """
    import tensorflow as tf

    folder.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / EXAMPLES_FILE)) as writer:
        for example in examples:
            writer.write(example)
    for file, arrays in ((_COLUMNS_FILE, columns), (_OUTPUTS_FILE, outputs)):
        named: dict[str, Any] = {_PREFIX + name: value for name, value in arrays.items()}
        np.savez_compressed(folder / file, **named)


def golden_columns(folder: Path) -> dict[str, Array]:
    """Reads the golden rows as the inputs of `serving_default`."""
    return _read(folder / _COLUMNS_FILE)


def golden_outputs(folder: Path) -> dict[str, Array]:
    """Reads what the trained network answered."""
    return _read(folder / _OUTPUTS_FILE)


def golden_examples(folder: Path) -> list[bytes]:
    """Reads the golden rows as serialized `tf.Example`s."""
    import tensorflow as tf

    records = tf.data.TFRecordDataset(str(folder / EXAMPLES_FILE))
    return [bytes(record) for record in records.as_numpy_iterator()]


def _read(path: Path) -> dict[str, Array]:
    with np.load(path, allow_pickle=False) as arrays:
        return {name.removeprefix(_PREFIX): arrays[name] for name in arrays.files}
