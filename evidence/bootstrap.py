"""The paired bootstrap: one set of resamples for every model, metric and slice.

Efron's nonparametric bootstrap (Efron, 1979, "Bootstrap methods: another look at the
jackknife"; Efron and Tibshirani, 1993): a resample draws as many rows as there are, with
replacement, each alike. It is kept as how often each row was drawn (a multinomial count),
and every statistic is computed from those counts. All that is computed from resample `k`
of one seed sees the same rows, so differences between models, between a slice and the
whole, and between groups are paired, row by row.

Rows that belong together (the flights of one day) are drawn together, as clusters (Davison
and Hinkley, 1997, section 3.8): drawn one by one, they would claim to know what another
day is like, and the intervals would be too narrow.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np

from contracts.arrays import Array
from contracts.results.evidence import Interval

Key = TypeVar("Key", bound=Hashable)

_BLOCK_ELEMENTS = 2_000_000
_WORKERS = 4
# With fewer resamples than this in which a metric exists, quantiles mean little.
_MIN_SHARE = 0.9


class Resampling(Protocol):
    """What can be computed from counts of rows.

    Attributes:
      cost: The array elements that one resample takes.
    """

    cost: int

    def at(self, counts: Array) -> Array:
        """Gives `[resamples, ...]` for counts `[resamples, rows]`."""


@dataclass(frozen=True)
class Draws:
    """Which rows each resample draws; it depends on nothing else.

    Attributes:
      rows: How many rows there are.
      resamples: How many resamples to draw.
      seed: Of the draws.
      clusters: By row, from 0, with whom it is drawn; None draws each by itself.
    """

    rows: int
    resamples: int
    seed: int
    clusters: Array | None = None

    def counts(self, start: int, resamples: int) -> Array:
        """Gives how often each row is in resamples `start`, `start + 1`, ..."""
        units = self.rows if self.clusters is None else int(self.clusters.max(initial=-1)) + 1
        drawn = draw(units, self.seed, start, resamples)
        return drawn if self.clusters is None else drawn.take(self.clusters, axis=1)


def bootstrap(statistics: Mapping[Key, Resampling], draws: Draws) -> dict[Key, Array]:
    """Gives every statistic on every resample, `[resamples, ...]` by key.

    Statistics of separate calls with the same draws are paired too. Memory holds a few
    resamples at a time.
    """
    if not statistics:
        return {}
    cost = max(draws.rows, *(statistic.cost for statistic in statistics.values()))
    block = int(np.clip(_BLOCK_ELEMENTS // max(cost, 1), 1, 64))

    def run(start: int) -> dict[Key, Array]:
        counts = draws.counts(start, min(block, draws.resamples - start))
        return {key: statistic.at(counts) for key, statistic in statistics.items()}

    with ThreadPoolExecutor(workers()) as pool:
        parts = list(pool.map(run, range(0, draws.resamples, block)))
    return {key: np.concatenate([part[key] for part in parts]) for key in statistics}


def workers() -> int:
    """How many threads to compute in; numpy lets them run side by side."""
    return min(_WORKERS, len(os.sched_getaffinity(0)))


def draw(rows: int, seed: int, start: int, resamples: int) -> Array:
    """Gives how often each row is in resamples `start`, `start + 1`, ..."""
    counts = np.empty((resamples, rows), np.uint8)
    for place in range(resamples):
        generator = np.random.default_rng([seed, start + place])
        drawn = generator.integers(0, rows, rows) if rows else np.zeros(0, np.int64)
        counts[place] = np.bincount(drawn, minlength=rows)
    return counts


def interval(value: float, resampled: Array, confidence: float) -> Interval:
    """Gives a value and its percentile interval, None where there is none."""
    low, high = bounds(resampled, confidence)
    return Interval(value=number(value), low=number(low), high=number(high))


def bounds(resampled: Array, confidence: float) -> tuple[float, float]:
    """The quantiles that hold `confidence` of the resamples between them."""
    finite = resampled[np.isfinite(resampled)]
    if len(finite) < max(1, _MIN_SHARE * len(resampled)):
        return float("nan"), float("nan")
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return float(low), float(high)


def number(value: float) -> float | None:
    """A figure as JSON has it: None where there is none."""
    return float(value) if np.isfinite(value) else None
