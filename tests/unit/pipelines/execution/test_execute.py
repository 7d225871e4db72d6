"""Components in processes of their own: at once, in order, and never longer than asked."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[4]
# A graph of which no node is TFX's: what a node does is the name of a function below.
_PROGRAM = """
import json, os, signal, sys, time
from pathlib import Path
from rich.console import Console
from contracts.errors import DataError
from pipelines.execution.execute import Execution, NodeFailed
from pipelines.execution.interruption import interruptible
from pipelines.execution.progress import Progress
from pipelines.execution.schedule import Step

FOLDER = Path(sys.argv[1])

def note(name, what):
    with (FOLDER / "events").open("a") as file:
        file.write(json.dumps([time.monotonic(), name, what]) + "\\n")

def quick(name):
    note(name, "begin")
    time.sleep(0.6)
    print("the output of", name)
    note(name, "end")
    return name.encode()

def arguments(name):
    note(name, sys.argv[1:])
    return b""

def refuse(name):
    raise DataError("no rows", where="somewhere", fix="bring some")

def stumble(name):
    raise ValueError("unexpected")

def die(name):
    os.kill(os.getpid(), signal.SIGKILL)

def leave(name):
    import subprocess
    child = subprocess.Popen(["sleep", "60"])
    (FOLDER / f"{name}.pid").write_text(str(child.pid))
    return b""

def abandon(name):
    leave(name)
    die(name)

def stubborn(name):
    (FOLDER / f"{name}.pid").write_text(str(os.getpid()))
    until = time.monotonic() + 60
    while time.monotonic() < until:
        try:
            time.sleep(1)
        except BaseException:
            pass
    return b""

class Node:
    def __init__(self, name, function):
        self.name, self.function, self.result = name, function, None
    def prepare(self):
        if self.function is None:
            self.result = "from the cache"
    @property
    def task(self):
        return self.function, self.name
    def publish(self, output):
        note(self.name, "published")
        return output.decode()
    def discard(self):
        note(self.name, "discarded")

class Store:
    def execution(self, node):
        return Node(*node)

def main(graph, jobs):
    steps = [Step(name, frozenset(needs), name.startswith("timed"))
             for name, (_, needs) in graph.items()]
    nodes = {name: (name, function) for name, (function, _) in graph.items()}
    execution = Execution(Store(), nodes, steps, lambda name: FOLDER / f"{name}.log",
                          Progress(Console()), lambda done: note(done.name, "done"))
    with interruptible() as interruption:
        try:
            execution.run(jobs, lambda: True, interruption)
        except NodeFailed as error:
            print(json.dumps([execution.stopped_at, *error.__cause__.lines()]))
            return 1
        except KeyboardInterrupt:
            print(json.dumps([execution.stopped_at]))
            return 130
    return 0
"""


def _start(folder: Path, graph: str, jobs: int) -> subprocess.Popen[str]:
    program = folder / "program.py"
    program.write_text(f"{_PROGRAM}\nsys.exit(main({graph}, {jobs}))\n")
    return subprocess.Popen(
        [sys.executable, str(program), str(folder)],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "TMPDIR": str(folder)},
        stdout=subprocess.PIPE,
        text=True,
    )


def _run(folder: Path, graph: str, jobs: int) -> tuple[int, str]:
    process = _start(folder, graph, jobs)
    out, _ = process.communicate(timeout=60)
    return process.returncode, out


def _events(folder: Path) -> list[tuple[float, str, str]]:
    return [tuple(json.loads(line)) for line in (folder / "events").read_text().splitlines()]


def _at(folder: Path, name: str, what: str) -> float:
    return next(time for time, node, event in _events(folder) if (node, event) == (name, what))


def test_independent_nodes_run_at_once_and_dependent_ones_after_their_inputs(
    tmp_path: Path,
) -> None:
    graph = '{"a": (quick, ()), "b": (quick, ()), "c": (quick, ("a", "b"))}'
    assert _run(tmp_path, graph, 2)[0] == 0
    assert _at(tmp_path, "b", "begin") < _at(tmp_path, "a", "end")
    assert _at(tmp_path, "c", "begin") > _at(tmp_path, "b", "published")
    assert (tmp_path / "c.log").read_text().strip() == "the output of c"


def test_one_job_runs_one_node_at_a_time(tmp_path: Path) -> None:
    assert _run(tmp_path, '{"a": (quick, ()), "b": (quick, ())}', 1)[0] == 0
    assert _at(tmp_path, "b", "begin") > _at(tmp_path, "a", "published")


def test_a_node_that_measures_time_runs_beside_none_that_does_not(tmp_path: Path) -> None:
    graph = '{"timed": (quick, ()), "b": (quick, ()), "c": (quick, ("b",))}'
    assert _run(tmp_path, graph, 2)[0] == 0
    assert _at(tmp_path, "timed", "begin") > _at(tmp_path, "c", "published")


def test_what_is_cached_starts_no_process(tmp_path: Path) -> None:
    assert _run(tmp_path, '{"a": (None, ()), "b": (None, ("a",))}', 2)[0] == 0
    assert [event[1:] for event in _events(tmp_path)] == [("a", "done"), ("b", "done")]


def test_a_component_does_not_see_the_command_line(tmp_path: Path) -> None:
    """TFX's Beam executors would read flags of their own from it."""
    assert _run(tmp_path, '{"a": (arguments, ())}', 1)[0] == 0
    assert [] in [event for _, _, event in _events(tmp_path)]


def test_a_failure_stops_what_runs_beside_it(tmp_path: Path) -> None:
    began = time.monotonic()
    graph = '{"a": (stubborn, ()), "b": (refuse, ()), "c": (quick, ("b",))}'
    status, out = _run(tmp_path, graph, 2)
    assert time.monotonic() - began < 30
    assert (status, json.loads(out)[:2]) == (1, [["b"], "error: no rows"])
    assert {event[1:] for event in _events(tmp_path)} == {("a", "discarded"), ("b", "discarded")}
    assert not _is_alive(int((tmp_path / "a.pid").read_text()))


@pytest.mark.parametrize(
    ("function", "words"),
    [("stumble", "ValueError: unexpected"), ("die", "a was killed")],
)
def test_any_end_of_a_process_becomes_an_error(tmp_path: Path, function: str, words: str) -> None:
    status, out = _run(tmp_path, f'{{"a": ({function}, ())}}', 2)
    assert status == 1
    assert words in out


@pytest.fixture
def stubborn(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A run whose two nodes swallow every interrupt, and the process of one of them."""
    process = _start(tmp_path, '{"a": (stubborn, ()), "b": (stubborn, ())}', 2)
    try:
        deadline = time.monotonic() + 60
        while not all((tmp_path / f"{name}.pid").is_file() for name in "ab"):
            assert time.monotonic() < deadline, "the nodes did not start"
            time.sleep(0.1)
        time.sleep(0.3)
        yield process, int((tmp_path / "b.pid").read_text())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_a_component_that_swallows_it(
    stubborn: tuple[subprocess.Popen[str], int], tmp_path: Path, number: int
) -> None:
    process, node = stubborn
    process.send_signal(number)
    out, _ = process.communicate(timeout=15)
    assert process.returncode == 130
    assert json.loads(out) == [["a", "b"]]
    assert {event[1:] for event in _events(tmp_path)} == {("a", "discarded"), ("b", "discarded")}
    assert not _is_alive(node)


def test_a_second_ctrl_c_ends_all_processes_at_once(
    stubborn: tuple[subprocess.Popen[str], int], tmp_path: Path
) -> None:
    process, node = stubborn
    process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    began = time.monotonic()
    process.send_signal(signal.SIGINT)
    process.wait(timeout=15)
    assert time.monotonic() - began < 2
    assert process.returncode == 130
    assert not (tmp_path / "events").exists()
    assert _ends(node)


def test_the_processes_of_a_killed_run_end_with_it(
    stubborn: tuple[subprocess.Popen[str], int],
) -> None:
    process, node = stubborn
    process.kill()
    process.wait(timeout=15)
    assert _ends(node)


@pytest.mark.parametrize(("function", "status"), [("leave", 0), ("abandon", 1)])
def test_what_a_component_started_ends_with_it(tmp_path: Path, function: str, status: int) -> None:
    assert _run(tmp_path, f"{{'a': ({function}, [])}}", 1)[0] == status
    assert _ends(int((tmp_path / "a.pid").read_text()))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan that nobody has waited for yet has ended all the same.
    return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()


def _ends(pid: int) -> bool:
    deadline = time.monotonic() + 10
    while _is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _is_alive(pid)
