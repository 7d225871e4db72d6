"""The probability above which a row is called positive, chosen from costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from contracts.results.training import OperatingPoint
from contracts.spec import Spec

if TYPE_CHECKING:
    import numpy as np


class CostSpec(Spec):
    """What one error of each kind costs, in any one unit."""

    false_positive: float = Field(1.0, gt=0)
    false_negative: float = Field(1.0, gt=0)


def choose_threshold(
    labels: np.ndarray[Any, Any], probabilities: np.ndarray[Any, Any], costs: CostSpec
) -> OperatingPoint:
    """Chooses the cheapest threshold; of equally cheap ones, the one nearest Bayes' own.

    Candidates lie midway between neighbouring probabilities, so that no row sits on the
    threshold and a rounding error in serving flips no decision.

    Args:
      labels: 0 or 1 a row.
      probabilities: P(1) a row.
      costs: What each kind of error costs.
    """
    import numpy as np

    order = np.argsort(probabilities, kind="stable")[::-1]
    ranked = np.asarray(probabilities, np.float64)[order]
    positive = np.asarray(labels)[order] == 1
    # Calling the first k rows positive is possible where rows k-1 and k differ.
    cuts = np.concatenate([[0], np.flatnonzero(np.diff(ranked)) + 1, [len(ranked)]])
    found = np.concatenate([[0], np.cumsum(positive)])[cuts]
    false_positives, false_negatives = cuts - found, positive.sum() - found
    price = costs.false_positive * false_positives + costs.false_negative * false_negatives
    bounds = np.concatenate([[max(1.0, ranked[0])], ranked, [min(0.0, ranked[-1])]])
    thresholds = (bounds[cuts] + bounds[cuts + 1]) / 2
    if ranked[0] >= 1.0:
        thresholds[0] = np.nextafter(np.float32(ranked[0]), np.float32(2))
    ideal = costs.false_positive / (costs.false_positive + costs.false_negative)
    cheapest = np.flatnonzero(price == price.min())
    best = cheapest[np.argmin(np.abs(thresholds[cheapest] - ideal))]
    return OperatingPoint(
        threshold=float(thresholds[best]),
        cost=float(price[best] / len(ranked)),
        true_positives=int(found[best]),
        false_positives=int(false_positives[best]),
        true_negatives=int((~positive).sum() - false_positives[best]),
        false_negatives=int(false_negatives[best]),
    )


def measure_threshold(
    threshold: float,
    labels: np.ndarray[Any, Any],
    probabilities: np.ndarray[Any, Any],
    costs: CostSpec,
) -> OperatingPoint:
    """Measures what a threshold that was chosen elsewhere does on these rows."""
    import numpy as np

    called, positive = probabilities >= np.float32(threshold), np.asarray(labels) == 1
    false_positives = int((called & ~positive).sum())
    false_negatives = int((~called & positive).sum())
    price = costs.false_positive * false_positives + costs.false_negative * false_negatives
    return OperatingPoint(
        threshold=threshold,
        cost=price / len(positive),
        true_positives=int((called & positive).sum()),
        false_positives=false_positives,
        true_negatives=int((~called & ~positive).sum()),
        false_negatives=false_negatives,
    )
