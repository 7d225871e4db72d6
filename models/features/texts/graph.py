"""Texts to ids in core operators of TensorFlow; `contracts.preparations.text` is the same in numpy.

A TensorFlow Serving without further libraries runs it.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain

import tensorflow as tf

from contracts.preparations.characters import POINTS, re2_class
from contracts.preparations.text import CONTINUED, TextRules, plain_character
from models.features.line_table import LineTable

_REPLACEMENT = 0xFFFD
# TensorFlow's operator follows the rules of Turkish, Azeri and Lithuanian for these where the
# machine's locale is theirs: a model must not depend on it.
_LOCAL_CAPITALS = {
    capital: capital.lower()
    for capital in (
        "I",
        "J",
        "\N{LATIN CAPITAL LETTER I WITH DOT ABOVE}",
        "\N{LATIN CAPITAL LETTER I WITH OGONEK}",
        "\N{LATIN CAPITAL LETTER I WITH GRAVE}",
        "\N{LATIN CAPITAL LETTER I WITH ACUTE}",
        "\N{LATIN CAPITAL LETTER I WITH TILDE}",
    )
}


def words_of(texts: tf.Tensor, rules: TextRules) -> tf.RaggedTensor:
    """Cuts texts into words.

    Args:
      texts: `[batch]`.
      rules: How.

    Returns:
      `[batch, words]`.
    """
    known = tf.strings.unicode_transcode(
        texts, "UTF-8", "UTF-8", errors="replace", replacement_char=_REPLACEMENT
    )
    known = tf.strings.substr(known, 0, rules.characters, unit="UTF8_CHAR")
    if rules.markup is not None:
        known = tf.strings.regex_replace(known, rules.markup, " ")
    known = tf.strings.regex_replace(known, re2_class(rules.invisible), "")
    # Before the lower case: TensorFlow's operator stops at a NUL, which is a blank.
    known = tf.strings.regex_replace(known, re2_class(rules.blanks), " ")
    if rules.lowercase:
        known = _lower_case(known)
    if rules.strip_accents:
        known = _strip_accents(known)
    known = tf.strings.regex_replace(known, f"({re2_class(rules.isolated)})", r" \1 ")
    return tf.strings.split(known)


def _lower_case(texts: tf.Tensor) -> tf.Tensor:
    for capital, small in _LOCAL_CAPITALS.items():
        texts = tf.strings.regex_replace(texts, capital, small)
    return tf.strings.lower(texts, encoding="utf-8")


def _strip_accents(texts: tf.Tensor) -> tf.Tensor:
    """Each character by its decomposition without marks; the table holds those that change."""
    points, plain = _accented()
    characters = tf.strings.unicode_split(texts, "UTF-8")
    codes = tf.strings.unicode_decode(texts, "UTF-8").flat_values
    table = tf.constant(points, tf.int32)
    places = tf.minimum(tf.searchsorted(table, codes), len(points) - 1)
    accented = tf.equal(tf.gather(table, places), codes)
    parts = tf.where(accented, tf.gather(tf.constant(plain), places), characters.flat_values)
    return tf.strings.reduce_join(characters.with_flat_values(parts), axis=-1)


@lru_cache
def _accented() -> tuple[list[int], list[bytes]]:
    changed = {
        point: plain_character(chr(point)).encode()
        for point in chain.from_iterable(POINTS)
        if plain_character(chr(point)) != chr(point)
    }
    return list(changed), list(changed.values())


def longest_pieces(
    words: tf.Tensor, vocabulary: LineTable, longest: int, word_characters: int
) -> tf.RaggedTensor:
    """Cuts words into the longest pieces that the vocabulary has, from the left.

    Args:
      words: `[words]`, none of them empty.
      vocabulary: Pieces; those that continue a word stand behind `##`.
      longest: The most characters of a piece.
      word_characters: A longer word is unknown.

    Returns:
      Places `[words, pieces]`; one -1 for a word that cannot be cut so.
    """
    whole = tf.strings.length(words, unit="UTF8_CHAR")
    sizes = tf.minimum(whole, word_characters)
    rows = tf.RaggedTensor.from_row_lengths(tf.range(tf.reduce_sum(sizes)), sizes)
    owner, first = rows.value_rowids(), rows.row_starts()
    offset = rows.flat_values - tf.cast(tf.gather(first, owner), tf.int32)
    left = tf.gather(sizes, owner) - offset
    places, lengths = _longest_matches(tf.gather(words, owner), offset, left, vocabulary, longest)
    visited, cut = _walk(tf.cast(first, tf.int32), sizes, lengths)
    is_cut = tf.logical_and(cut, tf.equal(whole, sizes))
    starts = tf.equal(offset, 0)
    known = tf.gather(is_cut, owner)
    kept = tf.where(known, visited, starts)
    tokens = tf.where(known, places, tf.constant(-1, tf.int64))
    pieces = tf.ragged.boolean_mask(rows.with_flat_values(tokens), rows.with_flat_values(kept))
    return pieces.with_row_splits_dtype(tf.int64)


def _longest_matches(
    words: tf.Tensor, offset: tf.Tensor, left: tf.Tensor, vocabulary: LineTable, longest: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """By character, the longest piece that begins there: its place, -1 for none, and length."""
    sizes = tf.range(longest, 0, -1)
    count = tf.shape(words)[0]
    shape = tf.stack([count, longest])
    fits = sizes[None, :] <= left[:, None]
    pieces = tf.strings.substr(
        tf.broadcast_to(words[:, None], shape),
        tf.broadcast_to(offset[:, None], shape),
        tf.broadcast_to(sizes[None, :], shape),
        unit="UTF8_CHAR",
    )
    marks = tf.where(offset > 0, CONTINUED, "")[:, None]
    pieces = tf.where(fits, tf.strings.join([tf.broadcast_to(marks, shape), pieces]), "")
    places = tf.reshape(vocabulary.places(tf.reshape(pieces, [-1])), shape)
    best = tf.argmax(tf.cast(places >= 0, tf.int32), axis=1, output_type=tf.int32)
    matched = tf.gather(places, best, batch_dims=1)
    return matched, tf.where(matched >= 0, tf.gather(sizes, best), 0)


def _walk(first: tf.Tensor, sizes: tf.Tensor, lengths: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Follows the pieces of all words at once.

    Returns:
      By character, whether a piece of its word begins there; by word, whether it is cut wholly.
    """
    end = first + sizes

    def unfinished(at: tf.Tensor, visited: tf.Tensor, stuck: tf.Tensor) -> tf.Tensor:
        return tf.reduce_any(tf.logical_and(at < end, tf.logical_not(stuck)))

    def step(
        at: tf.Tensor, visited: tf.Tensor, stuck: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        moving = tf.logical_and(at < end, tf.logical_not(stuck))
        here = tf.boolean_mask(at, moving)
        visited = tf.tensor_scatter_nd_update(visited, here[:, None], tf.ones_like(here, tf.bool))
        reach = tf.gather(lengths, tf.where(moving, at, 0))
        stuck = tf.logical_or(stuck, tf.logical_and(moving, tf.equal(reach, 0)))
        return tf.where(moving, at + reach, at), visited, stuck

    nothing = tf.zeros_like(lengths, tf.bool)
    _, visited, stuck = tf.while_loop(
        unfinished, step, (first, nothing, tf.zeros_like(first, tf.bool))
    )
    return visited, tf.logical_not(stuck)
