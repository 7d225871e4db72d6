"""Near duplicates of texts: MinHash signatures (Broder, 1997), looked up band by band.

A text's signature has, for each of many hash functions, the least hash of its shingles (three
words in a row). Two signatures agree in about the share of shingles that both texts have, of
those that either has. Texts of which one whole band of the signature agrees are compared.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from contracts.arrays import Array
from models.content.kind import NearPairs
from models.content.texts.words import Words
from models.data.row_keys import mix_bits

_HASHES = 64
_BAND = 4
_SHINGLE = 3
# Short texts share all they have by chance.
FEWEST_WORDS = 6
# Of the shingles that either of two texts has, both have so many.
ALIKE = 0.7
_NEIGHBOURS = 8
_PRIME = np.uint64(0x9E3779B97F4A7C15)


def signatures(words: Words) -> Array:
    """The signature of each text, `[texts, 64]`; all ones for one with too few words."""
    texts = len(words.ends)
    result = np.full((texts, _HASHES), np.iinfo(np.uint64).max, np.uint64)
    judged = np.flatnonzero(words.counts >= FEWEST_WORDS)
    if not len(judged):
        return result
    shingles, starts = _shingles(words, judged)
    generator = np.random.default_rng(0)
    for place in range(_HASHES):
        mixed = mix_bits(shingles ^ np.uint64(generator.integers(0, 2**63)))
        result[judged, place] = np.minimum.reduceat(mixed, starts)
    return result


def _shingles(words: Words, judged: Array) -> tuple[Array, Array]:
    """Hashes of all runs of words, and where those of each text begin."""
    of_word = _word_hashes(words.values)[words.codes]
    first = words.rows[: len(of_word) - _SHINGLE + 1]
    last = words.rows[_SHINGLE - 1 :]
    within = (first == last) & (words.counts[first] >= FEWEST_WORDS)
    runs = np.zeros(len(first), np.uint64)
    for step in range(_SHINGLE):
        runs = mix_bits(runs * _PRIME + of_word[step : step + len(first)])
    counts = np.bincount(first[within], minlength=len(words.ends))[judged]
    return runs[within], np.concatenate([[0], np.cumsum(counts)[:-1]])


def _word_hashes(values: pa.Array) -> Array:
    """A hash of each distinct word, the same in whatever batch it comes."""
    binary = pc.binary_length(values.cast(pa.large_binary())).to_numpy(zero_copy_only=False)
    flat = np.frombuffer(b"".join(values.cast(pa.binary()).to_pylist()), np.uint8)
    ends = np.cumsum(binary.astype(np.int64))
    places = np.arange(len(flat)) - np.repeat(ends - binary, binary.astype(np.int64))
    mixed = mix_bits(flat.astype(np.uint64) + (places.astype(np.uint64) + np.uint64(1)) * _PRIME)
    if not len(ends):
        return np.zeros(0, np.uint64)
    sums: Array = np.add.reduceat(mixed, ends - binary.astype(np.int64))
    return mix_bits(sums)


def find_near_texts(earlier: Array, later: Array) -> NearPairs:
    """Finds the texts of `later` that are nearly one of `earlier`, or equal to one.

    Args:
      earlier: Signatures.
      later: Signatures.
    """
    best, original = np.zeros(len(later)), np.full(len(later), -1)
    known = np.flatnonzero(earlier[:, 0] != np.iinfo(np.uint64).max)
    asked = np.flatnonzero(later[:, 0] != np.iinfo(np.uint64).max)
    for sources, copies in _candidates(earlier[known], later[asked]):
        first, second = known[sources], asked[copies]
        likeness = (earlier[first] == later[second]).mean(axis=1)
        better = np.flatnonzero(likeness > best[second])
        # The last of equal places wins: the likest one, if they come in that order.
        better = better[np.argsort(likeness[better], kind="stable")]
        best[second[better]], original[second[better]] = likeness[better], first[better]
    near = np.flatnonzero(best >= ALIKE)
    return NearPairs(original[near], near)


def _candidates(earlier: Array, later: Array) -> Iterator[tuple[Array, Array]]:
    """Pairs of which a band agrees; of very many equal bands, some."""
    for start in range(0, _HASHES, _BAND):
        keys, asked = (
            mix_bits(part[:, start : start + _BAND] * _PRIME).sum(axis=1, dtype=np.uint64)
            for part in (earlier, later)
        )
        order = np.argsort(keys, kind="stable")
        first = np.searchsorted(keys[order], asked)
        for step in range(_NEIGHBOURS):
            places = first + step
            rows = np.flatnonzero(places < len(keys))
            rows = rows[keys[order[places[rows]]] == asked[rows]]
            if not len(rows):
                break
            yield order[places[rows]], rows
