"""How much worse one model is by slice: against the whole, and against another model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.evidence.groups import Groups, whole
from components.evidence.measures import Outcome, is_judgeable, measure, sign_of
from components.evidence.significance import Losses, join, losses

Array = np.ndarray[Any, Any]


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
    """One model, perhaps beside a reference, in one metric."""

    def __init__(self, metric: str, model: Outcome, reference: Outcome | None) -> None:
        self.metric, self.model, self.reference = metric, model, reference
        self.sign = sign_of(model.task, metric)
        value, influence = self._known(model, whole(len(model.labels)))
        self._value, self._influence = value[0], np.nan_to_num(influence)
        squared = self._influence**2
        self._squares, self._fourths = squared.sum(), (squared * squared).sum()

    def losses(self, groups: Groups) -> SliceLosses:
        """Gives the losses of some slices and their standard errors, from one pass."""
        own, influence = self._known(self.model, groups)
        good = is_judgeable(self.metric, self.model, groups)
        own = np.where(good, own, np.nan)
        gap = self._gap(groups, own, influence)
        if self.reference is None:
            return SliceLosses(gap, None)
        theirs, other = self._known(self.reference, groups)
        moved = other - influence
        squared = moved * moved
        squares, fourths = groups.sums(squared), groups.sums(squared * squared)
        change = losses(self.sign * (theirs - own), squares, fourths, groups.sizes)
        return SliceLosses(gap, change)

    def _known(self, outcome: Outcome, groups: Groups) -> tuple[Array, Array]:
        """The metric by group, and the influences of the groups' rows."""
        ready = measure(self.metric, outcome, groups)
        ones = np.ones((1, len(outcome.labels)), np.uint8)
        return ready.at(ones)[0], ready.influence()

    def _gap(self, groups: Groups, own: Array, influence: Array) -> Losses:
        """The rows of a slice are rows of the whole too: their influences meet."""
        inside = self._influence[groups.rows]
        moved, inside = (inside - influence) ** 2, inside**2
        squares = self._squares + groups.sums(moved - inside)
        fourths = self._fourths + groups.sums(moved * moved - inside * inside)
        rows = np.full(len(groups), len(self._influence))
        return losses(self.sign * (self._value - own), np.maximum(squares, 0), fourths, rows)


def joined(parts: list[SliceLosses]) -> SliceLosses:
    """Lays the losses of several sets of slices end to end."""
    changes = [part.change for part in parts if part.change is not None]
    return SliceLosses(join([part.gap for part in parts]), join(changes) if changes else None)


def gain(metric: str, model: Outcome, other: Outcome) -> tuple[float, float]:
    """How much better `model` is than `other`, and the p value of "it is no better"."""
    better = Trial(metric, other, model).losses(whole(len(model.labels))).change
    if better is None:
        raise ValueError("a trial of two models has a change")
    # The other model stands as the one that is worse than its reference.
    return float(better.value[0]), float(better.p(0.0)[0])
