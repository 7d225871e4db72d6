"""Which nodes of a graph may start: those whose inputs are ready, as room allows."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from contracts.memory import free_memory_mib

# What a node is expected to need; the least that is left free for one more.
NODE_MIB = 2048


@dataclass(frozen=True)
class Step:
    """A node as the schedule sees it.

    Attributes:
      name: The node's id.
      needs: The ids of the nodes whose outputs it takes.
      timed: Whether it measures time: only its like may run beside it, which take turns.
    """

    name: str
    needs: frozenset[str]
    timed: bool = False


def next_step(
    waiting: Sequence[Step],
    done: Collection[str],
    running: Collection[Step],
    jobs: int,
    has_room: Callable[[], bool] = lambda: True,
) -> Step | None:
    """Gives the next node to start, or None where one that runs has to end first.

    Args:
      waiting: What has not started, in topological order.
      done: The ids of what has ended.
      running: What runs now.
      jobs: How many may run at once.
      has_room: Whether there is memory for one more beside those that run.
    """
    if len(running) >= jobs:
        return None
    ready = [step for step in waiting if step.needs <= set(done)]
    if not running:
        return next((step for step in ready if not step.timed), next(iter(ready), None))
    timed = any(step.timed for step in running)
    beside = next((step for step in ready if step.timed == timed), None)
    return beside if beside is not None and has_room() else None


def from_step(start: str, steps: Sequence[Step]) -> set[str]:
    """Gives `start` and all that depends on it."""
    chosen = {start}
    for step in steps:  # in topological order
        if step.needs & chosen:
            chosen.add(step.name)
    return chosen


def until_step(end: str, steps: Sequence[Step]) -> set[str]:
    """Gives `end` and all that it depends on."""
    chosen = {end}
    for step in reversed(steps):  # the last in topological order first
        if step.name in chosen:
            chosen |= step.needs
    return chosen


def leave_out(names: Collection[str], steps: Sequence[Step]) -> list[Step]:
    """Gives the steps without some of them; who needs one of those needs what it needs.

    Args:
      names: The ids of the steps to leave out.
      steps: All steps, in topological order.
    """
    needs: dict[str, frozenset[str]] = {}
    for step in steps:
        direct = step.needs - set(names)
        indirect = (needs[name] for name in step.needs & set(names))
        needs[step.name] = direct.union(*indirect)
    return [
        Step(step.name, needs[step.name], step.timed) for step in steps if step.name not in names
    ]


def default_jobs() -> int:
    """As many as there are cores, and as free memory holds."""
    return max(1, min(len(os.sched_getaffinity(0)), int(free_memory_mib() // NODE_MIB)))
