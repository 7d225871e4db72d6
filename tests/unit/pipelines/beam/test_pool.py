"""Workers of two task managers that use one pool, and number their workers alike."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from apache_beam.portability.api import beam_fn_api_pb2
from apache_beam.runners.worker import sdk_worker

from pipelines.beam import pool as pool_module
from pipelines.beam import worker
from pipelines.beam.pool import ForkingPool, WorkerPool


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


def _sleep(*_: Any) -> None:
    time.sleep(60)


def _stand_in(arguments: list[str]) -> int:
    """A worker that writes what it was given, and ends."""
    Path(os.environ["WRITTEN"]).write_text(json.dumps([arguments, os.getppid()]))
    return 0


@pytest.fixture
def forked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forks from this process: what a test has put in the place of the worker's work is there."""
    monkeypatch.setattr(pool_module, "get_context", lambda _: multiprocessing.get_context("fork"))


@pytest.mark.usefixtures("forked")
def test_a_process_is_stopped_where_it_is_the_one_of_its_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "_work", _sleep)
    pool = ForkingPool()
    for _ in range(2):
        _start(pool)
    first, second = pool._running
    try:
        _stop(pool)
        assert first.is_alive()
        assert second.is_alive()
        first.stop()
        _stop(pool)
        assert not first.is_alive()
        assert second.is_alive()
    finally:
        pool.stop_all()
    assert not second.is_alive()
    pool = ForkingPool()
    _start(pool)
    (alone,) = pool._running
    _stop(pool)
    assert not alone.is_alive()
    _start(pool)
    assert alone not in pool._running, "a process that has ended keeps its files open"
    pool.stop_all()


@pytest.mark.usefixtures("forked")
def test_a_process_gets_the_arguments_of_a_worker(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("WRITTEN", str(tmp_path / "written"))
    monkeypatch.setattr(worker, "main", _stand_in)
    pool, request = ForkingPool(), beam_fn_api_pb2.StartWorkerRequest(worker_id="1-1")
    request.control_endpoint.url, request.provision_endpoint.url = "here:1", "here:2"
    request.artifact_endpoint.url = "here:3"
    assert not pool.StartWorker(request, None).error
    (process,) = pool._running
    _await(lambda: not process.is_alive())
    arguments, parent = json.loads((tmp_path / "written").read_text())
    assert arguments == ["--id=1-1", "--provision_endpoint=here:2", "--control_endpoint=here:1"]
    assert parent == os.getpid()


def test_what_cannot_be_started_is_the_runners_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError("no process left")

    monkeypatch.setattr(pool_module, "_ForkedProcess", fail)
    answer = ForkingPool().StartWorker(beam_fn_api_pb2.StartWorkerRequest(worker_id="1"), None)
    assert "no process left" in answer.error
