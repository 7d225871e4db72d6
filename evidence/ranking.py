"""Areas under curves by group, from the ranks of scores, as TFMA defines them.

TFMA counts scores into 10,000 buckets, moves the buckets onto 10,000 thresholds, and takes
the areas between thresholds: trapezoids for ROC, the interpolation of Davis and Goadrich
(2006) for precision and recall. Bins without rows add nothing to either, so only the bins
that a group has are kept here.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from contracts.arrays import Array
from evidence.groups import Groups

_BUCKETS = 10_000
_EPSILON = 1e-7


def tfma_bins(scores: Array) -> Array:
    """The threshold under which TFMA counts each score: its place among 10,000."""
    inner = np.arange(1, _BUCKETS - 1) / (_BUCKETS - 1)
    thresholds = np.concatenate([[0.0], inner + _EPSILON])
    # Truncation towards zero and the edge of the bucket are TFMA's.
    bucket = (scores.astype(np.float64) * _BUCKETS + 1).astype(np.int64)
    edge = (np.clip(bucket, 1, _BUCKETS + 1) - 1) / _BUCKETS
    # What lies above the last threshold but one has no curve of its own.
    return np.searchsorted(thresholds, edge, side="right") - 1


class Ranking:
    """The area under one curve, by group, for any counts of the rows."""

    def __init__(
        self, curve: Literal["roc", "pr"], bins: Array, positive: Array, groups: Groups
    ) -> None:
        self._curve = curve
        self._order = _order(bins[groups.rows], groups)
        ranked = groups.rows[self._order]
        key = groups.members * _BUCKETS + bins[ranked]
        self._hit = positive[ranked].astype(bool)
        self._positives, self._negatives = ranked[self._hit], ranked[~self._hit]
        first = np.append(True, key[1:] != key[:-1]) if len(key) else np.zeros(0, bool)
        self._edges = np.append(np.flatnonzero(first), len(key))
        self._hits_before = np.append(0, np.cumsum(self._hit))[self._edges]
        self._first_bin = np.searchsorted(self._edges[:-1], groups.starts)
        self._end_bin = np.append(self._first_bin[1:], len(self._edges) - 1)[: len(groups)]
        self._bins = self._end_bin - self._first_bin
        self._pairs = _Pairs(self._positives, self._negatives, self._hit, self._edges, groups)
        self.cost = 2 * max(len(key), 1)

    def at(self, counts: Array) -> Array:
        """Gives the areas `[resamples, groups]`, NaN where a group has one class only."""
        if self._curve == "roc":
            return self._pairs.at(counts)
        if not len(self._first_bin):
            return np.zeros((len(counts), 0))
        hits = _cumulated(counts, self._positives, self._hits_before)
        misses = _cumulated(counts, self._negatives, self._edges - self._hits_before)
        positives = hits[:, self._end_bin] - hits[:, self._first_bin]
        negatives = misses[:, self._end_bin] - misses[:, self._first_bin]
        above, false = self._from_above(hits)[:, 1:], self._from_above(misses)[:, 1:]
        steps = _pr_steps(above, false, np.diff(hits), np.diff(misses))
        total = np.where(negatives > 0, positives, 0)
        return _ratio(np.add.reduceat(steps, self._first_bin, axis=1), total)

    def _from_above(self, cumulated: Array) -> Array:
        """How many rows of the group lie at or above each bin's edge; the first is not used."""
        ends = np.repeat(cumulated[:, self._end_bin], self._bins, axis=1)
        result = np.empty_like(cumulated)
        result[:, 1:] = ends - cumulated[:, 1:]
        return result

    def influence(self) -> Array:
        """How much more a row's weight moves its group's area, beside the groups' rows."""
        if not len(self._hit):
            return np.zeros(0)
        hits = self._hits_before.astype(np.float64)
        misses = self._edges - hits
        group = np.repeat(np.arange(len(self._bins)), self._bins)
        positives = (hits[self._end_bin] - hits[self._first_bin])[group]
        negatives = (misses[self._end_bin] - misses[self._first_bin])[group]
        # A group of one class has no area; what it divides by here does not matter.
        positives, negatives = np.maximum(positives, 1), np.maximum(negatives, 1)
        if self._curve == "roc":
            up, down = self._roc_slopes(hits, misses, positives, negatives, group)
        else:
            up, down = self._pr_slopes(hits, misses, positives, group)
        bins = np.repeat(np.arange(len(group)), np.diff(self._edges))
        influence = np.empty(len(self._hit))
        influence[self._order] = np.where(self._hit, up[bins], down[bins])
        return influence

    def _value(self) -> Array:
        rows = int(max(self._positives.max(initial=-1), self._negatives.max(initial=-1))) + 1
        result: Array = self.at(np.ones((1, rows), np.uint8))[0]
        return result

    def _roc_slopes(
        self, hits: Array, misses: Array, positives: Array, negatives: Array, group: Array
    ) -> tuple[Array, Array]:
        """The components of DeLong, DeLong and Clarke-Pearson (1988), by bin."""
        value = self._value()[group]
        below = (misses[:-1] + misses[1:]) / 2 - misses[self._first_bin][group]
        above = hits[self._end_bin][group] - (hits[:-1] + hits[1:]) / 2
        up = _ratio(_ratio(below, negatives) - value, positives)
        return up, _ratio(_ratio(above, positives) - value, negatives)

    def _pr_slopes(
        self, hits: Array, misses: Array, positives: Array, group: Array
    ) -> tuple[Array, Array]:
        value = self._value()[group]
        a, b = self._from_above(hits[None])[0, 1:], self._from_above(misses[None])[0, 1:]
        own_hit, own_miss, by_a, by_b = _pr_slopes(a, b, np.diff(hits), np.diff(misses))
        # A row counts as "above" in every lower bin of its group.
        lower_a, lower_b = (_before(by, self._first_bin, group) for by in (by_a, by_b))
        return (own_hit + lower_a - value) / positives, (own_miss + lower_b) / positives


def _order(bins: Array, groups: Groups) -> Array:
    """Sorts by bin within each group; integers of 16 bits are sorted by radix."""
    by_bin = np.argsort(bins.astype(np.uint16), kind="stable")
    members = groups.members[by_bin]
    narrow = members.astype(np.uint16) if len(groups) <= 2**16 else members
    return by_bin[np.argsort(narrow, kind="stable")]


class _Pairs:
    """The share of pairs of a positive and a negative that are ranked right, ties by half.

    The rows of the rarer class are the points; each finds how many of the other class lie
    under it in the cumulated counts of its group.
    """

    def __init__(
        self, positives: Array, negatives: Array, hit: Array, edges: Array, groups: Groups
    ) -> None:
        self._upward = len(positives) <= len(negatives)
        point = hit if self._upward else ~hit
        self._points = positives if self._upward else negatives
        self._others = negatives if self._upward else positives
        others_before = np.append(0, np.cumsum(~point))
        bins = np.repeat(np.arange(len(edges) - 1), np.diff(edges))[point]
        self._under, self._upto = others_before[edges[bins]], others_before[edges[bins + 1]]
        ends = np.append(groups.starts, len(hit))
        self._other_bounds = others_before[ends]
        self._point_bounds = ends - self._other_bounds

    def at(self, counts: Array) -> Array:
        """Gives the shares `[resamples, groups]`."""
        others = _running(counts.take(self._others, axis=1), np.int32)
        drawn = counts.take(self._points, axis=1)
        below = others.take(self._under, axis=1)
        below += others.take(self._upto, axis=1)
        below *= drawn
        won = _between(_running(below, np.int64), self._point_bounds)
        points = _between(_running(drawn, np.int32), self._point_bounds)
        bounds = others.take(self._other_bounds, axis=1).astype(np.int64)
        won -= 2 * bounds[:, :-1] * points
        share = _ratio(won / 2, np.diff(bounds) * points)
        return share if self._upward else 1 - share


def _running(values: Array, dtype: Any) -> Array:
    """Sums of all that lies before each place, and of all."""
    total = np.zeros((len(values), values.shape[1] + 1), dtype)
    np.cumsum(values, axis=1, dtype=dtype, out=total[:, 1:])
    return total


def _between(running: Array, bounds: Array) -> Array:
    return np.diff(running.take(bounds, axis=1)).astype(np.int64)


def _cumulated(counts: Array, rows: Array, places: Array) -> Array:
    return _running(counts.take(rows, axis=1), np.int32).take(places, axis=1).astype(np.float64)


def _before(values: Array, first: Array, group: Array) -> Array:
    """Sums of the earlier bins of the same group."""
    total = np.cumsum(values) - values
    result: Array = total - total[first][group]
    return result


def _ratio(part: Array, total: Array) -> Array:
    result: Array = np.divide(part, total, out=np.full(np.shape(part), np.nan), where=total != 0)
    return result


def _pr_steps(above: Array, false: Array, hit: Array, miss: Array) -> Array:
    """What a bin of `hit` positives and `miss` negatives adds, before division by positives."""
    higher, rows = above + false, hit + miss
    slope = np.divide(hit, rows, out=np.zeros_like(hit), where=rows > 0)
    grown = np.divide(higher + rows, higher, out=np.ones_like(higher), where=higher > 0)
    result: Array = slope * (hit + (above - slope * higher) * np.log(grown))
    return result


def _pr_slopes(
    above: Array, false: Array, hit: Array, miss: Array
) -> tuple[Array, Array, Array, Array]:
    """The derivatives of `_pr_steps` by `hit`, `miss`, `above` and `false`."""
    higher, rows = above + false, hit + miss
    slope = hit / rows
    any_higher = higher > 0
    grown = np.log(np.divide(higher + rows, higher, out=np.ones_like(rows), where=any_higher))
    rest = np.where(any_higher, above - slope * higher, 0.0)
    tail = rest / (higher + rows)
    inner = hit + rest * grown
    by_slope = inner - slope * higher * grown
    by_hit = miss / rows**2 * by_slope + slope * (1 + tail)
    by_miss = -hit / rows**2 * by_slope + slope * tail
    drift = tail - np.divide(rest, higher, out=np.zeros_like(rest), where=any_higher)
    return (
        by_hit,
        by_miss,
        slope * ((1 - slope) * grown + drift),
        slope * (-slope * grown + drift),
    )
