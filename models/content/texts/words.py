"""Texts as words: codes and the places where each text begins, without a loop over texts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.arrays import Array
from contracts.preparations.characters import UNSPACED, python_class
from contracts.preparations.text import MARKUP

# The rest of a longer text adds nothing to what is measured here.
MOST_CHARACTERS = 10_000
# Scripts that are written without spaces, and emoji: each character is a word.
_UNSPACED = r"([\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]|\p{So}\x{FE0F}?)"
_NO_WORD = r"[^\p{L}\p{N}\p{M}\p{So}]+"
IDEOGRAPH = python_class(UNSPACED)
VISIBLE_WORD = re.compile(rf"{IDEOGRAPH}|[^\s{IDEOGRAPH[1:-1]}]+")
"""What a reader takes for a word: what blanks surround, or one ideograph or kana."""


@dataclass(frozen=True)
class Words:
    """The words of texts.

    Attributes:
      codes: Of all words, text after text.
      ends: By text, one past its last word.
      values: The distinct words by code.
    """

    codes: Array
    ends: Array
    values: pa.Array

    @property
    def starts(self) -> Array:
        """By text, the place of its first word."""
        return np.concatenate([[0], self.ends[:-1]]) if len(self.ends) else self.ends

    @property
    def counts(self) -> Array:
        """By text, how many words it has."""
        return self.ends - self.starts

    @property
    def rows(self) -> Array:
        """By word, its text."""
        return np.repeat(np.arange(len(self.ends)), self.counts)


def read_texts(texts: pa.ChunkedArray, settings: Mapping[str, Any]) -> pa.ChunkedArray:
    """The texts without the markup that the feature removes.

    Args:
      texts: As they are in the data.
      settings: The feature's keys in the config.
    """
    if settings.get("markup") != "remove":
        return texts
    return pc.replace_substring_regex(texts, MARKUP, " ")


def split_words(texts: pa.ChunkedArray) -> Words:
    """Splits texts into words in lower case; a missing text has none."""
    cut = pc.utf8_slice_codeunits(pc.fill_null(texts, ""), 0, MOST_CHARACTERS)
    spaced = pc.replace_substring_regex(pc.utf8_lower(cut), _UNSPACED, r" \1 ")
    plain = pc.utf8_trim(pc.replace_substring_regex(spaced, _NO_WORD, " "), " ")
    lists = pc.split_pattern(plain, " ").combine_chunks()
    words = lists.flatten()
    rows = np.repeat(np.arange(len(lists)), lists.value_lengths().to_numpy(zero_copy_only=False))
    some = pc.greater(pc.utf8_length(words), 0).to_numpy(zero_copy_only=False)
    encoded = words.filter(pa.array(some)).dictionary_encode()
    counts = np.bincount(rows[some], minlength=len(lists))
    codes = encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return Words(codes, np.cumsum(counts), encoded.dictionary)
