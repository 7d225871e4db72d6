"""The input pipeline: raw examples in, batches of transformed features out.

Examples are read and transformed once, in chunks of thousands of rows, and the chunks are
kept in memory where they fit. An epoch then only shuffles chunks, permutes the rows within
each, and cuts batches: no step touches a single row. Equal seeds give equal batches.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf

from contracts.arrays import Array
from contracts.errors import ModelError
from contracts.memory import free_memory_mib
from models.data.packing import (
    ROW_NUMBERS,
    TARGETS,
    Layout,
    MemoryChunks,
    in_memory,
    layout_of,
    permute,
)
from models.data.raw_table import record_bytes
from models.data.representation import parse_rows, raw_input_specs
from models.data.row_sizes import CHUNK_ROWS, row_bytes, rows_a_chunk, serialized_rows
from models.data.unconverted import unconverted

_CALL_BYTES = 8 << 20  # the layers of a network hold many times what they are given
_FEWEST_CALL_ROWS = 16
_SHUFFLE_ROWS = 1 << 17
_SHUFFLE_CHUNKS = 64  # where the chunks are not in memory already
_SHUFFLE_BYTES = 1 << 28
_FEWEST_CHUNKS = 2
_MEMORY_BYTES = 1 << 30
_MOST_ROWS_A_FILE = 1 << 40  # so that a row's number holds both its file and its place there
_FREE_SHARE = 0.25

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """How raw examples become transformed features.

    Attributes:
      schema: The schema with dense representations.
      transform: The layer that applies the transform graph.
      label: The label's name.
    """

    schema: Any
    transform: Any
    label: str


@dataclass(frozen=True)
class Split:
    """One split, transformed.

    Attributes:
      name: The split's name.
      packed: Chunks of rows, as matrices; see `models.data.packing`. Beside the columns they
        may hold `ROW_NUMBERS`, and `TARGETS`; see `models.data.targets`.
      layout: Where each column lies in the matrices, the label among them.
      labels: The labels in the chunks' order.
      label: The label's name.
      memory: The chunks, where they are in memory.
      chunk_rows: How many rows a chunk has at most.
    """

    name: str
    packed: tf.data.Dataset
    layout: Layout
    labels: Array
    label: str
    memory: MemoryChunks | None
    chunk_rows: int = CHUNK_ROWS

    @property
    def call_rows(self) -> int:
        """How many rows a network is asked about at once."""
        shapes = [shape for columns in self.layout.columns.values() for _, shape in columns]
        if all(len(shape) <= 1 for shape in shapes):
            return CHUNK_ROWS
        rows = _CALL_BYTES // row_bytes(self.packed.element_spec)
        return int(np.clip(rows, _FEWEST_CALL_ROWS, CHUNK_ROWS))

    @property
    def cached(self) -> bool:
        """Whether the chunks are in memory."""
        return self.memory is not None

    @property
    @unconverted
    def chunks(self) -> tf.data.Dataset:
        """Dicts of `[rows, ...]` tensors by column."""
        return self.packed.map(self.layout.unpack)

    def features(self, matrices: Mapping[str, tf.Tensor]) -> dict[str, tf.Tensor]:
        """Gives the columns of packed rows, but for the label."""
        columns = self.layout.unpack(matrices)
        return {name: value for name, value in columns.items() if name != self.label}

    def targets(self, matrices: Mapping[str, tf.Tensor]) -> tf.Tensor:
        """Gives what is learned in place of the labels of packed rows."""
        return matrices[TARGETS]

    @property
    def has_targets(self) -> bool:
        """Whether something else is learned in place of the labels."""
        return TARGETS in self.packed.element_spec

    @property
    def rows(self) -> int:
        """How many rows the split has."""
        return len(self.labels)


def expand(patterns: Sequence[str], split: str) -> list[str]:
    """Gives the files that match, sorted, so that a run does not depend on the disk.

    Raises:
      ModelError: no file matches.
    """
    files = sorted({file for pattern in patterns for file in tf.io.gfile.glob(pattern)})
    if not files:
        raise ModelError(
            f"split {split!r} has no files",
            where="Trainer",
            expected="gzip TFRecord files",
            received=", ".join(patterns) or "no pattern",
            fix="run ExampleGen again: kelp run CONFIG --from ExampleGen",
        )
    return files


def records(files: Sequence[str]) -> tf.data.Dataset:
    """Reads the files one after the other, in order."""
    return tf.data.TFRecordDataset(list(files), compression_type="GZIP")


@unconverted
def load_split(
    name: str,
    files: Sequence[str],
    source: Source,
    cache: Literal["auto", "memory", "none"],
    seed: int | None = None,
    numbered: bool = False,
) -> Split:
    """Reads and transforms a split, and collects its labels.

    Args:
      name: The split's name.
      files: Its files.
      source: How to parse and transform.
      cache: Whether to keep the chunks in memory; `auto` does where they take less than 1 GiB
        and than a quarter of the free memory.
      seed: Shuffles the rows over the chunks; None keeps the files' order.
      numbered: Whether to add `ROW_NUMBERS`, which rise in the order of the files.
    """
    chunks = _chunks(files, source, seed, numbered)
    layout = layout_of(chunks.element_spec[0])
    packed = chunks.map(lambda columns, numbers: {**layout.pack(columns), **numbers})
    chunk_rows = rows_a_chunk(chunks.element_spec[0])
    memory = in_memory(packed, chunk_rows) if _fits(name, files, chunks, cache) else None
    packed = packed if memory is None else memory.dataset()
    found = packed.map(lambda matrices: layout.column(matrices, source.label))
    parts = list(found.as_numpy_iterator())
    labels = np.concatenate(parts) if parts else np.zeros([0], np.float32)
    return Split(name, packed, layout, labels, source.label, memory, chunk_rows)


def load_columns(
    files: Sequence[str],
    source: Source,
    keep: Iterable[Array] | None = None,
    convert: Mapping[str, Callable[[Array], Array]] | None = None,
) -> dict[str, Array]:
    """Reads and transforms a split once, in the order of its files.

    Args:
      files: Its files.
      source: How to parse and transform.
      keep: By chunk of `CHUNK_ROWS` rows, a flag a row: whether to keep it; None keeps all.
      convert: By feature, what to make of its values, chunk by chunk.

    Returns:
      `[rows, ...]` arrays by transformed feature, the label among them.
    """
    chunks, given = _chunks(files, source, None), convert or {}
    # Without a converter, values stay as they are.
    converters = {name: given.get(name, np.asarray) for name in chunks.element_spec[0]}
    parts = {
        name: [converters[name](np.zeros([0, *spec.shape[1:]], spec.dtype.as_numpy_dtype))]
        for name, spec in chunks.element_spec[0].items()
    }
    every: Iterable[Any] = itertools.repeat(slice(None))
    if keep is not None:
        every = _recut(keep, rows_a_chunk(chunks.element_spec[0]))
    for (chunk, _), chosen in zip(chunks.as_numpy_iterator(), every, strict=keep is not None):
        for name, values in chunk.items():
            parts[name].append(converters[name](values[chosen]))
    return {name: np.concatenate(values) for name, values in parts.items()}


def rows_held(files: Sequence[str], source: Source, most: int) -> int:
    """How many transformed rows may be in memory: `most`, or fewer where they are large."""
    bytes_of_row = row_bytes(_chunks(files, source, None).element_spec[0])
    return max(1, min(most, _MEMORY_BYTES // bytes_of_row))


def _recut(parts: Iterable[Array], rows: int) -> Iterator[Array]:
    """Gives the values of some arrays in arrays of `rows`; the last may have fewer."""
    waiting = np.zeros(0, bool)
    for part in parts:
        waiting = np.concatenate([waiting, part])
        while len(waiting) >= rows:
            yield waiting[:rows]
            waiting = waiting[rows:]
    if len(waiting):
        yield waiting


@unconverted
def split_of(name: str, columns: Mapping[str, Array], label: str) -> Split:
    """Gives arrays that are in memory already as a split; see `load_columns`."""
    rows = tf.data.Dataset.from_tensors(dict(columns))
    specs = {
        column: tf.TensorSpec([None, *values.shape[1:]], values.dtype)
        for column, values in columns.items()
    }
    layout = layout_of(specs)
    (matrices,) = rows.map(layout.pack).as_numpy_iterator()
    chunk_rows = rows_a_chunk(specs)
    memory = MemoryChunks(matrices, chunk_rows)
    return Split(name, memory.dataset(), layout, columns[label], label, memory, chunk_rows)


@unconverted
def _chunks(
    files: Sequence[str], source: Source, seed: int | None, numbered: bool = False
) -> tf.data.Dataset:
    """Gives the columns of each chunk, and a dict of its row numbers, empty without them."""

    def read(place: Any, file: Any) -> tf.data.Dataset:
        rows = tf.data.TFRecordDataset(file, compression_type="GZIP")
        return rows.enumerate(place * _MOST_ROWS_A_FILE) if numbered else rows

    named = tf.data.Dataset.from_tensor_slices(list(files)).enumerate()
    if seed is None:
        rows = named.flat_map(read) if numbered else records(files)
    else:
        rows = named.interleave(
            read,
            cycle_length=min(16, len(files)),
            block_length=64,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        rows = rows.shuffle(_shuffle_rows(files), seed=seed, reshuffle_each_iteration=False)
    specs = raw_input_specs(source.schema)

    def transform(*rows: tf.Tensor) -> tuple[dict[str, tf.Tensor], dict[str, tf.Tensor]]:
        columns = dict(source.transform(parse_rows(rows[-1], specs)))
        return columns, {ROW_NUMBERS: rows[0][:, None]} if numbered else {}

    # Files of images are large before they are transformed.
    most = serialized_rows(files)

    def chunked(chunk_rows: int) -> tf.data.Dataset:
        parts = rows.batch(min(chunk_rows, most)).map(
            transform, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
        return parts if chunk_rows <= most else parts.rebatch(chunk_rows)

    chunks = chunked(CHUNK_ROWS)
    fitting = rows_a_chunk(chunks.element_spec[0])
    return chunks if fitting == CHUNK_ROWS else chunked(fitting)


def _fits(
    name: str,
    files: Sequence[str],
    chunks: tf.data.Dataset,
    cache: Literal["auto", "memory", "none"],
) -> bool:
    """Whether the chunks are to be kept in memory."""
    if cache != "auto":
        return cache == "memory"
    free = free_memory_mib() * 2**20
    size, most = _estimated_bytes(files, chunks), min(_MEMORY_BYTES, free * _FREE_SHARE)
    fits = size < most
    _LOG.info(
        "%s: about %.0f MiB once transformed, %.0f MiB are free: %s",
        name, size / 2**20, free / 2**20, "kept in memory" if fits else "streamed in every epoch",
    )  # fmt: skip
    return fits


@unconverted
def _estimated_bytes(files: Sequence[str], chunks: tf.data.Dataset) -> float:
    """From the rows of the first file: counting them all would read everything twice."""
    sizes = [tf.io.gfile.stat(file).length for file in files]
    batches = records(files[:1]).batch(serialized_rows(files))
    rows = batches.reduce(0, lambda n, batch: n + tf.shape(batch)[0])
    return float(int(rows) * sum(sizes) / max(1, sizes[0]) * row_bytes(chunks.element_spec[0]))


def _shuffle_rows(files: Sequence[str]) -> int:
    """How many serialized rows the buffer takes: as many as its bytes hold, of a usual size."""
    return int(np.clip(_SHUFFLE_BYTES // record_bytes(files), 1, _SHUFFLE_ROWS))


def _shuffle_chunks(split: Split) -> int:
    """How many chunks the buffer takes: all of those that are in memory already."""
    count = -(-split.rows // split.chunk_rows)
    if split.cached:
        return count
    within = _SHUFFLE_BYTES // (split.chunk_rows * row_bytes(split.packed.element_spec))
    return min(count, int(np.clip(within, _FEWEST_CHUNKS, _SHUFFLE_CHUNKS)))


@unconverted
def train_batches(
    split: Split,
    batch_size: int,
    seed: int,
    class_weights: Sequence[float] | None = None,
    packed: bool = False,
) -> tf.data.Dataset:
    """Gives `(features, label, weight)` batches, in another order every epoch.

    Args:
      split: The split to train on.
      batch_size: Rows a batch; the last one may have fewer.
      seed: Equal seeds give equal sequences of epochs.
      class_weights: A weight per class id; None weighs all rows alike.
      packed: Whether features stay in their matrices, for `Split.features` to unpack.
    """
    buffer = _shuffle_chunks(split)
    seeds = tf.data.Dataset.random(seed=seed + 1, rerandomize_each_iteration=True).batch(2)
    if split.memory is None:
        chunks = split.packed.shuffle(buffer, seed=seed, reshuffle_each_iteration=True)
    else:
        places = tf.data.Dataset.range(split.memory.count)
        order = places.shuffle(buffer, seed=seed, reshuffle_each_iteration=True)
        chunks = split.memory.dataset(order)
    shuffled = tf.data.Dataset.zip(chunks, seeds).map(
        permute, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
    )
    weights = None if class_weights is None else tf.constant(class_weights, tf.float32)

    def pick(matrices: dict[str, tf.Tensor]) -> tuple[Any, ...]:
        features, label = _part(split, matrices, packed)
        if weights is None:
            return features, label
        return features, label, tf.gather(weights, label)

    return _cut(shuffled, split.rows, batch_size).map(pick).prefetch(tf.data.AUTOTUNE)


@unconverted
def ordered_batches(
    split: Split, batch_size: int | None = None, packed: bool = False
) -> tf.data.Dataset:
    """Gives `(features, label)` batches in the order of the split's labels.

    Args:
      split: The split.
      batch_size: Rows a batch; None gives as many as a network takes well.
      packed: As for `train_batches`.
    """
    batches = _cut(split.packed, split.rows, batch_size or split.call_rows)
    return batches.map(lambda matrices: _part(split, matrices, packed)).prefetch(tf.data.AUTOTUNE)


def _cut(chunks: tf.data.Dataset, rows: int, batch_size: int) -> tf.data.Dataset:
    count = -(-rows // batch_size)
    return chunks.rebatch(batch_size).apply(tf.data.experimental.assert_cardinality(count))


def _part(
    split: Split, matrices: dict[str, tf.Tensor], packed: bool
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    whole = {name: matrix for name, matrix in matrices.items() if name != ROW_NUMBERS}
    features = whole if packed else split.features(matrices)
    return features, split.layout.column(matrices, split.label)
