"""Starts Beam workers for the nodes of a cluster: threads here, or processes of their own.

Each task manager of Flink numbers its workers from 1. Beam's own pool knows a worker by its number
alone: where two task managers use one pool, the first that stops its worker stops the other's.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker.worker_pool_main import (
    BeamFnExternalWorkerPoolServicer,
    Sentinel,
    kill_process_gracefully,
)


@dataclass(frozen=True)
class _Worker:
    is_alive: Callable[[], bool]
    stop: Callable[[], None]


class WorkerPool(BeamFnExternalWorkerPoolServicer):
    """Stops a worker only where no other was started with its number.

    The others end with their connection, which their task manager closes.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._lock = threading.Lock()
        self._started = 0
        self._workers: defaultdict[str, list[_Worker]] = defaultdict(list)

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 (the name is Beam's)
        """Starts a worker beside those that have the same number."""
        number = request.worker_id
        with self._lock:
            self._started += 1
            before = set(threading.enumerate())
            answer = super().StartWorker(request, context)
            process = self._worker_processes.pop(number, None)
            if process is not None:
                # Those that are left in Beam's own list are killed when this process ends.
                self._worker_processes[f"{number} {self._started}"] = process
                self._workers[number].append(
                    _Worker(
                        lambda: process.poll() is None, lambda: kill_process_gracefully(process)
                    )
                )
            harness = self._worker_threads.pop(number, None)
            for thread in set(threading.enumerate()) - before:
                if harness is not None and thread.name == f"run_worker_{number}":
                    self._workers[number].append(
                        _Worker(thread.is_alive, lambda: harness._responses.put(Sentinel.sentinel))
                    )
        return answer

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (Beam's)
        """Stops the worker of a number, unless there have been several."""
        with self._lock:
            started = [*self._workers[request.worker_id]]
        # Of several that were started, the one that is meant may have ended already.
        if len(started) == 1 and started[0].is_alive():
            started[0].stop()
        return beam_fn_api_pb2.StopWorkerResponse()


def serve_pool(port: int, executable: str) -> None:
    """Starts a process for each worker that is asked for, until this one is ended.

    Args:
      port: Where it is asked.
      executable: The program of a worker.
    """
    # A signal that ends this process must run what ends the workers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    _, server = WorkerPool.start(use_process=True, port=port, container_executable=executable)
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        server.stop(0)
