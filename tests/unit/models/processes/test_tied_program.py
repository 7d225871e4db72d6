"""A program that is not ours ends with the process that asked for it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.processes.tied_program import tied_command

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="by Linux's pidfd")

# Started by a thread that has ended long before the process does.
_ASKER = """
import subprocess, sys, threading, time
from models.processes import tied_program

starts = lambda: subprocess.Popen({command}, stdout=subprocess.DEVNULL)
thread = threading.Thread(target=starts)
thread.start()
thread.join()
time.sleep(60)
"""
_TIED = "tied_program.tied_command(sys.argv[1:])"
# The same with little patience.
_IMPATIENT = """[
    sys.executable, "-c",
    "import sys; from models.processes import tied_program; tied_program._GRACE_S = 0.2; "
    "tied_program.main(sys.argv[1:])", str(__import__("os").getpid()), *sys.argv[1:],
]"""


def _java(folder: Path, ignored: str) -> Path:
    """A stand-in for Java that writes its process id and ignores signals."""
    script = folder / "java"
    script.write_text(
        f"#!/bin/sh\ntrap '' {ignored}\necho $$ > {folder}/started\n"
        f"mv {folder}/started {folder}/pid\nexec sleep 60\n"
    )
    script.chmod(0o755)
    return script


def _until(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + 10
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


def _runs(pid: int) -> bool:
    try:
        return "(zombie)" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _watchers(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in children.split()]


@pytest.mark.parametrize(("command", "ignored"), [(_TIED, "INT"), (_IMPATIENT, "INT TERM")])
def test_it_ends_with_a_process_that_is_killed(tmp_path: Path, command: str, ignored: str) -> None:
    code = _ASKER.format(command=command)
    asker = subprocess.Popen([sys.executable, "-c", code, str(_java(tmp_path, ignored))])
    try:
        assert _until((tmp_path / "pid").is_file)
        java = int((tmp_path / "pid").read_text())
        time.sleep(0.2)
        assert _runs(java)
        (watcher,) = _watchers(java)
    finally:
        asker.kill()
        asker.wait()
    assert _until(lambda: not _runs(java))
    assert _until(lambda: not _runs(watcher))


def test_signals_output_and_status_are_its_own(tmp_path: Path) -> None:
    script = "trap 'echo interrupted; exit 7' INT; echo ready; while :; do sleep 0.05; done"
    process = subprocess.Popen(
        tied_command(["sh", "-c", script]), stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    (watcher,) = _watchers(process.pid)[:1]
    process.send_signal(signal.SIGINT)
    # The watcher holds no end of the pipe.
    assert process.stdout.read() == "interrupted\n"
    assert process.wait(10) == 7
    assert _until(lambda: not _runs(watcher))


def test_a_program_that_is_missing_fails(tmp_path: Path) -> None:
    ended = subprocess.run(
        tied_command([str(tmp_path / "java")]), capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "No such file or directory" in ended.stderr


def test_it_does_not_start_for_a_process_that_has_ended() -> None:
    command = tied_command(["true"])
    command[-2] = "1"
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "has ended" in ended.stderr
