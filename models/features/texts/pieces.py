"""Learns pieces of words from the counts of words: the vocabulary of a WordPiece tokenizer.

Pairs of neighbouring pieces are merged, the most frequent first, until the vocabulary is full
(Sennrich et al., 2016). Words are cut by the longest piece that fits, as BERT cuts them.
"""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise

from contracts.preparations.text import CONTINUED

Pair = tuple[str, str]


def learn_pieces(counts: Mapping[str, int], size: int, min_count: int) -> list[str]:
    """Learns the pieces.

    Args:
      counts: How often train shows each word.
      size: The most pieces.
      min_count: How often train must show a character, and a pair that is merged.

    Returns:
      The pieces, single characters first, then in the order in which they were merged.
    """
    words = [_characters(word) for word in counts]
    weights = list(counts.values())
    characters: Counter[str] = Counter()
    for word, weight in zip(words, weights, strict=True):
        for piece in word:
            characters[piece] += weight
    frequent = sorted(
        (piece for piece, count in characters.items() if count >= min_count),
        key=lambda piece: (-characters[piece], piece),
    )
    pieces = dict.fromkeys(frequent[:size])
    merges = _Merges(words, weights)
    while len(pieces) < size:
        pair = merges.most_frequent(min_count)
        if pair is None:
            break
        pieces[merges.merge(pair)] = None
    return list(pieces)


def _characters(word: str) -> list[str]:
    return [word[:1], *(CONTINUED + character for character in word[1:])]


class _Merges:
    """Words as pieces, and how often two pieces stand side by side."""

    def __init__(self, words: list[list[str]], weights: list[int]) -> None:
        self._words, self._weights = words, weights
        self._counts: Counter[Pair] = Counter()
        self._places: defaultdict[Pair, set[int]] = defaultdict(set)
        for place in range(len(words)):
            self._add(place, 1)
        self._queue = [(-count, pair) for pair, count in self._counts.items()]
        heapq.heapify(self._queue)

    def most_frequent(self, min_count: int) -> Pair | None:
        """The pair with the highest count; ties go by the pair itself."""
        while self._queue:
            count, pair = heapq.heappop(self._queue)
            if -count < max(1, min_count):
                return None
            # Else the entry is out of date: the pair has another one with its present count.
            if self._counts[pair] == -count:
                return pair
        return None

    def merge(self, pair: Pair) -> str:
        """Makes one piece of a pair in all words."""
        first, second = pair
        merged = first + second.removeprefix(CONTINUED)
        touched: set[Pair] = set()
        for place in list(self._places[pair]):
            touched |= self._pairs(place)
            self._add(place, -1)
            self._words[place] = _merged(self._words[place], pair, merged)
            self._add(place, 1)
            touched |= self._pairs(place)
        for each in touched - {pair}:
            heapq.heappush(self._queue, (-self._counts[each], each))
        return merged

    def _pairs(self, place: int) -> set[Pair]:
        word = self._words[place]
        return set(pairwise(word))

    def _add(self, place: int, sign: int) -> None:
        word, weight = self._words[place], self._weights[place]
        for pair in pairwise(word):
            self._counts[pair] += sign * weight
        for pair in self._pairs(place):
            if sign > 0:
                self._places[pair].add(place)
            else:
                self._places[pair].discard(place)


def _merged(word: list[str], pair: Pair, merged: str) -> list[str]:
    pieces: list[str] = []
    place = 0
    while place < len(word):
        if tuple(word[place : place + 2]) == pair:
            pieces.append(merged)
            place += 2
        else:
            pieces.append(word[place])
            place += 1
    return pieces
