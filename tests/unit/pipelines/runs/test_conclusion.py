"""The last line of a run, and its exit status."""

from __future__ import annotations

from contracts.results.gates import Gate
from contracts.results.summary import Summary
from pipelines.runs.finish import NOT_BLESSED, exit_status, last_line
from tests.fixtures.report_run import summary_of


def _summary(blessed: bool, pushed_to: str | None, *reasons: str) -> Summary:
    gates = [Gate(gate="bound", outcome="block", reason=reason) for reason in reasons]
    gates.append(Gate(gate="bound", outcome="warn", reason="only a warning"))
    return summary_of(blessed=blessed, pushed_to=pushed_to, gates=gates)


def test_a_refusal_is_an_exit_status_only_where_a_blessing_is_required() -> None:
    refused = _summary(False, None, "roc_auc is 0.5.")
    assert exit_status(refused, require_blessing=False) == 0
    assert exit_status(refused, require_blessing=True) == NOT_BLESSED
    assert exit_status(_summary(True, "models/1"), require_blessing=True) == 0


def test_the_last_line_says_clearly_that_nothing_was_pushed() -> None:
    refused = _summary(False, None, "roc_auc is 0.5.", "another")
    line = last_line(refused, require_blessing=False) or ""
    assert line.startswith("NOTHING WAS PUSHED: the candidate was not blessed. roc_auc is 0.5.")
    assert "(and 1 more above)" in line
    assert line.endswith("--require-blessing makes this exit status 3.")
    assert "Exit status 3" in (last_line(refused, require_blessing=True) or "")
    assert "only a warning" not in line


def test_a_pushed_model_needs_no_such_line() -> None:
    assert last_line(_summary(True, "models/1"), require_blessing=True) is None
    assert "although" in (last_line(_summary(True, None), require_blessing=False) or "")
