"""Columns packed into one matrix for each type, so that an epoch handles few tensors.

Shuffling, permuting and cutting cost time for each tensor, not for each byte: on 1,107
columns they took ten times as long as the training step itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from contracts.arrays import Array
from models.data.unconverted import unconverted

# Matrices of a chunk beside those of its columns: see models/data/targets.py.
ROW_NUMBERS = "row numbers"
TARGETS = "targets"


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


@dataclass(frozen=True)
class MemoryChunks:
    """Packed rows in memory, given in chunks.

    Attributes:
      matrices: `[rows, width]` by type.
      chunk_rows: Rows a chunk; the last may have fewer.
    """

    matrices: Mapping[str, Array]
    chunk_rows: int

    @property
    def count(self) -> int:
        """How many chunks there are."""
        return -(-len(next(iter(self.matrices.values()))) // self.chunk_rows)

    @unconverted
    def dataset(self, places: tf.data.Dataset | None = None) -> tf.data.Dataset:
        """Gives the chunks.

        Rows are copied chunk by chunk, when they are asked for: of matrices that are its
        constants, tf.data made three copies.

        Args:
          places: Of the chunks, in the order wanted; None gives all in order.
        """
        names = list(self.matrices)

        def cut(place: int) -> list[Array]:
            rows = slice(place * self.chunk_rows, (place + 1) * self.chunk_rows)
            return [self.matrices[name][rows] for name in names]

        def chunk(place: tf.Tensor) -> dict[str, tf.Tensor]:
            found = tf.numpy_function(cut, [place], [self.matrices[name].dtype for name in names])
            return {
                name: tf.ensure_shape(value, [None, self.matrices[name].shape[1]])
                for name, value in zip(names, found, strict=True)
            }

        wanted = tf.data.Dataset.range(self.count) if places is None else places
        return wanted.map(chunk)


def in_memory(packed: tf.data.Dataset, chunk_rows: int) -> MemoryChunks:
    """Reads packed chunks once, to be given from memory from then on.

    What came before, the transform graph most of all, is no part of the result: tf.data
    optimizes the whole of a data set's graph for every epoch.

    Args:
      packed: Chunks of matrices.
      chunk_rows: Rows a chunk of the result.
    """
    matrices = {
        name: np.empty([0, spec.shape[1]], spec.dtype.as_numpy_dtype)
        for name, spec in packed.element_spec.items()
    }
    rows = 0
    for chunk in packed.as_numpy_iterator():
        end = rows + len(next(iter(chunk.values())))
        for name, part in chunk.items():
            _make_room(matrices[name], end)
            matrices[name][rows:end] = part
        rows = end
    for matrix in matrices.values():
        matrix.resize([rows, matrix.shape[1]], refcheck=False)
    return MemoryChunks(matrices, chunk_rows)


def permute(chunk: dict[str, tf.Tensor], seeds: tf.Tensor) -> dict[str, tf.Tensor]:
    """Gives the rows of a chunk in another order."""
    rows = tf.shape(next(iter(chunk.values())))[0]
    order = tf.random.experimental.stateless_shuffle(tf.range(rows), seed=seeds)
    return {name: tf.gather(value, order) for name, value in chunk.items()}


def _make_room(matrix: Array, rows: int) -> None:
    """Lengthens a matrix, in place: parts that are joined at the end take twice the room."""
    if rows > len(matrix):
        matrix.resize([rows + len(matrix) // 4, matrix.shape[1]], refcheck=False)


def _widths(columns: tuple[tuple[str, tuple[int, ...]], ...]) -> list[int]:
    return [int(np.prod(shape)) for _, shape in columns]
