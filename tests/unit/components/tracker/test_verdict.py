"""A verdict as flat metrics and tags."""

from __future__ import annotations

import math

from components.tracker.verdict import metrics_of, reasons_of, verdict_tags
from contracts.results.gates import GateReport
from tests.fixtures.registry import EVIDENCE, gate, gates


def test_metrics_come_with_their_intervals() -> None:
    metrics = metrics_of({"roc_auc": 0.7501, "confusion": [[1]], "f1": None}, EVIDENCE)
    assert metrics["roc_auc"] == 0.7501, "the value of record goes before the resampled one"
    assert (metrics["roc_auc.low"], metrics["roc_auc.high"]) == (0.74, 0.76)
    assert metrics["baseline.log_loss"] == 0.5
    assert metrics["difference.log_loss.high"] == -0.05
    assert "log_loss.low" not in metrics
    assert "confusion" not in metrics
    assert "f1" not in metrics


def test_metrics_that_are_no_numbers_are_left_out() -> None:
    bare = EVIDENCE.model_copy(update={"metrics": {}})
    assert metrics_of({"a": math.nan, "b": math.inf, "c": 1}, bare) == {"c": 1.0}


def test_tags_name_verdict_reasons_and_outcomes() -> None:
    tags = verdict_tags(gates(blessed=False), EVIDENCE)
    assert tags["blessed"] == "false"
    assert tags["reasons"] == "Slice origin=JFK is worse than the baseline by 0.1."
    assert (tags["gates.block"], tags["gates.pass"]) == ("1", "1")
    assert tags["metrics"] == "roc_auc"


def test_bounded_metrics_are_shown_after_the_main_one() -> None:
    verdict = GateReport(
        blessed=True,
        gates=[
            gate("pass", metric="log_loss"),
            gate("pass", metric="f1", gate="fairness"),
            gate("pass", metric=""),
        ],
    )
    assert verdict_tags(verdict, EVIDENCE)["metrics"] == "roc_auc,log_loss"


def test_only_gates_that_block_are_reasons() -> None:
    gates = [gate("warn"), gate("block", reason="no"), gate("insufficient")]
    assert reasons_of(GateReport(blessed=False, gates=gates)) == ["no"]
