"""Starts Beam workers for the nodes of a cluster: threads here, or processes of their own.

Each task manager of Flink numbers its workers from 1. Beam's own pool knows a worker by its number
alone: where two task managers use one pool, the first that stops its worker stops the other's.
"""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from typing import Any

import grpc
from apache_beam.portability.api import beam_fn_api_pb2, beam_fn_api_pb2_grpc
from apache_beam.runners.worker.worker_pool_main import (
    BeamFnExternalWorkerPoolServicer,
    Sentinel,
    kill_process_gracefully,
)
from apache_beam.utils import thread_pool_executor

from models.processes.child_process import safe_path
from models.processes.lifetime import end_with_process
from models.processes.shared_server import start_shared_server
from pipelines.beam import worker
from pipelines.beam.options import WORKER_IMPORT

# Another address of a worker than these is for files to load, of which there are none.
_ADDRESSES = ("logging", "provision", "control")
# As Beam's own pool: a runner may ask whether it is still there as often as it likes.
_CHANNEL = (("grpc.http2.max_pings_without_data", 0), ("grpc.http2.max_ping_strikes", 0))
# What a worker imports; none of it starts a thread of TensorFlow's, or a fork would hang.
IMPORTED = (
    "models.processes.fork_server",
    WORKER_IMPORT,
    "apache_beam.runners.worker.sdk_worker_main",
    "pipelines.graph",
)


@dataclass(frozen=True)
class _Worker:
    number: str
    is_alive: Callable[[], bool]
    stop: Callable[[], None]


class WorkerPool(BeamFnExternalWorkerPoolServicer):
    """Starts each worker as a thread, and stops it where no other was started with its number.

    The others end with their connection, which their task manager closes.
    """

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self._lock = threading.Lock()
        self._starts: Counter[str] = Counter()
        self._running: list[_Worker] = []

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802 (the name is Beam's)
        """Starts a worker beside those that have the same number."""
        number = request.worker_id
        with self._lock:
            before = set(threading.enumerate())
            answer = super().StartWorker(request, context)
            harness = self._worker_threads.pop(number, None)
            for thread in set(threading.enumerate()) - before:
                if harness is not None and thread.name == f"run_worker_{number}":
                    stop = functools.partial(harness._responses.put, Sentinel.sentinel)
                    self._remember(_Worker(number, thread.is_alive, stop))
        return answer

    def StopWorker(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (Beam's)
        """Stops the worker of a number, unless there have been several."""
        number = request.worker_id
        # Of several that were started, the one that is meant may have ended already.
        if self._starts[number] == 1:
            self._stop(lambda worker: worker.number == number)
        return beam_fn_api_pb2.StopWorkerResponse()

    def stop_all(self) -> None:
        """Stops all workers."""
        self._stop(lambda _: True)

    def _remember(self, worker: _Worker) -> None:
        self._starts[worker.number] += 1
        self._running = [*(one for one in self._running if one.is_alive()), worker]

    def _stop(self, is_meant: Callable[[_Worker], bool]) -> None:
        with self._lock:
            meant = [one for one in self._running if is_meant(one) and one.is_alive()]
        for one in meant:
            one.stop()


class ForkingPool(WorkerPool):
    """Forks each worker from a process that has imported what workers need.

    A cluster starts workers anew for each stage of a pipeline, and the imports take longer than
    most stages.
    """

    def StartWorker(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002 (Beam's)
        """Starts a worker beside those that have the same number."""
        number = request.worker_id
        addresses = {name: getattr(request, f"{name}_endpoint").url for name in _ADDRESSES}
        given = [f"--{name}_endpoint={address}" for name, address in addresses.items() if address]
        try:
            with self._lock:
                process = _ForkedProcess([f"--id={number}", *given])
                stop = functools.partial(kill_process_gracefully, process)
                self._remember(_Worker(number, process.is_alive, stop))
        except OSError:
            return beam_fn_api_pb2.StartWorkerResponse(error=traceback.format_exc())
        return beam_fn_api_pb2.StartWorkerResponse()


class _ForkedProcess:
    """A forked worker with those methods of a `Popen` that Beam calls."""

    def __init__(self, arguments: list[str]) -> None:
        context = get_context("forkserver")
        self._process: BaseProcess = context.Process(target=_work, args=(arguments, os.getpid()))
        with safe_path():
            self._process.start()
        self.is_alive = self._process.is_alive
        self.terminate, self.kill = self._process.terminate, self._process.kill

    def wait(self, timeout: float | None = None) -> None:
        """Waits for its end."""
        self._process.join(timeout)
        if self._process.is_alive():
            raise subprocess.TimeoutExpired("kelp-beam-worker", timeout or 0.0)


def _work(arguments: list[str], pool: int) -> None:
    """What the forked process does.

    Args:
      arguments: Those of `kelp-beam-worker`.
      pool: The process of the pool: one that is killed takes its workers along.
    """
    os.setsid()
    end_with_process(pool)
    import numpy as np

    np.random.seed()  # noqa: NPY002 (or all workers would draw the same numbers)
    sys.exit(worker.main(arguments))


def serve_pool(port: int) -> None:
    """Starts a process for each worker that is asked for, until this one is ended.

    Args:
      port: Where it is asked.
    """
    # A signal that ends this process must run what ends the workers.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    start_shared_server(IMPORTED)
    pool = ForkingPool()
    server = grpc.server(thread_pool_executor.shared_unbounded_instance(), options=_CHANNEL)
    beam_fn_api_pb2_grpc.add_BeamFnExternalWorkerPoolServicer_to_server(pool, server)
    server.add_insecure_port(f"[::]:{port}")
    server.start()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        sys.exit(130)
    finally:
        server.stop(0)
        pool.stop_all()
