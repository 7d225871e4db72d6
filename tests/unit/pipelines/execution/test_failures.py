"""Errors are short, complete, and survive a process boundary."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from contracts.errors import ConfigError, DataError, GateError, KelpError, error_from_json
from pipelines.execution.failures import explain_failure


@given(st.text(), st.text(), st.text(), st.text(), st.text())
def test_at_most_five_lines_and_a_round_trip(
    what: str, where: str, expected: str, received: str, fix: str
) -> None:
    error = DataError(what, where=where, expected=expected, received=received, fix=fix)
    assert 1 <= len(str(error).split("\n")) <= 5
    again = error_from_json(error.to_json())
    assert type(again) is DataError
    assert again.lines() == error.lines()


def test_pickles() -> None:
    error = pickle.loads(pickle.dumps(GateError("no", where="DataGate")))
    assert type(error) is GateError
    assert error.lines() == ["error: no", "  where:    DataGate"]


def test_the_cause_that_kelp_knows_is_reported() -> None:
    wrapped = RuntimeError("wrapped [while running 'Map']")
    wrapped.__cause__ = ConfigError("known")
    assert explain_failure(wrapped, "Trainer", "x.log").what == "known"


def test_a_full_disk_is_reported_as_such() -> None:
    result = explain_failure(RuntimeError("write: No space left on device"), "Trainer", "x.log")
    assert "the disk is full" in result.what
    assert result.where == "Trainer"


def test_too_little_network_memory_of_flink_is_reported_with_its_keys() -> None:
    words = "failed in state FAILED: java.io.IOException: Insufficient number of network buffers: "
    error = RuntimeError(f"{words}required 512, but only 499 available. The total number is 2048.")
    result = explain_failure(error, "StatisticsGen", "x.log")
    assert result.what == (
        "StatisticsGen needs more network memory than Flink's task managers have."
    )
    assert (result.expected, result.received) == ("512 network buffers for one task", "499")
    assert "taskmanager.network.sort-shuffle.min-buffers" in result.fix


def test_an_unknown_failure_names_component_log_and_last_words() -> None:
    result = explain_failure(
        ValueError("Traceback\n  File\nboom [while running 'X']"), "Evaluator", "e.log"
    )
    assert isinstance(result, KelpError)
    assert result.what == "Evaluator failed: ValueError: boom"
    assert "e.log" in result.fix
