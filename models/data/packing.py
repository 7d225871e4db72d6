"""Columns packed into one matrix for each type, so that an epoch handles few tensors.

Shuffling, permuting and cutting cost time for each tensor, not for each byte: on 1,107
columns they took ten times as long as the training step itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Layout:
    """Where each column lies in the matrix of its type.

    Attributes:
      columns: By type, the columns in order, each with its shape but for the rows.
    """

    columns: Mapping[str, tuple[tuple[str, tuple[int, ...]], ...]]

    def pack(self, chunk: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Gives a `[rows, width]` matrix by type."""
        return {
            dtype: tf.concat(
                [
                    chunk[name] if len(shape) == 1 else tf.reshape(chunk[name], [-1, width])
                    for (name, shape), width in zip(columns, _widths(columns), strict=True)
                ],
                axis=1,
            )
            for dtype, columns in self.columns.items()
        }

    def unpack(self, matrices: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Gives the columns of `pack` again, in their own shapes."""
        found: dict[str, tf.Tensor] = {}
        for dtype, columns in self.columns.items():
            parts = tf.split(matrices[dtype], _widths(columns), axis=1)
            for (name, shape), part in zip(columns, parts, strict=True):
                # Most columns are vectors; an operation less for each of a thousand counts.
                found[name] = part if len(shape) == 1 else tf.reshape(part, [-1, *shape])
        return dict(sorted(found.items()))

    def column(self, matrices: Mapping[str, tf.Tensor], name: str) -> tf.Tensor:
        """Gives one column of `pack`, in its own shape."""
        for dtype, columns in self.columns.items():
            start = 0
            for (column, shape), width in zip(columns, _widths(columns), strict=True):
                if column == name:
                    return tf.reshape(matrices[dtype][:, start : start + width], [-1, *shape])
                start += width
        raise KeyError(name)


def layout_of(specs: Mapping[str, tf.TensorSpec]) -> Layout:
    """Gives the layout of columns whose shapes are known but for the rows."""
    columns: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for name, spec in sorted(specs.items()):
        columns.setdefault(spec.dtype.name, []).append((name, tuple(spec.shape[1:])))
    return Layout({dtype: tuple(entries) for dtype, entries in columns.items()})


def in_memory(packed: tf.data.Dataset, chunk_rows: int) -> tf.data.Dataset:
    """Reads packed chunks once, and gives them from memory from then on.

    What came before, the transform graph most of all, is no part of the result: tf.data
    optimizes the whole of a data set's graph for every epoch.

    Args:
      packed: Chunks of matrices; each has `chunk_rows` rows but for the last.
      chunk_rows: Rows a chunk.
    """
    parts: dict[str, list[Array]] = {
        name: [np.zeros([0, spec.shape[1]], spec.dtype.as_numpy_dtype)]
        for name, spec in packed.element_spec.items()
    }
    for chunk in packed.as_numpy_iterator():
        for name, matrix in chunk.items():
            parts[name].append(matrix)
    matrices = {name: np.concatenate(parts.pop(name)) for name in list(parts)}
    return chunks_of(matrices, chunk_rows)


def chunks_of(matrices: Mapping[str, Array], chunk_rows: int) -> tf.data.Dataset:
    """Gives matrices that are in memory in chunks of some rows; the last may have fewer."""
    rows = len(next(iter(matrices.values())))
    count = rows // chunk_rows
    whole, rest = {}, {}
    for name, matrix in matrices.items():
        width = matrix.shape[1]
        whole[name] = matrix[: count * chunk_rows].reshape([count, chunk_rows, width])
        rest[name] = matrix[count * chunk_rows :]
    chunks = tf.data.Dataset.from_tensor_slices(whole)
    return chunks.concatenate(tf.data.Dataset.from_tensors(rest)) if rows % chunk_rows else chunks


def _widths(columns: tuple[tuple[str, tuple[int, ...]], ...]) -> list[int]:
    return [int(np.prod(shape)) for _, shape in columns]
