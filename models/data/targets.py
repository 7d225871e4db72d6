"""What a network learns in place of the labels of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import tensorflow as tf

from contracts.arrays import Array
from models.data.dataset import Split
from models.data.packing import ROW_NUMBERS, TARGETS, MemoryChunks
from models.data.unconverted import unconverted


def file_places(split: Split) -> Array:
    """Gives the place of each row in the order of the files, from a numbered split."""
    numbers = _row_numbers(split)
    places = np.empty(len(numbers), np.int64)
    places[np.argsort(numbers)] = np.arange(len(numbers))
    return places


def column_chunks(split: Split) -> Iterator[dict[str, Array]]:
    """Gives the columns chunk by chunk, in the order of the split's labels."""
    chunks: Iterator[dict[str, Array]] = split.chunks.as_numpy_iterator()
    return chunks


@unconverted
def with_targets(split: Split, targets: Array) -> Split:
    """Gives the split with something else to learn beside its labels.

    Args:
      split: In memory, or numbered.
      targets: `[rows, width]` in the order of the split's labels.
    """
    targets = targets.astype(np.float32)
    if split.memory is not None:
        columns = {name: part for name, part in split.memory.matrices.items() if name != TARGETS}
        memory = MemoryChunks({**columns, TARGETS: targets}, split.memory.chunk_rows)
        return replace(split, packed=memory.dataset(), memory=memory)
    numbers = _row_numbers(split)
    order = np.argsort(numbers)
    ranked = numbers[order]

    def find(rows: Array) -> Array:
        return targets[order[np.searchsorted(ranked, rows[:, 0])]]

    def add(matrices: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        values = tf.numpy_function(find, [matrices[ROW_NUMBERS]], tf.float32)
        return {**matrices, TARGETS: tf.ensure_shape(values, [None, targets.shape[1]])}

    return replace(split, packed=split.packed.map(add))


@unconverted
def _row_numbers(split: Split) -> Array:
    if split.memory is not None:
        return split.memory.matrices[ROW_NUMBERS][:, 0]
    parts = split.packed.map(lambda matrices: matrices[ROW_NUMBERS][:, 0])
    return np.concatenate(list(parts.as_numpy_iterator()))
