"""Categories: the id of a word in a vocabulary."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import count, repeat
from typing import Any, Literal

import numpy as np

from contracts.arrays import Array
from contracts.columns import MISSING_INT, MISSING_TOKEN
from contracts.preparations.raw_feature import RawFeature

_LOOK_UP = (
    "vocabulary: the id of a text is its place in the list, counted from 0. A missing value is "
    f"looked up as {MISSING_TOKEN!r}. What is not in the list, {MISSING_TOKEN!r} included, has "
    "the last id: the length of the list."
)
_TEXT_OF = {
    "int64": "raw int64 with a vocabulary: look up the integer as decimal text, such as '7' or "
    "'-12'.",
    "float32": "raw float32 with a vocabulary: look up the number as text of at most 6 digits, "
    "as %g of C writes it, such as '1.5' or '1e+06'.",
    "string": "raw string: look up the text as it is, upper and lower case apart.",
}


class WordIds:
    """Looks up the words of each column.

    Args:
      features: How each raw column becomes a feature.
    """

    def __init__(self, features: Sequence[WordsFeature]) -> None:
        self._look_ups = [
            (feature.column, feature.port, _IDS[feature.raw](feature.vocabulary))
            for feature in features
        ]

    def __call__(self, columns: Mapping[str, Array]) -> dict[str, Array]:
        """Gives ids int64 `[rows, 1]` by feature."""
        return {column: ids(columns[port])[:, None] for column, port, ids in self._look_ups}


class WordsFeature(RawFeature):
    """A category.

    Attributes:
      vocabulary: The words by id; any other word has the id that comes after them.
    """

    preparer = WordIds

    kind: Literal["categorical", "vocabulary"]
    vocabulary: tuple[str, ...]

    @property
    def rules(self) -> tuple[str, ...]:
        """How a value is looked up."""
        return (_LOOK_UP, _TEXT_OF[self.raw])

    @property
    def unknown_value(self) -> str | int | float:
        """A value of the column's type that is in no entry of its vocabulary."""
        words = set(self.vocabulary)
        if self.raw == "string":
            return next(text for place in count() if (text := f"unknown {place}") not in words)
        number = next(place for place in count() if str(place) not in words)
        return number if self.raw == "int64" else float(number)


def _look_up(ids: Mapping[Any, int], size: int, column: Array) -> Array:
    """Words to ids; a word that is not in the vocabulary has the id after the last."""
    return np.fromiter(map(ids.get, column.tolist(), repeat(size)), np.int64, len(column))


def _text_ids(vocabulary: Sequence[str]) -> Callable[[Array], Array]:
    ids = {word.encode(): place for place, word in enumerate(vocabulary)}
    ids[b""] = ids.get(MISSING_TOKEN.encode(), len(vocabulary))
    return partial(_look_up, ids, len(vocabulary))


def _integer_ids(vocabulary: Sequence[str]) -> Callable[[Array], Array]:
    places = {word: place for place, word in enumerate(vocabulary)}
    missing = places.pop(MISSING_TOKEN, len(vocabulary))
    ids = {int(word): place for word, place in places.items() if _is_integer(word)}
    return partial(_look_up, {**ids, MISSING_INT: missing}, len(vocabulary))


def _is_integer(word: str) -> bool:
    """Whether an integer is written so: "7", and not "07", which no integer is equal to."""
    return re.fullmatch(r"0|-?[1-9][0-9]*", word) is not None


class _FloatIds:
    """Floats are looked up as TensorFlow writes them in their short form."""

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._places = {word: place for place, word in enumerate(vocabulary)}
        self._size = len(vocabulary)

    def __call__(self, column: Array) -> Array:
        # By their bits: 0 and -0 are equal, and are not written alike.
        bits = np.ascontiguousarray(column, np.float32).view(np.int32)
        distinct, where = np.unique(bits, return_inverse=True)
        texts = [
            MISSING_TOKEN if value != value else f"{value:g}"  # noqa: PLR0124 - NaN
            for value in distinct.view(np.float32).tolist()
        ]
        ids = np.array([self._places.get(text, self._size) for text in texts], np.int64)
        return ids[where]


_IDS: Mapping[str, Callable[[Sequence[str]], Callable[[Array], Array]]] = {
    "string": _text_ids,
    "int64": _integer_ids,
    "float32": _FloatIds,
}
