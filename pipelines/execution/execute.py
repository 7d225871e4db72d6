"""Runs the nodes of a graph, several at once, each in a process of its own."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

from models.processes.isolated import IMPORTED, may_fork
from models.processes.shared_server import start_shared_server
from pipelines.execution.capture import captured
from pipelines.execution.interruption import Interruption
from pipelines.execution.progress import Progress
from pipelines.execution.schedule import Step, next_step
from pipelines.execution.worker import GRACE_S, Outcome, Worker

if TYPE_CHECKING:
    from pipelines.execution.nodes import NodeExecution, NodeResult, NodeStore

_POLL_S = 0.1
# They read rows by TensorFlow before they ask for a process that measures a variant.
_FORK_LATE = "VariantEvaluator."


class NodeFailed(Exception):
    """A node failed in its process.

    Its cause is the error for the reader.

    Attributes:
      trace: Where it failed, in full.
      audit: What a gate saw that stopped the run.
    """

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(str(outcome.problem))
        self.trace = outcome.trace
        self.audit = outcome.audit


@dataclass(frozen=True)
class NodeDone:
    """A node that ended well.

    Attributes:
      name: Its id.
      seconds: From its start to its end.
      memory_mib: The most memory of its process; 0 where it came from the cache.
    """

    name: str
    result: NodeResult
    seconds: float
    memory_mib: float


@dataclass
class _Running:
    step: Step
    execution: NodeExecution
    worker: Worker
    began: float


class Execution:
    """The nodes of one run, as far as they have come.

    Attributes:
      stopped_at: The nodes at which the run was stopped, in the order of the graph.
    """

    def __init__(
        self,
        store: NodeStore,
        nodes: Mapping[str, Any],
        steps: Sequence[Step],
        log: Callable[[str], Path],
        progress: Progress,
        report: Callable[[NodeDone], None],
        registered: Callable[[NodeExecution], None] = lambda _: None,
    ) -> None:
        """Starts nothing yet.

        Args:
          store: The metadata store.
          nodes: By id, what was compiled.
          steps: The same nodes as the schedule sees them, in topological order.
          log: Where a node's output goes.
          progress: What is shown meanwhile.
          report: Takes each node that ended well.
          registered: Called once a node is in the metadata store, before its work begins.
        """
        self.stopped_at: list[str] = []
        self._store, self._nodes, self._log = store, nodes, log
        self._progress, self._report = progress, report
        self._registered = registered
        self._waiting = list(steps)
        self._done: set[str] = set()
        self._running: list[_Running] = []
        self._here: str | None = None

    def run(self, jobs: int, has_room: Callable[[], bool], interruption: Interruption) -> None:
        """Runs all nodes.

        Args:
          jobs: How many at once.
          has_room: Whether there is memory for one more beside those that run.
          interruption: Ends the run where it was asked for.

        Raises:
          NodeFailed: A node failed; those that ran beside it were stopped.
          KeyboardInterrupt: The run was interrupted.
        """
        interruption.kill = self._kill
        try:
            while self._waiting or self._running:
                interruption.check()
                steps = [running.step for running in self._running]
                step = next_step(self._waiting, self._done, steps, jobs, has_room)
                if step is not None:
                    self._start(step)
                else:
                    self._collect()
        except BaseException:
            at = {self._here} if self._here else {one.step.name for one in self._running}
            self.stopped_at = [name for name in self._nodes if name in at]
            self._stop()
            raise

    def _start(self, step: Step) -> None:
        self._here = step.name
        began = time.monotonic()
        execution = self._store.execution(self._nodes[step.name])
        with captured(self._log(step.name)):
            execution.prepare()
            if execution.result is None:
                self._registered(execution)
                if step.name.startswith(_FORK_LATE) and may_fork():
                    start_shared_server(IMPORTED)
        self._waiting.remove(step)
        if execution.result is not None:
            self._end(step, execution.result, began, 0.0)
        else:
            worker = Worker(step.name, *execution.task, self._log(step.name))
            self._running.append(_Running(step, execution, worker, began))
            self._progress.start(step.name)
        self._here = None

    def _collect(self) -> None:
        wait([running.worker.connection for running in self._running], _POLL_S)
        self._progress.refresh()
        for running in [running for running in self._running if running.worker.is_done]:
            self._here = running.step.name
            outcome = running.worker.outcome()
            self._running.remove(running)
            with captured(self._log(self._here)):
                result = _finish(running.execution, outcome)
            self._end(running.step, result, running.began, outcome.memory_mib)
            self._here = None

    def _end(self, step: Step, result: NodeResult, began: float, mib: float) -> None:
        self._done.add(step.name)
        self._report(NodeDone(step.name, result, time.monotonic() - began, mib))

    def _stop(self) -> None:
        """Stops what still runs; what it has written is removed."""
        for running in self._running:
            running.worker.ask_to_stop()
        deadline = time.monotonic() + GRACE_S
        for running in self._running:
            running.worker.stop(deadline)
            with captured(self._log(running.step.name)):
                try:
                    running.execution.discard()
                except Exception:  # the error that stopped the run matters more
                    logging.getLogger(__name__).exception("output could not be removed")
        self._running = []

    def _kill(self) -> None:
        for running in self._running:
            running.worker.kill()


def _finish(execution: NodeExecution, outcome: Outcome) -> NodeResult:
    """Records the end of a node.

    Raises:
      NodeFailed: It failed.
    """
    if outcome.output is not None:
        try:
            return execution.publish(outcome.output)
        except Exception:
            execution.discard()
            raise
    execution.discard()
    raise NodeFailed(outcome) from outcome.problem
