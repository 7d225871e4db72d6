"""The config of releases: the section `release` of serving's config."""

from __future__ import annotations

from pydantic import Field

from contracts.spec import Spec


class BudgetSpec(Spec):
    """How much worse than the stable version a canary may be.

    A bound is broken when what was seen is past it by more than chance explains, and kept
    when enough was seen and it is not past it.

    Attributes:
      error_rate: Answers that are errors, as a share of all: canary less stable.
      latency_ratio: Median and 95th percentile: canary by stable.
      latency_slack_ms: A difference in latency that is no matter, whatever its ratio.
      shift: The share of an output's values that moved, 0 to 1: the Kolmogorov-Smirnov
        distance of its distributions, past the slack.
      shift_slack: How far a value may move without having moved: as a share of the range of
        the stable version's values, and of 1 for probabilities.
      requests: The fewest requests, for either version, to decide for the canary by.
      alpha: The chance that a look takes noise for a broken bound.
    """

    error_rate: float = Field(default=0.01, ge=0, le=1)
    latency_ratio: float = Field(default=1.5, ge=1)
    latency_slack_ms: float = Field(default=2.0, ge=0)
    shift: float = Field(default=0.1, ge=0, le=1)
    shift_slack: float = Field(default=0.02, ge=0, le=1)
    requests: int = Field(default=200, ge=1)
    alpha: float = Field(default=0.001, gt=0, lt=0.5)


class ReleaseSpec(Spec):
    """How a canary is watched.

    Attributes:
      budget: How much worse than the stable version it may be.
      watch_s: The least time before it is promoted.
      timeout_s: The most time; a canary that has not shown itself good by then goes back.
      look_s: The time between two looks at the figures.
      available_s: The most time that loading a version may take.
      settle_s: How long a change of the traffic is given to reach everyone where no proxy
        says that it has.
      recheck_s: How long an error of an earlier attempt to load a version is ignored.
    """

    budget: BudgetSpec = BudgetSpec()
    watch_s: float = Field(default=60, ge=0)
    timeout_s: float = Field(default=900, gt=0)
    look_s: float = Field(default=1, gt=0)
    available_s: float = Field(default=120, gt=0)
    settle_s: float = Field(default=2, ge=0)
    recheck_s: float = Field(default=10, ge=0)
