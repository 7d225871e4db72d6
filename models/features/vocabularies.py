"""The file of all vocabularies: what its lines say, and how they are read.

Each categorical feature, in the config's order, has a head: a line with its number. Below it
stand its words, a line each, behind that number. They are ordered by how often train shows
them, ties by their bytes, the largest first; a word's id is its place there, and the next id
is that of all other words. The last head is that of no feature. A line with a backslash alone
says that words are escaped.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow_transform as tft

from models.features.spec import FeaturesSpec
from models.features.words import WordsKind

VOCABULARIES_FILE = "vocabularies"
ESCAPED = b"\\"
# What a line cannot hold. The backslash comes first, so that the codes stay unambiguous.
ESCAPES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"))


def categorical_features(problem: FeaturesSpec) -> dict[str, WordsKind]:
    """The features that have a vocabulary, in the config's order."""
    return {name: spec for name, spec in problem.features.items() if isinstance(spec, WordsKind)}


def read_vocabularies(
    problem: FeaturesSpec, graph: tft.TFTransformOutput
) -> dict[str, tuple[bytes, ...]]:
    """Gives the words of each categorical feature in the order of their ids."""
    names = list(categorical_features(problem))
    if not names:
        return {}
    return dict(zip(names, parse_lines(graph.vocabulary_by_name(VOCABULARIES_FILE)), strict=True))


def to_lines(vocabularies: Sequence[Sequence[bytes]]) -> list[bytes]:
    """The file's lines for the words of each feature."""
    escaped = any(_escape(word) != word for words in vocabularies for word in words)
    lines = [ESCAPED] if escaped else []
    for number, words in enumerate(vocabularies):
        lines.append(head(number))
        lines += [head(number) + b" " + _escape(word) for word in words]
    return [*lines, head(len(vocabularies))]


def parse_lines(lines: Sequence[bytes]) -> list[tuple[bytes, ...]]:
    """What `to_lines` was given."""
    vocabularies: list[list[bytes]] = []
    for line in lines:
        _, space, word = line.partition(b" ")
        if space:
            vocabularies[-1].append(_unescape(word))
        elif line != ESCAPED:
            vocabularies.append([])
    return [tuple(words) for words in vocabularies[:-1]]


def head(number: int) -> bytes:
    """The line above a feature's words."""
    return b"%d" % number


def _escape(word: bytes) -> bytes:
    for plain, code in ESCAPES:
        word = word.replace(plain, code)
    return word


def _unescape(word: bytes) -> bytes:
    parts = word.split(b"\\\\")
    for plain, code in ESCAPES[1:]:
        parts = [part.replace(code, plain) for part in parts]
    return b"\\".join(parts)
