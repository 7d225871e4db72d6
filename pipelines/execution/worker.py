"""Runs a function in a process of its own, which can always be ended.

The process is forked from this one, which has imported TFX and started no TensorFlow, so
that it costs neither an import nor the memory of one. It leads a session: the terminal's
Ctrl-C reaches this process alone, which ends the others.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from contracts.errors import EnvironmentProblem, GateError, KelpError
from contracts.temporary import TemporaryFolder
from models.processes.child_process import safe_path
from models.processes.isolated import may_fork
from models.processes.lifetime import end_with_parent
from models.processes.shared_server import inherit_server
from pipelines.execution.capture import peak_memory_mib, redirect
from pipelines.execution.failures import explain_failure

# How long a component may take to clean up after itself before its process is killed.
GRACE_S = 3.0
_EXIT_S = 10.0
_PRELOADED = ("models.processes.fork_server", "pipelines.graph")


@dataclass(frozen=True)
class Outcome:
    """How the work of a process ended.

    Attributes:
      output: What the function gave; None where it failed.
      problem: Why it failed, for the reader.
      trace: Where it failed, in full.
      audit: What a gate saw that stopped the run.
      memory_mib: The most memory that the process, or one that it started, had.
    """

    output: bytes | None
    problem: KelpError | None = None
    trace: str = ""
    audit: Mapping[str, Any] | None = None
    memory_mib: float = 0.0


@dataclass(frozen=True)
class _Task:
    """What the process needs to know.

    A fork server keeps the environment that it was started with: the run's own goes along.
    """

    name: str
    function: Callable[[Any], bytes]
    argument: Any
    log: Path
    temporary: Path
    parent: int | None
    environment: Mapping[str, str]


class Worker:
    """One process, and the result that it will send.

    Attributes:
      name: What it works on.
    """

    def __init__(
        self, name: str, function: Callable[[Any], bytes], argument: Any, log: Path
    ) -> None:
        """Starts the process.

        Args:
          name: The component.
          function: A function of a module.
          argument: Its argument; it must be possible to pickle both.
          log: Where output and logging go.
        """
        self.name = name
        self._log = log
        self._temporary = TemporaryFolder()
        self._receiver, sender = get_context("spawn").Pipe(duplex=False)
        parent = os.getpid() if may_fork() else None
        task = _Task(name, function, argument, log, self._temporary.path, parent, dict(os.environ))
        self._process = _new_process(task, sender)
        if parent is None:
            with safe_path():
                self._process.start()
        else:
            self._process.start()
        sender.close()

    @property
    def connection(self) -> Connection:
        """Has something to read once the process has ended its work."""
        return self._receiver

    @property
    def is_done(self) -> bool:
        """Whether `outcome` answers at once."""
        return self._receiver.poll() or not self._process.is_alive()

    def outcome(self) -> Outcome:
        """Gives the result of a process that is done, and ends it."""
        try:
            outcome: Outcome = self._receiver.recv() if self._receiver.poll() else self._died()
        except EOFError:
            self._process.join(_EXIT_S)
            outcome = self._died()
        self._process.join(_EXIT_S)
        self._clean_up()
        return outcome

    def ask_to_stop(self) -> None:
        """Interrupts the work, so that the component can clean up after itself."""
        if self._process.is_alive() and self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)

    def stop(self, deadline: float) -> None:
        """Ends the process with all that it started.

        Args:
          deadline: When it is killed, by `time.monotonic`.
        """
        self._process.join(max(0.0, deadline - time.monotonic()))
        self._clean_up()

    def kill(self) -> None:
        """Kills the process and its session at once; a later one removes its temporary files."""
        if self._process.pid is not None:
            for end in (os.killpg, os.kill):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    end(self._process.pid, signal.SIGKILL)

    def _clean_up(self) -> None:
        if self._process.is_alive():
            self.kill()
        # A job server, or another process that it started and did not end.
        if self._process.pid is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.join()
        self._process.close()
        self._receiver.close()
        self._temporary.close()

    def _died(self) -> Outcome:
        status = self._process.exitcode
        killed = status is not None and -status == signal.SIGKILL
        problem = EnvironmentProblem(
            f"{self.name} {'was killed' if killed else 'crashed'}.",
            where=self.name,
            received=f"signal {-status}" if status and status < 0 else f"exit status {status}",
            fix=(
                "the system had no memory left, most likely: run with --jobs 1, lower "
                "training.batch_size or set training.cache to none, or use a larger machine"
                if killed
                else f"read the end of the log, {self._log}"
            ),
        )
        return Outcome(None, problem)


def _new_process(task: _Task, sender: Connection) -> BaseProcess:
    if task.parent is not None:
        return get_context("fork").Process(target=_work, args=(task, sender), name=task.name)
    context = get_context("forkserver")
    context.set_forkserver_preload(list(_PRELOADED))
    return context.Process(target=_work, args=(task, sender), name=task.name)


def _work(task: _Task, sender: Connection) -> None:
    """What the process does."""
    end_with_parent(os.getppid() if task.parent is None else task.parent)
    if task.parent is not None:
        inherit_server()
    os.setsid()
    signal.signal(signal.SIGTERM, _interrupt_once)
    os.environ.update(task.environment)
    tempfile.tempdir = os.environ["TMPDIR"] = str(task.temporary)
    redirect(task.log)
    # TFX's Beam executors look for flags of their own there, and take "-v" for one.
    del sys.argv[1:]
    try:
        outcome = Outcome(task.function(task.argument))
    except KeyboardInterrupt:
        sys.exit(1)
    except BaseException as error:  # noqa: BLE001 (reported to the reader; its trace is kept)
        problem = explain_failure(error, task.name, str(task.log))
        trace = "".join(traceback.format_exception(error))
        audit = problem.audit if isinstance(problem, GateError) else None
        outcome = Outcome(None, problem, trace, audit)
    sender.send(Outcome(**{**vars(outcome), "memory_mib": peak_memory_mib()}))
    sender.close()


def _interrupt_once(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt
