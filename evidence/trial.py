"""How much worse one model is by slice: against the whole, and against another model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from contracts.arrays import Array
from evidence.groups import Groups, whole
from evidence.measures import Outcome, is_judgeable, measure, sign_of, why_not
from evidence.significance import Losses, join, losses

# With fewer clusters, how much they differ cannot be seen.
MIN_CLUSTERS = 5


@dataclass(frozen=True)
class SliceLosses:
    """By slice, positive is worse; NaN where the metric cannot be judged.

    Attributes:
      gap: The whole minus the slice.
      change: The reference minus the model; None without a reference.
    """

    gap: Losses
    change: Losses | None


class Trial:
    """One model, perhaps beside a reference, in one metric.

    With `clusters`, rows that belong together count as one: their influences are summed
    before they are squared.
    """

    def __init__(
        self,
        metric: str,
        model: Outcome,
        reference: Outcome | None,
        clusters: Array | None = None,
    ) -> None:
        self.metric, self.model, self.reference = metric, model, reference
        self.sign = sign_of(model.task, metric)
        self._clusters = clusters
        everything = whole(len(model.labels))
        value, influence = self._known(model, everything)
        folded = _Folded(everything, clusters)
        self._value, self._influence = value[0], np.nan_to_num(folded.sum(influence))
        squared = self._influence**2
        self._squares, self._fourths = squared.sum(), (squared * squared).sum()

    def why_not(self, groups: Groups) -> list[str | None]:
        """Says by group why it cannot be judged, None where it can."""
        said = why_not(self.metric, self.model, groups)
        if self.reference is not None:
            theirs = why_not(self.metric, self.reference, groups)
            said = [ours or other for ours, other in zip(said, theirs, strict=True)]
        enough = self._is_spread(_Folded(groups, self._clusters))
        few = f"fewer than {MIN_CLUSTERS} keys or blocks of like size that are drawn together"
        return [reason if good else few for reason, good in zip(said, enough, strict=True)]

    def losses(self, groups: Groups) -> SliceLosses:
        """Gives the losses of some slices and their standard errors, from one pass."""
        folded = _Folded(groups, self._clusters)
        own, influence = self._known(self.model, groups)
        good = is_judgeable(self.metric, self.model, groups) & self._is_spread(folded)
        own, influence = np.where(good, own, np.nan), folded.sum(influence)
        gap = self._gap(folded.cells, own, influence)
        if self.reference is None:
            return SliceLosses(gap, None)
        theirs, other = self._known(self.reference, groups)
        squared = (folded.sum(other) - influence) ** 2
        cells = folded.cells
        squares, fourths = cells.sums(squared), cells.sums(squared * squared)
        change = losses(self.sign * (theirs - own), squares, fourths, cells.sizes)
        return SliceLosses(gap, change)

    def _is_spread(self, folded: _Folded) -> Array:
        """Whether a group has enough clusters, none of which is most of it.

        Counted as Kish (1965) counts: as many of equal size would vary as much.
        """
        cells, rows = folded.cells, folded.sum(np.ones(len(folded.rows)))
        if self._clusters is None:
            return np.ones(len(cells), bool)
        enough: Array = cells.sums(rows) ** 2 >= MIN_CLUSTERS * cells.sums(rows**2)
        return enough

    def _known(self, outcome: Outcome, groups: Groups) -> tuple[Array, Array]:
        """The metric by group, and the influences of the groups' rows."""
        ready = measure(self.metric, outcome, groups)
        ones = np.ones((1, len(outcome.labels)), np.uint8)
        return ready.at(ones)[0], ready.influence()

    def _gap(self, cells: Groups, own: Array, influence: Array) -> Losses:
        """The rows of a slice are rows of the whole too: their influences meet."""
        inside = self._influence[cells.rows]
        moved, inside = (inside - influence) ** 2, inside**2
        squares = self._squares + cells.sums(moved - inside)
        fourths = self._fourths + cells.sums(moved * moved - inside * inside)
        units = np.full(len(cells), len(self._influence))
        return losses(self.sign * (self._value - own), np.maximum(squares, 0), fourths, units)


class _Folded:
    """Groups of clusters in place of groups of rows.

    Attributes:
      rows: The groups' rows.
      cells: The clusters that each group has rows of.
    """

    def __init__(self, groups: Groups, clusters: Array | None) -> None:
        self.rows, self.cells, self._cell = groups.rows, groups, None
        if clusters is None:
            return
        many = int(clusters.max(initial=-1)) + 1
        key = groups.members * many + clusters[groups.rows]
        present, self._cell = np.unique(key, return_inverse=True)
        starts = np.searchsorted(present, np.arange(len(groups)) * many)
        self.cells = Groups(present % max(many, 1), starts)

    def sum(self, influence: Array) -> Array:
        """Sums values beside the groups' rows into values beside the cells."""
        if self._cell is None:
            return influence
        return np.bincount(self._cell, influence, len(self.cells.rows))


def joined(parts: list[SliceLosses]) -> SliceLosses:
    """Lays the losses of several sets of slices end to end."""
    changes = [part.change for part in parts if part.change is not None]
    return SliceLosses(join([part.gap for part in parts]), join(changes) if changes else None)


def gain(
    metric: str, model: Outcome, other: Outcome, clusters: Array | None = None
) -> tuple[float, float]:
    """How much better `model` is than `other`, and the p value of "it is no better"."""
    better = Trial(metric, other, model, clusters).losses(whole(len(model.labels))).change
    if better is None:
        raise ValueError("a trial of two models has a change")
    # The other model stands as the one that is worse than its reference.
    return float(better.value[0]), float(better.p(0.0)[0])


def why_no_gain(
    metric: str, model: Outcome, other: Outcome, clusters: Array | None = None
) -> str | None:
    """Says why `gain` is not a number, None where it is one."""
    return Trial(metric, other, model, clusters).why_not(whole(len(model.labels)))[0]
