"""Which node may start, and how many at once."""

from __future__ import annotations

import pytest

from pipelines.execution import schedule
from pipelines.execution.schedule import (
    Step,
    default_jobs,
    from_step,
    leave_out,
    next_step,
    until_step,
)

DATA = Step("Data", frozenset())
LEFT, RIGHT = Step("Left", frozenset({"Data"})), Step("Right", frozenset({"Data"}))
TIMING = Step("Timing", frozenset({"Data"}), timed=True)
ALSO_TIMING = Step("AlsoTiming", frozenset({"Data"}), timed=True)
END = Step("End", frozenset({"Left", "Right"}))
GRAPH = [DATA, TIMING, LEFT, RIGHT, END]


def _order(jobs: int) -> list[set[str]]:
    """What runs at the same time, where all that runs ends together."""
    waiting, done, rounds = list(GRAPH), set[str](), []
    while waiting:
        running: list[Step] = []
        while (step := next_step(waiting, done, running, jobs)) is not None:
            running.append(step)
            waiting.remove(step)
        rounds.append({step.name for step in running})
        done |= rounds[-1]
    return rounds


def test_nodes_start_when_their_inputs_are_ready_and_there_is_a_job_for_them() -> None:
    assert _order(1) == [{"Data"}, {"Left"}, {"Right"}, {"End"}, {"Timing"}]
    assert _order(2) == [{"Data"}, {"Left", "Right"}, {"End"}, {"Timing"}]


def test_only_its_like_starts_beside_a_node_that_measures_time() -> None:
    assert next_step([LEFT], {"Data"}, [TIMING], 2) is None
    assert next_step([TIMING], {"Data"}, [LEFT], 2) is None
    assert next_step([TIMING], {"Data"}, [], 2) == TIMING
    assert next_step([LEFT, ALSO_TIMING], {"Data"}, [TIMING], 2) == ALSO_TIMING
    assert next_step([ALSO_TIMING], {"Data"}, [TIMING], 2, lambda: False) is None


def test_without_memory_one_node_runs_at_a_time() -> None:
    assert next_step([LEFT], {"Data"}, [], 2, lambda: False) == LEFT
    assert next_step([RIGHT], {"Data"}, [LEFT], 2, lambda: False) is None


def test_from_takes_all_that_depends_on_it() -> None:
    assert from_step("Left", GRAPH) == {"Left", "End"}
    assert from_step("Data", GRAPH) == {"Data", "Timing", "Left", "Right", "End"}


@pytest.mark.parametrize(("free", "jobs"), [(100, 1), (5000, 2), (1_000_000, 4)])
def test_default_jobs_are_bounded_by_cores_and_memory(
    free: float, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(schedule.os, "sched_getaffinity", lambda _: range(4))
    monkeypatch.setattr(schedule, "free_memory_mib", lambda: free)
    assert default_jobs() == jobs


def test_a_step_needs_what_comes_before_it_and_nothing_else() -> None:
    assert until_step("Left", GRAPH) == {"Data", "Left"}
    assert until_step("End", GRAPH) == {"Data", "Left", "Right", "End"}


def test_who_needs_a_step_that_is_left_out_needs_what_it_needs() -> None:
    steps = leave_out(["Left", "Data"], GRAPH)
    assert [step.name for step in steps] == ["Timing", "Right", "End"]
    assert [step.needs for step in steps] == [frozenset(), frozenset(), {"Right"}]
    assert steps[0].timed
    assert leave_out(["Left"], GRAPH)[-1].needs == {"Data", "Right"}
    assert leave_out([], GRAPH) == GRAPH
