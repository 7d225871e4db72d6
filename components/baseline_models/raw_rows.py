"""Raw columns as the baseline models take them, where no transform was learned yet."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from components.baseline_models.estimators import Rows
from components.data_gate.audit.cheap_model import columns_of
from components.data_gate.audit.columns import labels_of
from contracts.arrays import Array
from contracts.preparations.numbers import circle_points
from models.content.texts.words import read_texts, split_words
from models.features.cyclic import CyclicSpec
from models.features.ports import Encoding, InputSpec
from models.features.spec import FeaturesSpec
from models.features.text import FIRST, UNKNOWN

_MOST_WORDS = 20_000
_FEWEST_USES = 2
_MOST_READ = 256
# No network is built of it: linear models and trees count its ids.
_BAG = Encoding("int64", None, "bag")


def raw_rows(
    table: pa.Table, names: list[str], problem: FeaturesSpec, texts: Collection[str] = ()
) -> tuple[list[InputSpec], Rows]:
    """Encodes raw columns: categories by rank, numbers with their gaps filled and marked.

    The medians that fill gaps, the ranks and the words of texts are those of all rows given: a
    look at data, not a model to keep.

    Args:
      table: The columns and the label.
      names: The columns to use whose values are scalars.
      problem: The task, the label and the features.
      texts: The columns of texts to use.
    """
    ports, columns = _encoded_scalars(table, names, problem) if names else ([], {})
    for name in texts:
        columns[name], size = _token_ids(table[name], problem.raw_columns()[name].model_dump())
        shape = (columns[name].shape[1],)
        ports.append(InputSpec(name, "text", size, shape=shape, own=_BAG))
    return ports, Rows(columns, labels_of(table, problem))


def _token_ids(texts: pa.ChunkedArray, settings: Mapping[str, Any]) -> tuple[Array, int]:
    """The ids of the first words of each text, and how many ids there are.

    Args:
      texts: A missing one has no word.
      settings: The feature's keys in the config.
    """
    words = split_words(read_texts(texts, settings))
    counts = np.bincount(words.codes, minlength=len(words.values))
    frequent = np.argsort(-counts, kind="stable")[:_MOST_WORDS]
    frequent = frequent[counts[frequent] >= _FEWEST_USES]
    ids = np.full(len(counts), UNKNOWN, np.int32)
    ids[frequent] = FIRST + np.arange(len(frequent))
    rows, places = words.rows, np.arange(len(words.codes)) - np.repeat(words.starts, words.counts)
    read = places < _MOST_READ
    width = int(min(_MOST_READ, words.counts.max(initial=1)))
    tokens = np.zeros((len(words.ends), width), np.int32)
    tokens[rows[read], places[read]] = ids[words.codes[read]]
    return tokens, FIRST + len(frequent)


def _encoded_scalars(
    table: pa.Table, names: list[str], problem: FeaturesSpec
) -> tuple[list[InputSpec], dict[str, Array]]:
    encoded, kinds = columns_of(table, names, problem), problem.raw_columns()
    ports: list[InputSpec] = []
    columns: dict[str, Array] = {}
    for place, name in enumerate(names):
        values, kind = encoded.values[:, place], kinds[name]
        if encoded.categorical[place]:
            ranks = values.astype(np.int64)[:, None]
            ports.append(InputSpec(name, "one_hot", int(ranks.max(initial=0)) + 1))
            columns[name] = ranks
            continue
        known = np.isfinite(values)
        filled = np.where(known, values, np.median(values[known]) if known.any() else 0.0)
        columns[name] = np.stack(_parts(filled, known, kind), axis=1).astype(np.float32)
        ports.append(InputSpec(name, "dense", columns[name].shape[1]))
    return ports, columns


def _parts(filled: Array, known: Array, kind: object) -> list[Array]:
    missing = [] if known.all() else [(~known).astype(np.float64)]
    if isinstance(kind, CyclicSpec):
        return [*circle_points(filled * (2 * math.pi / kind.period)).T, *missing]
    return [filled, *missing]
