"""Classes of characters, written out, so that no two libraries disagree about them.

A class is a tuple of ranges of code points. TensorFlow's and Python's regular expressions both
take it; their own classes would change with the version of Unicode that each was built with.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable
from functools import lru_cache
from itertools import chain

Ranges = tuple[tuple[int, int], ...]

# The planes that have characters, but for those of private use and halves of characters.
POINTS = (range(0xD800), range(0xE000, 0x32000), range(0xE0000, 0xE1000))
_IDEOGRAPHS = ((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F))
UNSPACED: Ranges = ((0x3040, 0x30FF), *_IDEOGRAPHS)
"""Scripts without blanks between words: ideographs and kana are words of their own."""
_BERT_INVISIBLE = ("Cc", "Cf", "Co")
# What Python and TensorFlow's ICU (Unicode 13) put into lower case alike; later letters stay.
_LATER_CAPITALS = frozenset(
    map(chr, (0x2C2F, 0xA7C0, 0xA7D0, 0xA7D6, 0xA7D8, *range(0xA7CB, 0xA7CD), 0xA7DA, 0xA7DC,
              *range(0x10570, 0x10596), *range(0x10D50, 0x10D66)))
)  # fmt: skip


@lru_cache
def blanks() -> Ranges:
    """What separates words: white space, and control characters."""
    return _ranges(lambda character: character.isspace() or _category(character) == "Cc")


@lru_cache
def invisible() -> Ranges:
    """What is left out: format characters such as the soft hyphen or a joiner."""
    return _ranges(lambda character: _category(character) == "Cf")


@lru_cache
def isolated() -> Ranges:
    """What is a word of its own: punctuation, symbols, emoji, ideographs and kana."""
    return _ranges(
        lambda character: (
            _category(character)[0] in "PS"
            or any(low <= ord(character) <= high for low, high in UNSPACED)
        )
    )


@lru_cache
def bert_blanks() -> Ranges:
    """What separates words for BERT."""
    return _ranges(lambda character: character in "\t\n\r" or _category(character) == "Zs")


@lru_cache
def bert_invisible() -> Ranges:
    """What BERT leaves out: control and format characters, and what stands for no character."""
    return _ranges(
        lambda character: (
            character == "\ufffd"
            or (_category(character) in _BERT_INVISIBLE and character not in "\t\n\r")
        )
    )


@lru_cache
def bert_isolated() -> Ranges:
    """What is a word of its own for BERT: punctuation, ASCII's symbols, and ideographs."""
    return _ranges(
        lambda character: (
            _category(character)[0] == "P"
            or (character.isascii() and _category(character)[0] == "S")
            or any(low <= ord(character) <= high for low, high in _IDEOGRAPHS)
        )
    )


def lower_case(text: str) -> str:
    """Lower case as TensorFlow's operator gives it."""
    if _LATER_CAPITALS.isdisjoint(text):
        return text.lower()
    # Characters of private use, which have no case, stand in for them.
    hidden = {ord(capital): 0xF0000 + place for place, capital in enumerate(_LATER_CAPITALS)}
    shown = {mark: capital for capital, mark in hidden.items()}
    return text.translate(hidden).lower().translate(shown)


def python_class(ranges: Ranges) -> str:
    """The class in a regular expression of Python's."""
    return _written(ranges, lambda point: f"\\U{point:08x}")


def re2_class(ranges: Ranges) -> str:
    """The class in a regular expression of TensorFlow's."""
    return _written(ranges, lambda point: f"\\x{{{point:x}}}")


def _written(ranges: Ranges, code: Callable[[int], str]) -> str:
    return "[" + "".join(f"{code(low)}-{code(high)}" for low, high in ranges) + "]"


def _category(character: str) -> str:
    return unicodedata.category(character)


def _ranges(belongs: Callable[[str], bool]) -> Ranges:
    ranges: list[tuple[int, int]] = []
    for point in chain.from_iterable(POINTS):
        if not belongs(chr(point)):
            continue
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1] = (ranges[-1][0], point)
        else:
            ranges.append((point, point))
    return tuple(ranges)
