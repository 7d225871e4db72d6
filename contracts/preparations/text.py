"""Texts: normalised, cut into tokens, and looked up."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict

from contracts.arrays import Array
from contracts.preparations.characters import Ranges, lower_case, python_class
from contracts.preparations.raw_feature import RawFeature

MARKUP = "<[^<>]{1,200}>|&#?[A-Za-z0-9]{2,8};"
CONTINUED = "##"


class TextRules(BaseModel):
    """How a text becomes words; the constants say it all, and depend on no library's tables.

    Attributes:
      characters: How many characters are read; the rest of a longer text is left out.
      markup: What is taken for markup and becomes a blank: a regular expression that RE2 and
        Python read alike; None leaves markup as it is.
      lowercase: Whether letters are put into lower case, by Unicode 13.
      strip_accents: Whether accents are taken off: canonical decomposition, without marks.
      blanks: The characters that separate words, as ranges of code points.
      invisible: Those that are left out.
      isolated: Those that are words of their own.
    """

    model_config = ConfigDict(frozen=True)

    characters: int
    markup: str | None
    lowercase: bool
    strip_accents: bool
    blanks: Ranges
    invisible: Ranges
    isolated: Ranges


class TextIds:
    """Turns the texts of each column into ids.

    Args:
      features: How each raw column becomes a feature.
    """

    def __init__(self, features: Sequence[TextFeature]) -> None:
        self._features = [(feature, _Tokenizer(feature)) for feature in features]

    def __call__(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Gives ids int64 `[rows, length]` by feature."""
        return {
            feature.column: tokenizer.ids(columns[feature.port].tolist())
            for feature, tokenizer in self._features
        }


class TextFeature(RawFeature):
    """A text, as the ids of its first tokens and of their n-grams; what it lacks is `padding`.

    Attributes:
      length: How many tokens are read.
      ngrams: Up to how many neighbouring words also have an id: 2 adds the ids of pairs.
      words: How the text becomes words.
      tokenizer: What a token is: a word, or the longest pieces of it that the vocabulary has.
      word_characters: A longer word is unknown; None knows no limit.
      vocabulary: The tokens by id, from `first_id` on.
      first_id: The id of the first token of the vocabulary.
      padding: The id of a token that is not there.
      unknown: The id of a token that is not in the vocabulary.
      start: An id before the first token; None is none.
      end: An id after the last token; None is none.
      max_bytes: The longest text that a server takes.
    """

    preparer = TextIds

    kind: Literal["text"]
    raw: Literal["string"]
    length: int
    ngrams: int = 1
    words: TextRules
    tokenizer: Literal["words", "wordpiece"]
    word_characters: int | None = None
    vocabulary: tuple[str, ...]
    first_id: int
    padding: int
    unknown: int
    start: int | None = None
    end: int | None = None
    max_bytes: int = 1 << 18

    @property
    def rules(self) -> tuple[str, ...]:
        """How a text is normalised, cut and looked up."""
        pieces = (_WORDPIECE,) if self.tokenizer == "wordpiece" else ()
        return (_NORMALISE, _WORDS, *pieces, _IDS)


_NORMALISE = (
    "text: in this order, replace what is no UTF-8 by U+FFFD for each of the longest prefixes "
    "that begin a character, keep the first `characters` characters, replace what `markup` "
    "matches by a blank, leave out the characters of `invisible`, replace those of `blanks` by a "
    "blank, put letters into lower case where `lowercase`, and where `strip_accents` take the "
    "canonical decomposition of each character without its marks (Mn)."
)
_WORDS = (
    "text: put a blank before and after the characters of `isolated`, then split at blanks. "
    "`invisible`, `blanks` and `isolated` are ranges of code points, both ends included."
)
_WORDPIECE = (
    "wordpiece: the first piece of a word is the longest of its beginnings that the vocabulary "
    "has; each further one is the longest that it has behind '##'. A word that cannot be cut so, "
    "or has more than `word_characters` characters, is one unknown token."
)
_IDS = (
    "text: a token's id is `first_id` and its place in the vocabulary, counted from 0, or "
    "`unknown`. Where `ngrams` is above 1, the ids of the texts of 2 neighbouring words that were "
    "read, joined by a blank, follow at the place `length`, those of 3 at twice that, and so on. "
    "Where there are `start` and `end`, they stand before the first token and after "
    "the last one; tokens are left out at the end until all fit into `length`. The rest is "
    "`padding`. A missing text, or one without a token, is `padding` throughout."
)


class WordSplitter:
    """Cuts texts into words, as the transform graph does: see models/features/texts/graph.py.

    Args:
      rules: How.
    """

    def __init__(self, rules: TextRules) -> None:
        self._rules = rules
        self._markup = None if rules.markup is None else re.compile(rules.markup)
        self._invisible = re.compile(python_class(rules.invisible))
        self._blank = re.compile(python_class(rules.blanks))
        self._isolated = re.compile(f"({python_class(rules.isolated)})")

    def words(self, text: bytes) -> list[str]:
        """The words of a text."""
        rules = self._rules
        # A character has four bytes at most: no need to decode more of a long text.
        known = text[: 4 * rules.characters + 4].decode(errors="replace")[: rules.characters]
        if self._markup is not None:
            known = self._markup.sub(" ", known)
        known = self._blank.sub(" ", self._invisible.sub("", known))
        if rules.lowercase:
            known = lower_case(known)
        if rules.strip_accents:
            known = strip_accents(known)
        return self._isolated.sub(r" \1 ", known).split(" ")


@lru_cache(1 << 16)
def plain_character(character: str) -> str:
    """A character's canonical decomposition without its marks."""
    parts = unicodedata.normalize("NFD", character)
    return "".join(part for part in parts if unicodedata.category(part) != "Mn")


def strip_accents(text: str) -> str:
    """Takes the accents off, character by character."""
    return text if text.isascii() else "".join(map(plain_character, text))


class _Tokenizer:
    """From texts to ids."""

    def __init__(self, feature: TextFeature) -> None:
        self._feature = feature
        self._splitter = WordSplitter(feature.words)
        first = feature.first_id
        self._ids = {word: first + place for place, word in enumerate(feature.vocabulary)}
        self._longest = max(map(len, feature.vocabulary), default=0)
        self._cached_pieces = lru_cache(1 << 16)(self._pieces)

    def ids(self, texts: Sequence[bytes]) -> Array:
        """Gives `[rows, ngrams x length]`."""
        feature = self._feature
        shape = [len(texts), feature.ngrams * feature.length]
        ids = np.full(shape, feature.padding, np.int64)
        fill = self._fill_words if feature.tokenizer == "words" else self._fill_pieces
        for row, text in zip(ids, texts, strict=True):
            words = [word for word in self._splitter.words(text) if word]
            if words:
                fill(row, words)
        return ids

    def _fill_words(self, row: Array, words: list[str]) -> None:
        feature = self._feature
        read = words[: feature.length]
        for count in range(1, feature.ngrams + 1):
            shifted = [read[start:] for start in range(count)]
            grams = read if count == 1 else map(" ".join, zip(*shifted, strict=False))
            ids = [self._ids.get(gram, feature.unknown) for gram in grams]
            start = (count - 1) * feature.length
            row[start : start + len(ids)] = ids

    def _fill_pieces(self, row: Array, words: list[str]) -> None:
        feature = self._feature
        before = [] if feature.start is None else [feature.start]
        after = [] if feature.end is None else [feature.end]
        room = feature.length - len(before) - len(after)
        tokens: list[int] = []
        for word in words:
            tokens += self._cached_pieces(word)
            if len(tokens) >= room:
                break
        tokens = [*before, *tokens[:room], *after]
        row[: len(tokens)] = tokens

    def _pieces(self, word: str) -> list[int]:
        """The longest pieces, from the left."""
        most = self._feature.word_characters
        unknown = [self._feature.unknown]
        if most is not None and len(word) > most:
            return unknown
        return self._greedy(word) or unknown

    def _greedy(self, word: str) -> list[int]:
        ids: list[int] = []
        start = 0
        while start < len(word):
            mark = CONTINUED if start else ""
            for stop in range(min(len(word), start + self._longest), start, -1):
                place: Any = self._ids.get(mark + word[start:stop])
                if place is not None:
                    break
            else:
                return []
            ids.append(place)
            start = stop
        return ids
