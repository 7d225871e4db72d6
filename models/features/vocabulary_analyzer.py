"""Learns the vocabularies of all categorical features in one pass, and looks words up.

TF Transform's own analyzer learns one vocabulary; the Beam stages of many made its memory
grow with the square of the number of features. Here one analyzer counts the words of all
features, and one table gives their ids. See models/features/vocabularies.py for the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
import tensorflow as tf
import tensorflow_transform as tft
from tensorflow_transform.beam.experimental import PTransformAnalyzer

from contracts.arrays import Array
from models.features.line_table import LineTable
from models.features.vocabularies import ESCAPED, ESCAPES, VOCABULARIES_FILE, head, to_lines

Counts = list[Counter[bytes]]


def learn_and_look_up(words: Sequence[tf.Tensor], min_counts: Sequence[int]) -> list[tf.Tensor]:
    """Learns a vocabulary for each column of words, and turns the words into ids.

    Args:
      words: Groups of features: text `[batch, features]`, a column for each feature.
      min_counts: By feature of all groups, how often train must show a word.

    Returns:
      int64 ids `[batch, features]`, in the same groups.
    """
    (file,) = tft.experimental.ptransform_analyzer(
        inputs=[tf.concat(words, axis=1)],
        ptransform=_LearnVocabularies(tuple(min_counts)),
        output_dtypes=[tf.string],
        output_shapes=[[]],
        output_asset_default_values=[b"\n".join(to_lines([()] * len(min_counts)))],
        name="vocabularies",
    )
    tft.annotate_asset(VOCABULARIES_FILE, VOCABULARIES_FILE)
    table = LineTable(file)
    heads = [head(number) for number in range(len(min_counts) + 1)]
    places = table.places(tf.constant([*heads, ESCAPED]))
    ids: list[tf.Tensor] = []
    start = 0
    for group in words:
        stop = start + int(group.shape[1])
        prefixes = [[line + b" " for line in heads[start:stop]]]
        texts = _escape_where(places[-1] >= 0, group)
        lines = tf.strings.join([tf.broadcast_to(prefixes, tf.shape(group)), texts])
        matched, firsts = table.places(lines), places[start:stop] + 1
        sizes = places[start + 1 : stop + 1] - firsts
        ids.append(tf.where(matched < 0, sizes, matched - firsts))
        start = stop
    return ids


class _LearnVocabularies(PTransformAnalyzer):
    """Counts, orders and writes the words of all columns; gives the file's name."""

    def __init__(self, min_counts: tuple[int, ...]) -> None:
        super().__init__()
        self._min_counts = min_counts

    def expand(self, batches: Any) -> Any:
        return (
            batches
            | "CountWords" >> beam.CombineGlobally(_CountWords(len(self._min_counts)))
            | "WriteWords" >> beam.Map(_write, self.base_temp_dir, self._min_counts)
        )


class _CountWords(beam.CombineFn):
    """Counts the words of each column."""

    def __init__(self, columns: int) -> None:
        self._columns = columns

    def create_accumulator(self) -> Counts:
        return [Counter() for _ in range(self._columns)]

    def add_input(self, accumulator: Counts, batch: tuple[Array, ...]) -> Counts:
        (words,) = batch
        for counter, column in zip(accumulator, words.T, strict=True):
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


def _write(counters: Sequence[Counter[bytes]], folder: str, min_counts: Sequence[int]) -> Array:
    words = [_ordered(counter, floor) for counter, floor in zip(counters, min_counts, strict=True)]
    tf.io.gfile.makedirs(folder)
    path = f"{folder}/{VOCABULARIES_FILE}"
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(b"".join(line + b"\n" for line in to_lines(words)))
    return np.array(path.encode(), object)


def _ordered(counter: Counter[bytes], min_count: int) -> list[bytes]:
    frequent = [(count, word) for word, count in counter.items() if count >= min_count]
    return [word for _, word in sorted(frequent, reverse=True)]


def _escape_where(escaped: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
    """Escapes words as the file's are; where none of those is, no other word needs it."""

    def escape() -> tf.Tensor:
        texts = words
        for plain, code in ESCAPES:
            pattern, rewrite = (text.replace(b"\\", b"\\\\") for text in (plain, code))
            texts = tf.strings.regex_replace(texts, pattern, rewrite)
        return texts

    return tf.cond(escaped, escape, lambda: words)
