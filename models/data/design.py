"""Transformed features as matrices: a sparse one for linear models, a dense one for trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from contracts.arrays import Array
from models.networks import InputSpec

Columns = Mapping[str, Array]

_COMMON_TOKENS = 300
MAX_CATEGORIES = 255  # that HistGradientBoosting can tell apart in one feature


@dataclass(frozen=True)
class LinearDesign:
    """Dense columns standardised, ids one-hot, bags of tokens by TF-IDF.

    Attributes:
      ports: The transformed features.
      mean: Of each dense column, on train.
      deviation: Of each dense column, on train; 1 where there is none.
      rarities: By bag, the inverse document frequency of each id on train.
    """

    ports: Sequence[InputSpec]
    mean: Array
    deviation: Array
    rarities: Mapping[str, Array]

    def matrix(self, columns: Columns) -> sparse.csr_matrix:
        """Gives `[rows, width]`."""
        plain = self._plain(columns)
        bags = [_tf_idf(columns[name], rarity) for name, rarity in self.rarities.items()]
        return sparse.hstack([plain, *bags], format="csr") if bags else plain

    def _plain(self, columns: Columns) -> sparse.csr_matrix:
        """Numbers and ids: as many entries in every row, so that it is built at once."""
        dense = (_dense(self.ports, columns) - self.mean) / self.deviation
        rows, width = dense.shape
        ids = [port for port in self.ports if _is_ids(port)]
        starts = width + np.cumsum([0] + [port.size for port in ids])
        places = [np.broadcast_to(np.arange(width, dtype=np.int32), (rows, width))]
        places += [
            (columns[port.name] + start).astype(np.int32)
            for port, start in zip(ids, starts[:-1], strict=True)
        ]
        values = np.concatenate([dense, np.ones([rows, len(ids)])], axis=1)
        ends = np.arange(rows + 1, dtype=np.int32) * values.shape[1]
        content = (values.reshape(-1), np.concatenate(places, axis=1).reshape(-1), ends)
        return sparse.csr_matrix(content, shape=(rows, int(starts[-1])))


def learn_linear(ports: Sequence[InputSpec], train: Columns) -> LinearDesign:
    """Learns how to standardise; `scale: none` and `min_max` leave columns of any size."""
    dense = _dense(ports, train)
    deviation = np.where((spread := dense.std(axis=0)) > 0, spread, 1.0)
    rarities = {port.name: _rarity(train[port.name], port.size) for port in _bags(ports)}
    return LinearDesign(ports, dense.mean(axis=0), deviation, rarities)


@dataclass(frozen=True)
class TreeDesign:
    """Dense columns as they are, few ids as categories, many as their frequency on train.

    Attributes:
      ports: The transformed features.
      frequencies: By feature with too many ids, how often train shows each.
      common: By bag, the ids that most rows of train have: each becomes its count in a row.
    """

    ports: Sequence[InputSpec]
    frequencies: Mapping[str, Array]
    common: Mapping[str, Array]

    def matrix(self, columns: Columns) -> Array:
        """Gives `[rows, width]`."""
        return np.concatenate([self._part(port, columns[port.name]) for port in self.ports], axis=1)

    def _part(self, port: InputSpec, values: Array) -> Array:
        if port.name in self.common:
            counts = _counts(values, port.size)[:, self.common[port.name]]
            return np.asarray(counts.todense(), np.float32)
        if port.name in self.frequencies:
            return self.frequencies[port.name][values]
        return _flat(values).astype(np.float32)

    def categorical(self) -> Array:
        """Tells of each column of the matrix whether it holds categories."""
        flags = [_is_ids(port) and port.name not in self.frequencies for port in self.ports]
        widths = [
            len(self.common[port.name])
            if port.name in self.common
            else 1
            if _is_ids(port)
            else port.size
            for port in self.ports
        ]
        return np.repeat(np.array(flags), widths)


def learn_trees(ports: Sequence[InputSpec], train: Columns) -> TreeDesign:
    """Counts the ids of the features that have too many for categories."""
    many = [port for port in ports if _is_ids(port) and port.size > MAX_CATEGORIES]
    counts = {
        port.name: np.bincount(train[port.name].reshape(-1), minlength=port.size).astype(np.float32)
        for port in many
    }
    common = {
        port.name: np.sort(np.argsort(-_documents(train[port.name], port.size))[:_COMMON_TOKENS])
        for port in _bags(ports)
    }
    return TreeDesign(ports, counts, common)


def all_classes(scores: Array, known: Array, classes: int) -> Array:
    """Adds the classes that the rows of a fit lack, at probability 0.

    Args:
      scores: A probability for each known class.
      known: The ids of the classes that the rows show.
      classes: How many the label has.
    """
    if scores.shape[1] == classes:
        return scores
    wide = np.zeros([len(scores), classes], scores.dtype)
    wide[:, known.astype(np.int64)] = scores
    return wide


def _dense(ports: Sequence[InputSpec], columns: Columns) -> Array:
    rows = len(columns[ports[0].name])
    numbers = [port for port in ports if port.encoding.design == "numbers"]
    parts = [_flat(columns[port.name]) for port in numbers]
    return np.concatenate([np.zeros([rows, 0]), *parts], axis=1, dtype=np.float64)


def _is_ids(port: InputSpec) -> bool:
    return port.encoding.design == "ids"


def _flat(values: Array) -> Array:
    """A row's values side by side, whatever their shape."""
    return values.reshape(len(values), -1)


def _bags(ports: Sequence[InputSpec]) -> list[InputSpec]:
    return [port for port in ports if port.encoding.design == "bag"]


def _counts(ids: Array, size: int) -> sparse.csr_matrix:
    """How often a row has each id; that of no token counts as none."""
    rows, places = np.nonzero(ids)
    tokens = ids[rows, places]
    shape = (len(ids), size)
    return sparse.csr_matrix((np.ones(len(rows)), (rows, tokens)), shape=shape)


def _documents(ids: Array, size: int) -> Array:
    """How many rows have each id."""
    return np.bincount(_counts(ids, size).indices, minlength=size)


def _rarity(ids: Array, size: int) -> Array:
    return np.log((1 + len(ids)) / (1 + _documents(ids, size))) + 1


def _tf_idf(ids: Array, rarity: Array) -> sparse.csr_matrix:
    """Term frequencies, dampened, by their inverse document frequency; each row of length 1."""
    counts = _counts(ids, len(rarity))
    counts.data = (1 + np.log(counts.data)) * rarity[counts.indices]
    lengths = np.sqrt(np.asarray(counts.multiply(counts).sum(axis=1)).ravel())
    counts.data /= np.repeat(np.where(lengths > 0, lengths, 1.0), np.diff(counts.indptr))
    return counts
