"""How one model stands to another, by the interval of its gain."""

from __future__ import annotations

from typing import Literal

from contracts.results.evidence import Interval

Standing = Literal["better", "equal", "not worse", "unclear", "worse"]


def standing_of(gain: Interval, equal: float) -> Standing:
    """How a model stands to another by the interval of its gain.

    Args:
      gain: The interval; positive is better.
      equal: Gains and losses smaller than this count as none.
    """
    low, high = gain.low, gain.high
    if low is None or high is None:
        return "unclear"
    if low > 0:
        return "better"
    if high < 0:
        return "worse"
    if low <= -equal:
        return "unclear"
    return "equal" if high < equal else "not worse"


def equal_bound(equal_within: float, reference: float | None, higher_is_better: bool) -> float:
    """The difference up to which two models count as equal.

    Args:
      equal_within: `evaluation.baselines.equal_within`.
      reference: The metric of the model that is compared with.
      higher_is_better: Errors have no upper end: equal is a share of the reference's.
    """
    return equal_within if higher_is_better else equal_within * abs(reference or 0.0)
