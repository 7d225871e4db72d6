"""Stresses on texts: text in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Annotated, Any, Literal, Union

import numpy as np
from pydantic import Field

from models.content.texts.words import VISIBLE_WORD
from models.stresses.kind import ValueStress, stresses_of

_NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij",
    "i": "uok", "o": "ipl", "p": "ol", "a": "qsz", "s": "adw", "d": "sfe", "f": "dgr",
    "g": "fht", "h": "gjy", "j": "hku", "k": "jli", "l": "ko", "z": "xas", "x": "zcs",
    "c": "xvd", "v": "cbf", "b": "vng", "n": "bmh", "m": "nj",
}  # fmt: skip
_EMOJI = ("\N{GRINNING FACE}", "\N{THUMBS UP SIGN}", "\N{PARTY POPPER}", "\N{CRYING FACE}")
# Forms of a letter that look alike to people: full width, and with a combining accent.
_FULL_WIDTH = 0xFEE0
_ACCENT = "\N{COMBINING ACUTE ACCENT}"


class Typos(ValueStress):
    """Typing errors: a neighbouring key, a letter lost, doubled, or swapped with the next.

    Attributes:
      rate: The share of the letters.
    """

    kind: Literal["typos"] = "typos"
    rate: float = Field(0.05, gt=0, le=1)

    def change(self, value: Any, generator: np.random.Generator) -> str:
        """Makes the errors."""
        letters = list(str(value))
        hit = np.flatnonzero(generator.random(len(letters)) < self.rate)
        ways = generator.integers(0, 4, len(hit))
        for place, way in zip(hit, ways, strict=True):
            letter = letters[place]
            if not letter.isalpha():
                continue
            if way == 0:
                keys = _NEIGHBOURS.get(letter.lower(), letter.lower())
                key = keys[int(generator.integers(0, len(keys)))]
                letters[place] = key.upper() if letter.isupper() else key
            elif way == 1:
                letters[place] = ""
            elif way == 2:
                letters[place] = letter * 2
            elif place + 1 < len(letters) and letters[place + 1].isalpha():
                letters[place], letters[place + 1] = letters[place + 1], letter
        return "".join(letters)


class DroppedWords(ValueStress):
    """Words go missing.

    Attributes:
      rate: The share of the words.
    """

    kind: Literal["dropped_words"] = "dropped_words"
    rate: float = Field(0.2, gt=0, lt=1)

    def change(self, value: Any, generator: np.random.Generator) -> str:
        """Drops words; one at least is left."""
        words, gaps = _words_and_gaps(str(value))
        if not words:
            return str(value)
        kept = generator.random(len(words)) >= self.rate
        kept[generator.integers(0, len(words))] = True
        places = np.flatnonzero(kept)
        return _joined([words[place] for place in places], [gaps[place] for place in places])


class SwappedWords(ValueStress):
    """Words change places with their next.

    Attributes:
      rate: The share of the words.
    """

    kind: Literal["swapped_words"] = "swapped_words"
    rate: float = Field(0.2, gt=0, le=1)

    def change(self, value: Any, generator: np.random.Generator) -> str:
        """Swaps pairs that do not overlap."""
        words, gaps = _words_and_gaps(str(value))
        place = 0
        while place + 1 < len(words):
            if generator.random() < self.rate:
                words[place], words[place + 1] = words[place + 1], words[place]
                place += 1
            place += 1
        return _joined(words, gaps)


class LetterCase(ValueStress):
    """Another case.

    Attributes:
      to: All letters upper or lower case, or each by chance.
    """

    kind: Literal["case"] = "case"
    to: Literal["upper", "lower", "random"] = "upper"

    def change(self, value: Any, generator: np.random.Generator) -> str:
        """Changes the case."""
        text = str(value)
        if self.to != "random":
            return text.upper() if self.to == "upper" else text.lower()
        raised = generator.random(len(text)) < 0.5
        return "".join(
            letter.upper() if up else letter.lower()
            for letter, up in zip(text, raised, strict=True)
        )


class UnusualUnicode(ValueStress):
    """Emoji after words, letters of full width, and accents as characters of their own.

    Attributes:
      rate: The share of the words.
    """

    kind: Literal["unicode"] = "unicode"
    rate: float = Field(0.2, gt=0, le=1)

    def change(self, value: Any, generator: np.random.Generator) -> str:
        """Changes words."""
        words, gaps = _words_and_gaps(str(value))
        hit = generator.random(len(words)) < self.rate
        ways = generator.integers(0, 3, len(words))
        changed = [
            _unusual(word, int(way), generator) if is_hit else word
            for word, is_hit, way in zip(words, hit, ways, strict=True)
        ]
        return _joined(changed, gaps)


class Truncation(ValueStress):
    """Only the first part of each text arrives.

    Attributes:
      keep: The share of its characters; one at least is kept.
    """

    kind: Literal["truncation"] = "truncation"
    keep: float = Field(0.5, gt=0, lt=1)

    def change(self, value: Any, generator: np.random.Generator) -> str:
        """Cuts."""
        text = str(value)
        return text[: max(1, round(self.keep * len(text)))]


def _words_and_gaps(text: str) -> tuple[list[str], list[str]]:
    """The words, and behind each a blank or, between ideographs, nothing."""
    found = list(VISIBLE_WORD.finditer(text))
    ends = [match.end() for match in found]
    gaps = [" " if text[end : end + 1].isspace() else "" for end in ends]
    return [match.group() for match in found], gaps


def _joined(words: Sequence[str], gaps: Sequence[str]) -> str:
    return "".join(chain.from_iterable(zip(words, gaps, strict=True))).rstrip()


def _unusual(word: str, way: int, generator: np.random.Generator) -> str:
    if way == 0:
        return word + _EMOJI[int(generator.integers(0, len(_EMOJI)))]
    if way == 1:
        return "".join(
            chr(ord(letter) + _FULL_WIDTH) if "!" <= letter <= "~" else letter for letter in word
        )
    place = int(generator.integers(0, len(word)))
    return word[: place + 1] + _ACCENT + word[place + 1 :]


TextStress = Annotated[
    Union[Typos, DroppedWords, SwappedWords, LetterCase, UnusualUnicode, Truncation],
    Field(discriminator="kind"),
]
"""Any stress on texts."""

TEXT_STRESSES = stresses_of(TextStress)
"""The stresses by `kind`, as `FeatureKind.stresses` names them."""
