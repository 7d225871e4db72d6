"""From a raw column of texts to the ids of its tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

import tensorflow as tf

from contracts.preparations.text import CONTINUED
from models.encoders.texts.bert import PretrainedText
from models.encoders.texts.kind import PADDING
from models.features import text
from models.features.line_table import LineTable
from models.features.texts.graph import longest_pieces, words_of
from models.features.texts.pretrained import encode_frozen
from models.features.word_file import Counts, learn_file

Learn = Callable[[Counter[bytes]], list[bytes]]


def text_ids(name: str, spec: text.TextSpec, column: tf.Tensor) -> tf.Tensor:
    """Learns a vocabulary, or takes that of a pretrained encoder, and looks tokens up.

    Args:
      name: The feature.
      spec: The feature's keys.
      column: Text `[batch, 1]`, empty where it is missing.

    Returns:
      int64 `[batch, length]`.
    """
    words = words_of(tf.squeeze(column, axis=1), spec.text_rules())
    pretrained = spec.pretrained_text
    if pretrained is None:
        grams = tf.concat([each.flat_values for each in ngrams_of(spec, words)], axis=0)
        file = _learn_words(grams, spec.learn, name, text.HEAD)
        return padded_ids(spec, words, LineTable(file))
    pretrained.check_digest(spec.pretrained_sha256)
    tokens = [token.encode() for token in pretrained.tokens]
    given = partial(_known_tokens, tokens[1:])
    file = _learn_words(words.flat_values, given, name, tokens[:1])
    return pretrained_ids(spec.length, pretrained, words, LineTable(file))


def text_vectors(name: str, spec: text.TextSpec, column: tf.Tensor) -> tf.Tensor:
    """Encodes texts by the frozen encoder of the feature.

    Args:
      name: The feature.
      spec: The feature's keys.
      column: Text `[batch, 1]`, empty where it is missing.

    Returns:
      float32 `[batch, width]`; 0 where the text is missing.
    """
    pretrained = spec.pretrained_text
    assert pretrained is not None
    return encode_frozen(text_ids(name, spec, column), pretrained)


def _learn_words(words: tf.Tensor, learn: Learn, name: str, head: Sequence[bytes]) -> tf.Tensor:
    """The file of a text's vocabulary: some first lines, then what is learned of the words."""
    empty = b"\n".join(head) + b"\n"
    return learn_file(words, 1, partial(_lines, learn, head), text.vocabulary_file(name), empty)


def _lines(learn: Learn, head: Sequence[bytes], counts: Counts) -> list[bytes]:
    return [*head, *learn(counts[0])]


def _known_tokens(tokens: list[bytes], counts: Counter[bytes]) -> list[bytes]:
    del counts
    return tokens


def pretrained_ids(
    length: int, pretrained: PretrainedText, words: tf.RaggedTensor, vocabulary: LineTable
) -> tf.Tensor:
    """The ids that the pretrained encoder was trained on, int64 `[batch, length]`.

    Args:
      length: How many there may be, with the marks of the start and the end.
      pretrained: The encoder.
      words: `[batch, words]`.
      vocabulary: Looks tokens up.
    """
    marks = pretrained.marks
    longest = max(len(token.removeprefix(CONTINUED)) for token in pretrained.tokens)
    distinct, places = tf.unique(words.flat_values)
    pieces = longest_pieces(distinct, vocabulary, longest, text.WORD_CHARACTERS)
    known = tf.where(pieces < 0, tf.constant(marks["unknown"], tf.int64), pieces)
    ids = words.with_flat_values(tf.gather(known, places)).merge_dims(1, 2)[:, : length - 2]
    some = ids.row_lengths() > 0
    start, end = (
        tf.RaggedTensor.from_row_lengths(
            tf.fill([tf.reduce_sum(tf.cast(some, tf.int64))], tf.constant(marks[mark], tf.int64)),
            tf.cast(some, tf.int64),
        )
        for mark in ("start", "end")
    )
    marked = tf.concat([start, ids, end], axis=1)
    padded = marked.to_tensor(marks["padding"], shape=[None, length])
    return tf.ensure_shape(padded, [None, length])


def padded_ids(spec: text.TextSpec, words: tf.RaggedTensor, vocabulary: LineTable) -> tf.Tensor:
    """The ids of the first tokens of each text and of their n-grams, int64 `[batch, ids]`.

    Args:
      spec: The feature's keys.
      words: `[batch, words]`.
      vocabulary: Looks tokens up.
    """
    if spec.tokenizer == "wordpiece":
        return _padded(spec, _piece_ids(words, vocabulary))
    grams = ngrams_of(spec, words)
    parts = [each.with_flat_values(_ids(vocabulary.places(each.flat_values))) for each in grams]
    return tf.concat([_padded(spec, part) for part in parts], axis=1)


def ngrams_of(spec: text.TextSpec, words: tf.RaggedTensor) -> list[tf.RaggedTensor]:
    """The words that are read, and their n-grams; all words where pieces are what is counted."""
    if spec.tokenizer == "wordpiece":
        return [words]
    read = words[:, : spec.length]
    longer = [tf.strings.ngrams(read, count, " ") for count in range(2, spec.ngrams + 1)]
    return [read, *longer]


def _piece_ids(words: tf.RaggedTensor, vocabulary: LineTable) -> tf.RaggedTensor:
    distinct, places = tf.unique(words.flat_values)
    pieces = longest_pieces(distinct, vocabulary, text.PIECE_CHARACTERS, text.WORD_CHARACTERS)
    return words.with_flat_values(tf.gather(_ids(pieces), places)).merge_dims(1, 2)


def _padded(spec: text.TextSpec, ids: tf.RaggedTensor) -> tf.Tensor:
    padded = ids[:, : spec.length].to_tensor(PADDING, shape=[None, spec.length])
    return tf.ensure_shape(padded, [None, spec.length])


def _ids(places: tf.Tensor | tf.RaggedTensor) -> tf.Tensor | tf.RaggedTensor:
    return tf.where(places < 0, tf.constant(text.UNKNOWN, tf.int64), places)
