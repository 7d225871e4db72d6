"""F1 over many classes, by group."""

from __future__ import annotations

from typing import Literal

import numpy as np

from contracts.arrays import Array
from evidence.groups import Groups


class ClassF1:
    """The F1 of the classes, averaged over classes or over rows, for any counts of the rows.

    The mean over the classes is TFMA's: it ends with the last class that a group has
    among its labels or predictions, and a class that has neither counts zero.
    """

    def __init__(
        self,
        average: Literal["macro", "weighted"],
        labels: Array,
        predicted: Array,
        classes: int,
        groups: Groups,
    ) -> None:
        self._average, self._groups, self._classes = average, groups, classes
        self._labels, self._predicted = labels[groups.rows], predicted[groups.rows]
        self._hit = self._labels == self._predicted
        first = groups.members * classes
        self._label_cells, self._predicted_cells = first + self._labels, first + self._predicted
        last = np.zeros(len(groups), np.int64)
        np.maximum.at(last, groups.members, np.maximum(self._labels, self._predicted))
        self._present = last + 1
        self.cost = 4 * max(len(groups.rows), len(groups) * classes, 1)

    def at(self, counts: Array) -> Array:
        """Gives the metric `[resamples, groups]`."""
        taken = counts.take(self._groups.rows, axis=1)
        values = [self._value(*self._tables(weights)) for weights in taken]
        return np.stack(values) if values else np.zeros((0, len(self._groups)))

    def influence(self) -> Array:
        """How much more a row's weight moves its group's metric, beside the groups' rows."""
        hits, labels, both = self._tables(np.ones(len(self._labels)))
        known = np.maximum(both, 1)
        by_hit, by_class = 2 / known, -2 * hits / known**2
        at_label = (self._groups.members, self._labels)
        at_predicted = (self._groups.members, self._predicted)
        own = self._hit * by_hit[at_label] + by_class[at_label]
        if self._average == "macro":
            moved = own + by_class[at_predicted]
            total = self._present
        else:
            value = self._value(hits, labels, both)[self._groups.members]
            moved = labels[at_label] * own + labels[at_predicted] * by_class[at_predicted]
            moved += (2 * hits / known)[at_label] - value
            total = self._groups.sizes
        influence: Array = moved / total[self._groups.members]
        return influence

    def _tables(self, weights: Array) -> tuple[Array, Array, Array]:
        """Hits, labels, and labels and predictions together, by group and class."""
        size = len(self._groups) * self._classes
        labels = np.bincount(self._label_cells, weights, size)
        predicted = np.bincount(self._predicted_cells, weights, size)
        hits = np.bincount(self._label_cells, weights * self._hit, size)
        shape = (len(self._groups), self._classes)
        return hits.reshape(shape), labels.reshape(shape), (labels + predicted).reshape(shape)

    def _value(self, hits: Array, labels: Array, both: Array) -> Array:
        scores = np.divide(2 * hits, both, out=np.zeros(hits.shape), where=both > 0)
        rows = labels.sum(axis=1)
        weights = labels if self._average == "weighted" else np.ones_like(labels)
        total = rows if self._average == "weighted" else np.where(rows > 0, self._present, 0)
        summed = (scores * weights).sum(axis=1)
        result: Array = np.divide(summed, total, out=np.full(len(rows), np.nan), where=total > 0)
        return result
