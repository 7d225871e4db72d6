"""What a run's figures advise: read from its results, weighed in `evidence.advice`."""

from __future__ import annotations

from collections.abc import Sequence

from contracts.results.advice import Advice
from contracts.results.audit import AuditReport
from contracts.results.baselines import BaselineReport
from contracts.results.evidence import Evidence, Interval
from contracts.results.variant import VariantVerdict
from evidence.advice import Compared, Figures, SmallerModel, advise_after_run
from evidence.standing import equal_bound
from evidence.variant_choice import BLESSED

# A variant is much smaller from this share of the bytes on, and as good up to this loss.
_SMALLER = 0.7
_AS_GOOD = 0.002
_OTHER_NETWORK = "distilled"


def advice_of_run(
    evidence: Evidence,
    baselines: BaselineReport | None,
    audit: AuditReport | None,
    variants: Sequence[VariantVerdict],
    *,
    equal_within: float,
    is_linear: bool,
    is_piecewise: bool,
    can_be_taught: bool = False,
) -> Advice | None:
    """Says which model to use and what to do next; None without baseline models.

    Args:
      evidence: What was measured of the candidate.
      baselines: How the baseline models were fitted, with their learning curve.
      audit: The audit of the data, with the estimate of wrong labels.
      variants: The verdicts on the variants.
      equal_within: `evaluation.baselines.equal_within`.
      is_linear: Whether the candidate is a linear network.
      is_piecewise: Whether it encodes numbers by bins, or has none to encode.
      can_be_taught: Whether trees could teach it, and do not.
    """
    if not evidence.baselines:
        return None
    rivals = {entry.name: Compared(entry.metric, entry.difference) for entry in evidence.baselines}
    train_rows = baselines.rows.get("train", 0) if baselines else 0
    return advise_after_run(
        Figures(
            metric=evidence.metric,
            higher_is_better=evidence.higher_is_better,
            equal_within=equal_within,
            train_rows=train_rows,
            test_rows=evidence.rows,
            judged=evidence.interval_of(evidence.metric),
            constant=rivals.get("majority"),
            linear=rivals.get("linear"),
            trees=rivals.get("trees"),
            wrong_labels=wrong_labels_of(audit),
            curve=baselines.learning_curve if baselines else None,
            smaller=_smaller(variants),
            is_linear=is_linear,
            is_piecewise=is_piecewise,
            can_be_taught=can_be_taught,
        )
    )


def wrong_labels_of(audit: AuditReport | None) -> Interval | None:
    """The estimated share of wrong labels; None where it is unknown."""
    found = audit.details.label_errors if audit else None
    if found is None or found.share is None:
        return None
    return Interval(value=found.share, low=found.low, high=found.high)


def _smaller(variants: Sequence[VariantVerdict]) -> SmallerModel | None:
    """The smallest blessed variant that is as good; one of a smaller network before others."""
    fitting = [made for variant in variants if (made := _as_good(variant)) is not None]
    return min(fitting, key=lambda made: (not made.is_other_network, made.share), default=None)


def _as_good(variant: VariantVerdict) -> SmallerModel | None:
    share, change = variant.ratios.get("bytes"), variant.main_difference
    if variant.status != BLESSED or variant.is_reference or share is None or share > _SMALLER:
        return None
    gain = change if variant.higher_is_better else change.negated
    bound = equal_bound(_AS_GOOD, variant.main_metric, variant.higher_is_better)
    if gain.low is None or gain.low < -bound:
        return None
    is_other = variant.weights.get("weights") == _OTHER_NETWORK
    return SmallerModel(variant.name, gain, share, is_other)
