"""Learns the vocabularies of all categorical features in one pass, and looks words up.

TF Transform's own analyzer learns one vocabulary; the Beam stages of many made its memory
grow with the square of the number of features. Here one analyzer counts the words of all
features, and one table gives their ids. See models/features/vocabularies.py for the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import tensorflow as tf

from models.features.line_table import LineTable
from models.features.vocabularies import ESCAPED, ESCAPES, VOCABULARIES_FILE, head, to_lines
from models.features.word_file import Counts, learn_file
from models.features.words import frequent_words


def learn_and_look_up(words: Sequence[tf.Tensor], min_counts: Sequence[int]) -> list[tf.Tensor]:
    """Learns a vocabulary for each column of words, and turns the words into ids.

    Args:
      words: Groups of features: text `[batch, features]`, a column for each feature.
      min_counts: By feature of all groups, how often train must show a word.

    Returns:
      int64 ids `[batch, features]`, in the same groups.
    """
    columns, learn = len(min_counts), partial(_lines, tuple(min_counts))
    empty = b"\n".join(to_lines([()] * columns))
    file = learn_file(tf.concat(words, axis=1), columns, learn, VOCABULARIES_FILE, empty)
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


def _lines(min_counts: Sequence[int], counts: Counts) -> list[bytes]:
    pairs = zip(counts, min_counts, strict=True)
    return to_lines([frequent_words(counter, floor) for counter, floor in pairs])


def _escape_where(escaped: tf.Tensor, words: tf.Tensor) -> tf.Tensor:
    """Escapes words as the file's are; where none of those is, no other word needs it."""

    def escape() -> tf.Tensor:
        texts = words
        for plain, code in ESCAPES:
            pattern, rewrite = (text.replace(b"\\", b"\\\\") for text in (plain, code))
            texts = tf.strings.regex_replace(texts, pattern, rewrite)
        return texts

    return tf.cond(escaped, escape, lambda: words)
