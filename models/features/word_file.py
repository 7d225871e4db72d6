"""Counts the words of train, and writes what is learned of them, in one pass of TF Transform."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.beam.experimental import PTransformAnalyzer

from contracts.arrays import Array

Counts = list[Counter[bytes]]
ToLines = Callable[[Counts], Sequence[bytes]]


def learn_file(
    words: tf.Tensor, columns: int, to_lines: ToLines, name: str, empty: bytes
) -> tf.Tensor:
    """Learns a file from the counts of train's words.

    Args:
      words: Those of a batch, `[words]`, or `[rows, columns]` to be counted by column.
      columns: How many columns there are.
      to_lines: From the counts of each column to the lines of the file; it can be pickled.
      name: The name of the file.
      empty: What the file holds before anything is learned; it is never empty.

    Returns:
      The path of the file.
    """
    (file,) = tft.experimental.ptransform_analyzer(
        inputs=[words],
        ptransform=_LearnFile(columns, to_lines, name),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[empty],
        name=name,
    )
    tft.annotate_asset(name, name)
    return file


class _LearnFile(PTransformAnalyzer):
    """Counts words, learns from the counts, and writes the file."""

    def __init__(self, columns: int, to_lines: ToLines, name: str) -> None:
        super().__init__()
        self._columns, self._to_lines, self._name = columns, to_lines, name

    def expand(self, batches: Any) -> Any:
        return (
            batches
            | "CountWords" >> beam.CombineGlobally(_CountWords(self._columns))
            | "Learn" >> beam.Map(self._to_lines)
            | "Write" >> beam.Map(_write, self.base_temp_dir, self._name)
        )


class _CountWords(beam.CombineFn):
    """Counts the words of each column."""

    def __init__(self, columns: int) -> None:
        self._columns = columns

    def create_accumulator(self) -> Counts:
        return [Counter() for _ in range(self._columns)]

    def add_input(self, accumulator: Counts, batch: tuple[Array, ...]) -> Counts:
        (words,) = batch
        for counter, column in zip(accumulator, np.atleast_2d(words.T), strict=True):
            counted = pa.array(column, pa.binary()).value_counts()
            distinct, counts = counted.field("values"), counted.field("counts")
            counter.update(dict(zip(distinct.to_pylist(), counts.to_pylist(), strict=True)))
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Counts]) -> Counts:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            for counter, other in zip(merged, accumulator, strict=True):
                counter.update(other)
        return merged

    def extract_output(self, accumulator: Counts) -> Counts:
        return accumulator


def _write(lines: Sequence[bytes], folder: str, name: str) -> Array:
    tf.io.gfile.makedirs(folder)
    path = f"{folder}/{name}"
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(b"".join(line + b"\n" for line in lines))
    return np.array(path.encode(), object)
