"""Keeps workers on one socket: one that dies is replaced while the others go on."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from contracts.temporary import TemporaryFolder
from serving.config import ServingSpec

_LOOK_S = 0.1
_LATE_S = 10.0
_SHORT_LIFE_S = 5.0
_MOST_WAIT_S = 10.0
# `-m` would put the working directory before the installed packages, and import a folder
# `serving` of the user's own.
_RUN_WORKER = (
    "import sys; sys.path[:] = filter(None, sys.path); import runpy; "
    "runpy.run_module('serving.worker', run_name='__main__', alter_sys=True)"
)

logger = logging.getLogger(__name__)


@dataclass
class _Child:
    process: subprocess.Popen[bytes]
    born: float
    failures: int


class Supervisor:
    """Runs `workers` processes until it is stopped.

    Args:
      spec: The server's config.
      listening: The socket that they share.
    """

    def __init__(self, spec: ServingSpec, listening: socket.socket) -> None:
        self._spec = spec
        self._listening = listening
        self._asked = False
        self._children: dict[int, _Child] = {}
        self._due: dict[int, tuple[float, int]] = {}

    def run(self) -> int:
        """Starts the workers, replaces those that die, and ends them when asked.

        Returns:
          0 after all ended well, else 1.
        """
        before = {one: signal.signal(one, self._ask) for one in (signal.SIGINT, signal.SIGTERM)}
        try:
            with contextlib.closing(TemporaryFolder()) as folder:
                for place in range(self._spec.workers):
                    self._start(place, folder.path, 0, first=True)
                while not self._asked:
                    time.sleep(_LOOK_S)
                    self._look(folder.path)
                return self._end()
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def _ask(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._asked = True

    def _start(self, place: int, folder: Path, failures: int, *, first: bool) -> None:
        descriptor = self._listening.fileno()
        command = [sys.executable, "-c", _RUN_WORKER, str(descriptor), str(folder)]
        command += [str(os.getpid()), "tells" if first and place == 0 else "silent"]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, pass_fds=[descriptor])
        assert process.stdin is not None
        process.stdin.write(self._spec.model_dump_json().encode())
        process.stdin.close()
        self._children[place] = _Child(process, time.monotonic(), failures)
        logger.info("worker_started", extra={"worker": place, "worker_pid": process.pid})

    def _look(self, folder: Path) -> None:
        now = time.monotonic()
        for place, child in list(self._children.items()):
            status = child.process.poll()
            if status is None:
                continue
            failures = child.failures + 1 if now - child.born < _SHORT_LIFE_S else 0
            wait = min(2.0 ** (failures - 1), _MOST_WAIT_S) if failures else 0.0
            fields = {"worker": place, "worker_pid": child.process.pid, "status": status}
            logger.error("worker_died", extra={**fields, "again_in_s": wait})
            del self._children[place]
            self._due[place] = (now + wait, failures)
        for place, (due, failures) in list(self._due.items()):
            if now >= due:
                del self._due[place]
                self._start(place, folder, failures, first=False)

    def _end(self) -> int:
        for child in self._children.values():
            child.process.terminate()
        allowed = self._spec.shutdown.unready_s + self._spec.shutdown.drain_s + _LATE_S
        until = time.monotonic() + allowed
        statuses = [_wait(child.process, until) for child in self._children.values()]
        return 0 if not any(statuses) else 1


def _wait(process: subprocess.Popen[bytes], until: float) -> int:
    try:
        return process.wait(max(0.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
