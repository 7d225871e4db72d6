"""Workers of two task managers that use one pool, and number their workers alike."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker import sdk_worker

from pipelines.beam.pool import WorkerPool


class _Harness:
    """A worker in a thread, which ends when it is stopped or its connection is closed."""

    def __init__(self, address: str, **_: Any) -> None:
        self.stopped, self.closed = 0, threading.Event()
        self._responses = self
        _HARNESSES.append(self)

    def put(self, _: Any) -> None:
        self.stopped += 1
        self.closed.set()

    def run(self) -> None:
        self.closed.wait(60)


_HARNESSES: list[_Harness] = []


def _start(pool: Any) -> None:
    assert not pool.StartWorker(beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1"), None).error


def _stop(pool: Any) -> None:
    pool.StopWorker(beam_fn_api_pb2.StopWorkerRequest(worker_id="1-1"), None)


def _await(condition: Any) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_thread_is_stopped_where_it_is_the_one_of_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _HARNESSES.clear()
    monkeypatch.setattr(sdk_worker, "SdkHarness", _Harness)
    pool = WorkerPool()
    _start(pool)
    _start(pool)
    first, second = _HARNESSES
    _stop(pool)
    first.closed.set()  # its connection may end before the request to stop it arrives
    _await(lambda: sum(one.name == "run_worker_1-1" for one in threading.enumerate()) == 1)
    _stop(pool)
    assert first.stopped == second.stopped == 0
    second.closed.set()
    pool = WorkerPool()
    _start(pool)
    _stop(pool)
    assert _HARNESSES[-1].stopped == 1


def test_a_process_is_stopped_where_it_is_the_one_of_its_number(tmp_path: Path) -> None:
    program = tmp_path / "worker"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    pool = WorkerPool(use_process=True, container_executable=str(program))
    for _ in range(2):
        _start(pool)
    first, second = processes = [*pool._worker_processes.values()]
    try:
        _stop(pool)
        assert [process.poll() for process in processes] == [None, None]
        first.terminate()
        first.wait(30)
        _stop(pool)
        assert second.poll() is None
    finally:
        for process in processes:  # at its own end the pool kills those that are left
            process.kill()
            process.communicate()
