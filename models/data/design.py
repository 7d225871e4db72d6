"""Transformed features as matrices: a sparse one for linear models, a dense one for trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import sparse

from models.networks import InputSpec

Array = np.ndarray[Any, Any]
Columns = Mapping[str, Array]

MAX_CATEGORIES = 255  # that HistGradientBoosting can tell apart in one feature


@dataclass(frozen=True)
class LinearDesign:
    """Dense columns standardised, ids one-hot.

    Attributes:
      ports: The transformed features.
      mean: Of each dense column, on train.
      deviation: Of each dense column, on train; 1 where there is none.
    """

    ports: Sequence[InputSpec]
    mean: Array
    deviation: Array

    def matrix(self, columns: Columns) -> sparse.csr_matrix:
        """Gives `[rows, width]`: as many entries in every row, so that it is built at once."""
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
    deviation = dense.std(axis=0)
    return LinearDesign(ports, dense.mean(axis=0), np.where(deviation > 0, deviation, 1.0))


@dataclass(frozen=True)
class TreeDesign:
    """Dense columns as they are, few ids as categories, many as their frequency on train.

    Attributes:
      ports: The transformed features.
      frequencies: By feature with too many ids, how often train shows each.
    """

    ports: Sequence[InputSpec]
    frequencies: Mapping[str, Array]

    def matrix(self, columns: Columns) -> Array:
        """Gives `[rows, width]`."""
        parts = [
            self.frequencies[port.name][columns[port.name]]
            if port.name in self.frequencies
            else _flat(columns[port.name]).astype(np.float32)
            for port in self.ports
        ]
        return np.concatenate(parts, axis=1)

    def categorical(self) -> Array:
        """Tells of each column of the matrix whether it holds categories."""
        flags = [_is_ids(port) and port.name not in self.frequencies for port in self.ports]
        widths = [1 if _is_ids(port) else port.size for port in self.ports]
        return np.repeat(np.array(flags), widths)


def learn_trees(ports: Sequence[InputSpec], train: Columns) -> TreeDesign:
    """Counts the ids of the features that have too many for categories."""
    many = [port for port in ports if _is_ids(port) and port.size > MAX_CATEGORIES]
    counts = {
        port.name: np.bincount(train[port.name].reshape(-1), minlength=port.size).astype(np.float32)
        for port in many
    }
    return TreeDesign(ports, counts)


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
    parts = [_flat(columns[port.name]) for port in ports if not _is_ids(port)]
    return np.concatenate([np.zeros([rows, 0]), *parts], axis=1, dtype=np.float64)


def _is_ids(port: InputSpec) -> bool:
    return port.encoding.design == "ids"


def _flat(values: Array) -> Array:
    """A row's values side by side, whatever their shape."""
    return values.reshape(len(values), -1)
