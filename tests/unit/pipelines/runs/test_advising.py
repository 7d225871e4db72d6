"""From a run's results to the figures that advice is drawn from."""

from __future__ import annotations

import numpy as np
import pytest

from contracts.results.audit import AuditReport
from contracts.results.baselines import BaselineReport
from contracts.results.evidence import Evidence, Interval
from pipelines.runs.advising import advice_of_run, wrong_labels_of
from tests.fixtures.report_baselines import baselines
from tests.fixtures.report_evidence import evidence_of, stress_of
from tests.fixtures.report_run import audit
from tests.fixtures.variant_verdicts import verdict as verdict_on


def _evidence(**changes):
    rng = np.random.default_rng(7)
    content = {"version": 1, **evidence_of(rng, stress_of(rng))}
    return Evidence.model_validate(content | changes)


def _audit():
    return AuditReport.model_validate({"version": 1, **audit(np.random.default_rng(7))})


def _advice(evidence, variants=()):
    fitted = BaselineReport.model_validate({"version": 1, **baselines()})
    return advice_of_run(
        evidence,
        fitted,
        _audit(),
        variants,
        equal_within=0.02,
        is_linear=False,
        is_piecewise=False,
    )


def test_the_run_that_lost_to_its_trees_says_so_with_curve_and_labels():
    advice = _advice(_evidence())
    assert (advice.verdict, advice.also) == ("trees", ["better_labels"])
    assert "than the linear model (0.7283)" in advice.paragraph
    assert "The learning curve of the trees goes from" in advice.paragraph
    assert "6.2% of the labels are wrong (5.5% to 6.9%)" in advice.paragraph


@pytest.mark.parametrize(("change", "verdict"), [(0.0001, "smaller_model"), (0.01, "network")])
def test_a_distilled_variant_counts_where_it_lost_nothing(change, verdict):
    entries = [entry for entry in _evidence().baselines if entry.name != "trees"]
    evidence = _evidence(baselines=[entry.model_dump() for entry in entries])
    lost = Interval(value=-change, low=-1.1 * change, high=-0.9 * change)
    distilled = verdict_on("distilled_int8", difference={"roc_auc": lost}, ratios={"bytes": 0.35})
    advice = _advice(evidence, [distilled])
    assert advice.verdict == verdict
    assert ("distilled_int8" in advice.paragraph) == (verdict == "smaller_model")


def test_without_baseline_models_nothing_is_advised():
    assert _advice(_evidence(baselines=[])) is None


def test_an_audit_without_an_estimate_knows_nothing_of_labels():
    assert wrong_labels_of(None) is None
    assert wrong_labels_of(_audit()) == Interval(value=0.062, low=0.055, high=0.069)
