"""Whether a canary keeps its budget, by the figures of the proxy; nothing here does I/O."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal

import numpy as np

from contracts.arrays import Array
from serving.release.config import BudgetSpec

State = Literal["within", "over", "waiting"]
_QUANTILES = {"p50": 0.5, "p95": 0.95}


@dataclass(frozen=True)
class Check:
    """One bound of the budget.

    Attributes:
      what: What is bounded.
      state: "over" where the bound is broken beyond chance, "within" where enough was seen
        and it is kept, "waiting" otherwise.
      stable: The stable version's figure.
      canary: The canary's.
      comparison: The comparison and its bound, for people.
    """

    what: str
    state: State
    stable: str
    canary: str
    comparison: str

    def line(self) -> str:
        """One line of a summary."""
        return (
            f"{self.what:<24} stable {self.stable:<16} canary {self.canary:<16} "
            f"{self.comparison}: {self.state}"
        )


def judge(labels: Mapping[str, Any], budget: BudgetSpec) -> list[Check]:
    """Checks every bound.

    Args:
      labels: The figures of `stable` and `canary`, as the proxy's page has them.
      budget: The bounds.
    """
    stable, canary = labels["stable"], labels["canary"]
    checks = [_errors(stable, canary, budget)]
    checks += [_latency(stable, canary, quantile, budget) for quantile in _QUANTILES]
    # Each further output is a further chance to take noise for a shift.
    names = sorted(stable["outputs"])
    alpha = budget.alpha / max(1, len(names))
    return checks + [_shift(stable, canary, name, alpha, budget) for name in names]


def _errors(stable: Mapping[str, Any], canary: Mapping[str, Any], budget: BudgetSpec) -> Check:
    theirs, ours = (one["errors"] / max(1, one["requests"]) for one in (stable, canary))
    low = _least_difference(canary, stable, budget.alpha)
    enough = min(stable["requests"], canary["requests"]) >= budget.requests
    return Check(
        "errors",
        _state(over=low > budget.error_rate, kept=enough and ours - theirs <= budget.error_rate),
        f"{theirs:.2%} of {stable['requests']:,}",
        f"{ours:.2%} of {canary['requests']:,}",
        f"{ours - theirs:+.2%}, at most {budget.error_rate:+.2%}",
    )


def _least_difference(canary: Mapping[str, Any], stable: Mapping[str, Any], alpha: float) -> float:
    """The least by which the canary's share of errors is larger (Newcombe's interval)."""
    if not canary["requests"] or not stable["requests"]:
        return -1.0
    ours, low, _ = _wilson(canary["errors"], canary["requests"], alpha)
    theirs, _, high = _wilson(stable["errors"], stable["requests"], alpha)
    return ours - theirs - math.hypot(ours - low, high - theirs)


def _wilson(errors: int, requests: int, alpha: float) -> tuple[float, float, float]:
    """A share with the one-sided bounds of Wilson's score interval."""
    z = NormalDist().inv_cdf(1 - alpha)
    share = errors / requests
    scale = 1 + z * z / requests
    middle = (share + z * z / (2 * requests)) / scale
    width = z / scale * math.sqrt(share * (1 - share) / requests + (z / (2 * requests)) ** 2)
    return share, max(0.0, middle - width), min(1.0, middle + width)


def _latency(
    stable: Mapping[str, Any], canary: Mapping[str, Any], quantile: str, budget: BudgetSpec
) -> Check:
    samples = [np.asarray(one["latency_ms"]["sample"]) for one in (stable, canary)]
    (theirs, _, theirs_high), (ours, ours_low, _) = (
        _quantile(sample, _QUANTILES[quantile], budget.alpha) for sample in samples
    )
    enough = min(map(len, samples)) >= budget.requests

    def breaks(ms: float, stable_ms: float) -> bool:
        return ms > stable_ms * budget.latency_ratio and ms - stable_ms > budget.latency_slack_ms

    ratio = ours / theirs if theirs > 0 else math.nan
    return Check(
        f"latency {quantile}",
        _state(over=breaks(ours_low, theirs_high), kept=enough and not breaks(ours, theirs)),
        f"{theirs:.2f} ms",
        f"{ours:.2f} ms",
        f"x {ratio:.2f}, at most x {budget.latency_ratio:g} "
        f"(or {budget.latency_slack_ms:g} ms more)",
    )


def _quantile(sample: Array, share: float, alpha: float) -> tuple[float, float, float]:
    """A quantile with one-sided bounds that hold for any distribution: order statistics.

    Where there are too few values for a bound, it is as far away as can be.
    """
    count = len(sample)
    if not count:
        return math.nan, 0.0, math.inf
    z = NormalDist().inv_cdf(1 - alpha)
    place, width = count * share, z * math.sqrt(count * share * (1 - share))
    low, high = math.floor(place - width) - 1, math.ceil(place + width)
    return (
        float(np.quantile(sample, share)),
        float(sample[low]) if low >= 0 else 0.0,
        float(sample[high]) if high < count else math.inf,
    )


def _shift(
    stable: Mapping[str, Any],
    canary: Mapping[str, Any],
    name: str,
    alpha: float,
    budget: BudgetSpec,
) -> Check:
    what = f"shift of {name}" if name else "shift"
    theirs = np.asarray(stable["outputs"][name]["sample"])
    ours = np.asarray(canary["outputs"].get(name, {"sample": []})["sample"])
    answered = canary["requests"] - canary["errors"]
    if not len(ours):
        lost = answered >= budget.requests <= len(theirs)
        reason = "the canary does not give it" if lost else "no answers yet"
        return Check(what, "over" if lost else "waiting", f"{len(theirs):,} values", "none", reason)
    value = distance(theirs, ours, budget.shift_slack)
    noise = math.sqrt(math.log(2 / alpha) / 2 * (1 / len(theirs) + 1 / len(ours)))
    enough = min(len(theirs), len(ours)) >= budget.requests
    return Check(
        what,
        _state(over=value - noise > budget.shift, kept=enough and value <= budget.shift),
        f"median {np.median(theirs):.4g}",
        f"median {np.median(ours):.4g}",
        f"{value:.3f} moved (chance explains {noise:.3f}), at most {budget.shift:g}",
    )


def distance(stable: Array, canary: Array, slack: float) -> float:
    """The share of the values that moved by more than the slack, at least.

    Args:
      stable: Values in order of size.
      canary: Values in order of size.
      slack: As a share of the range of the stable ones, 1 for probabilities.
    """
    margin = slack * _range(stable, canary)
    return max(_excess(stable, canary, margin), _excess(canary, stable, margin), 0.0)


def _excess(lower: Array, upper: Array, margin: float) -> float:
    """How much of `lower` is at most v beyond what of `upper` is at most v + margin."""
    counts = np.searchsorted(upper, lower + margin, side="right") / len(upper)
    own = np.searchsorted(lower, lower, side="right") / len(lower)
    return float(np.max(own - counts))


def _range(stable: Array, canary: Array) -> float:
    if min(stable[0], canary[0]) >= 0 and max(stable[-1], canary[-1]) <= 1:
        return 1.0
    low, high = np.quantile(stable, (0.05, 0.95))
    # Where all values are the same one, its own size is the only measure.
    return float(high - low) or abs(float(np.median(stable)))


def _state(*, over: bool, kept: bool) -> State:
    return "over" if over else "within" if kept else "waiting"
