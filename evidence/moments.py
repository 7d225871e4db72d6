"""Metrics that are functions of sums over rows, by group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from contracts.arrays import Array
from evidence.groups import Groups


@dataclass(frozen=True)
class Figure:
    """A metric as a function of sums over rows.

    Attributes:
      columns: What each row adds to each sum, `[rows, sums]`.
      value: Gives the metric from sums `[..., sums]`, NaN where it has none.
      slope: Gives its derivative by each sum, `[..., sums]`.
    """

    columns: Array
    value: Callable[[Array], Array]
    slope: Callable[[Array], Array]


def ratio(part: Array, total: Array) -> Figure:
    """The sum of `part` over the sum of `total`."""
    return Figure(_columns(part, total), _ratio_value, _ratio_slope)


def mean(values: Array) -> Figure:
    """The mean of `values`."""
    return ratio(values, np.ones(len(values)))


def root_mean(values: Array) -> Figure:
    """The root of the mean of `values`."""

    def value(sums: Array) -> Array:
        return np.sqrt(_ratio_value(sums))

    def slope(sums: Array) -> Array:
        root = value(sums)[..., None]
        result: Array = np.divide(
            _ratio_slope(sums), 2 * root, out=np.zeros_like(sums), where=root > 0
        )
        return result

    return Figure(_columns(values, np.ones(len(values))), value, slope)


def explained(labels: Array, errors: Array) -> Figure:
    """R2: one minus the squared errors over the label's squared deviations."""
    # Sums of squares around the mean of all rows do not cancel.
    centred = labels - labels.mean() if len(labels) else labels
    columns = _columns(errors**2, np.ones(len(labels)), centred, centred**2)
    return Figure(columns, _explained_value, _explained_slope)


class Moments:
    """A `Figure` by group, for any counts of the rows."""

    def __init__(self, figure: Figure, groups: Groups) -> None:
        self._figure, self._groups = figure, groups
        # One group as long as the table holds every row once, and a sum knows no order.
        self._all = len(groups) == 1 and len(groups.rows) == len(figure.columns)
        self._columns = figure.columns if self._all else figure.columns[groups.rows]
        self.cost = 2 * max(len(groups.rows), 1)

    def at(self, counts: Array) -> Array:
        """Gives the metric `[resamples, groups]`."""
        return self._figure.value(self.sums(counts))

    def sums(self, counts: Array) -> Array:
        """Gives the sums `[resamples, groups, sums]`."""
        taken = counts if self._all else counts.take(self._groups.rows, axis=1)
        weights = taken.astype(np.float64)
        bounds = np.append(self._groups.starts, len(self._groups.rows))
        result = np.empty((len(counts), len(self._groups), self._columns.shape[1]))
        for place, (start, end) in enumerate(pairwise(bounds)):
            result[:, place] = weights[:, start:end] @ self._columns[start:end]
        return result

    def influence(self) -> Array:
        """How much more a row's weight moves its group's metric, beside the groups' rows."""
        rows = self._figure.columns[self._groups.rows]
        slopes = self._figure.slope(self._groups.sums(rows))
        result: Array = np.einsum("rs,rs->r", rows, slopes[self._groups.members])
        return result


class Stacked:
    """Several figures of all rows, from one product of counts and columns."""

    def __init__(self, figures: Sequence[Figure]) -> None:
        self._figures = figures
        self._columns = np.concatenate([figure.columns for figure in figures], axis=1)
        self._ends = np.cumsum([figure.columns.shape[1] for figure in figures])
        self.cost = self._columns.shape[0]

    def at(self, counts: Array) -> Array:
        """Gives the metrics `[resamples, figures]`."""
        parts = np.split(counts.astype(np.float64) @ self._columns, self._ends[:-1], axis=1)
        pairs = zip(self._figures, parts, strict=True)
        return np.stack([figure.value(sums) for figure, sums in pairs], axis=1)


def _columns(*columns: Array) -> Array:
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)


def _ratio_value(sums: Array) -> Array:
    part, total = sums[..., 0], sums[..., 1]
    result: Array = np.divide(part, total, out=np.full(part.shape, np.nan), where=total > 0)
    return result


def _ratio_slope(sums: Array) -> Array:
    part, total = sums[..., 0], np.where(sums[..., 1] > 0, sums[..., 1], np.nan)
    return np.stack([1 / total, -part / total**2], axis=-1)


def _spread(sums: Array) -> Array:
    rows = np.where(sums[..., 1] > 0, sums[..., 1], np.nan)
    spread = sums[..., 3] - sums[..., 2] ** 2 / rows
    # What is left of a constant label is rounding.
    return np.where(spread > 1e-12 * np.maximum(sums[..., 3], 1e-300), spread, np.nan)


def _explained_value(sums: Array) -> Array:
    return 1 - sums[..., 0] / _spread(sums)


def _explained_slope(sums: Array) -> Array:
    spread = _spread(sums)
    by_spread = sums[..., 0] / spread**2
    mean_label = sums[..., 2] / np.maximum(sums[..., 1], 1)
    parts = [-1 / spread, by_spread * mean_label**2, -2 * by_spread * mean_label, by_spread]
    return np.stack(parts, axis=-1)
