"""Learns the vocabulary of a text on train, in one pass of TF Transform."""

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

Learn = Callable[[Counter[bytes]], list[bytes]]


def learn_vocabulary(words: tf.Tensor, learn: Learn, name: str, head: Sequence[bytes]) -> tf.Tensor:
    """Learns a vocabulary from the counts of train's words.

    Args:
      words: All words of a batch, `[words]`.
      learn: From the counts to the vocabulary, in the order of its ids; it can be pickled.
      name: The name of the file.
      head: The first lines of the file; the vocabulary follows. A file is never empty.

    Returns:
      The path of the file.
    """
    (file,) = tft.experimental.ptransform_analyzer(
        inputs=[words],
        ptransform=_LearnVocabulary(learn, name, tuple(head)),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[b"\n".join(head) + b"\n"],
        name=name,
    )
    tft.annotate_asset(name, name)
    return file


class _LearnVocabulary(PTransformAnalyzer):
    """Counts words, learns from the counts, and writes the file."""

    def __init__(self, learn: Learn, name: str, head: tuple[bytes, ...]) -> None:
        super().__init__()
        self._learn, self._name, self._head = learn, name, head

    def expand(self, batches: Any) -> Any:
        return (
            batches
            | "CountWords" >> beam.CombineGlobally(_CountWords())
            | "Learn" >> beam.Map(self._learn)
            | "Write" >> beam.Map(_write, self.base_temp_dir, self._name, self._head)
        )


class _CountWords(beam.CombineFn):
    def create_accumulator(self) -> Counter[bytes]:
        return Counter()

    def add_input(self, accumulator: Counter[bytes], batch: tuple[Array, ...]) -> Counter[bytes]:
        counted = pa.array(batch[0], pa.binary()).value_counts()
        words, counts = counted.field("values"), counted.field("counts")
        accumulator.update(dict(zip(words.to_pylist(), counts.to_pylist(), strict=True)))
        return accumulator

    def merge_accumulators(self, accumulators: Iterable[Counter[bytes]]) -> Counter[bytes]:
        merged = self.create_accumulator()
        for accumulator in accumulators:
            merged.update(accumulator)
        return merged

    def extract_output(self, accumulator: Counter[bytes]) -> Counter[bytes]:
        return accumulator


def _write(words: list[bytes], folder: str, name: str, head: tuple[bytes, ...]) -> Array:
    tf.io.gfile.makedirs(folder)
    path = f"{folder}/{name}"
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(b"".join(word + b"\n" for word in (*head, *words)))
    return np.array(path.encode(), object)
