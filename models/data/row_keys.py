"""What tells rows apart and orders them: hashes of their values, and times as integers."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from models.data.dates import ISO, column_moments, first_no_date

Columns = Mapping[str, pa.Array]
Ints = NDArray[np.int64]
Hashes = NDArray[np.uint64]

_MISSING = np.uint64(0x9E3779B97F4A7C15)
_HASHED_ROWS = 1024


def hash_rows(columns: Columns, seed: int = 0) -> Hashes:
    """Hashes each row over canonical columns (see `kinds`); their order does not count.

    Args:
      columns: By name; names are hashed, too.
      seed: Another one gives other hashes; at least 0.
    """
    start = mix_bits(np.array([seed], np.uint64))
    total: Hashes = np.repeat(start, len(next(iter(columns.values()))))
    for name, values in columns.items():
        total += mix_bits(_value_bits(values) ^ _salt(name))
    return mix_bits(total)


def time_keys(values: pa.Array) -> Ints:
    """Gives integers in the order of the times.

    Args:
      values: A canonical column: integers, floats, or ISO text.

    Raises:
      ValueError: A value is missing or no time; its argument is the row's position.
    """
    if values.null_count:
        raise ValueError(int(np.flatnonzero(_nulls(values))[0]))
    if pa.types.is_integer(values.type):
        keys: Ints = values.to_numpy(zero_copy_only=False)
        return keys
    if pa.types.is_floating(values.type):
        bits: Ints = values.to_numpy(zero_copy_only=False).view(np.int64)
        return np.where(bits < 0, bits ^ np.int64(2**63 - 1), bits)
    moments = column_moments(values, ISO)
    if moments is None:
        raise ValueError(first_no_date(values, ISO))
    if moments.null_count:
        raise ValueError(int(np.flatnonzero(_nulls(moments))[0]))
    microseconds: Ints = moments.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return microseconds


def mix_bits(bits: Hashes) -> Hashes:
    """Spreads each input bit over all 64 (the finaliser of SplitMix64)."""
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: Hashes = bits ^ (bits >> np.uint64(31))
    return mixed


def _salt(name: str) -> np.uint64:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    salt: np.uint64 = np.uint64(int.from_bytes(digest, "little"))
    return salt


def _nulls(values: pa.Array) -> NDArray[np.bool_]:
    nulls: NDArray[np.bool_] = values.is_null().to_numpy(zero_copy_only=False)
    return nulls


def _value_bits(values: pa.Array) -> Hashes:
    if pa.types.is_null(values.type):
        return np.full(len(values), _MISSING)
    if pa.types.is_binary(values.type):
        return _text_bits(values)
    if pa.types.is_fixed_size_list(values.type):
        return _list_bits(values)
    filled = values.fill_null(0).to_numpy(zero_copy_only=False).astype(np.float64)
    # A fraction is hashed as it is written, in 32 bits; a whole number in full: 1 is 1.0,
    # and 0.1 is 0.1 whether a file stores it in 32 or in 64 bits.
    with np.errstate(over="ignore"):
        short = filled.astype(np.float32).astype(np.float64)
    number = np.where(filled == np.trunc(filled), filled, short) + 0.0
    bits: Hashes = np.where(_nulls(values), _MISSING, number.view(np.uint64))
    return bits


def _list_bits(values: pa.Array) -> Hashes:
    """Of lists of float32; steps that are missing are equal to one another."""
    size = values.type.list_size
    matrix = values.flatten().to_numpy(zero_copy_only=False).reshape(-1, size) + np.float32(0.0)
    salts = mix_bits(np.arange(1, size + 1, dtype=np.uint64))
    total: Hashes = np.zeros(len(matrix), np.uint64)
    for start in range(0, len(matrix), _HASHED_ROWS):
        part = matrix[start : start + _HASHED_ROWS]
        bits = np.where(np.isnan(part), _MISSING, part.view(np.uint32).astype(np.uint64))
        total[start : start + _HASHED_ROWS] = mix_bits(bits ^ salts).sum(axis=1)
    return total


def _text_bits(values: pa.Array) -> Hashes:
    encoded = values.dictionary_encode()
    words = encoded.dictionary.to_numpy(zero_copy_only=False)
    hashes = pd.util.hash_array(words, categorize=False) if len(words) else words
    by_word = np.append(hashes.astype(np.uint64), _MISSING)
    at = encoded.indices.fill_null(len(words)).to_numpy(zero_copy_only=False)
    bits: Hashes = by_word[at]
    return bits
