"""A line for each component that works, and for each that has ended."""

from __future__ import annotations

import io
import re
import sys

import pytest
from rich.console import Console

from pipelines.execution.progress import Progress

_CODES = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


def _console(terminal: bool) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    return Console(file=stream, force_terminal=terminal, width=100), stream


@pytest.mark.parametrize("terminal", [False, True])
def test_every_component_that_ended_has_its_line(terminal: bool) -> None:
    console, stream = _console(terminal)
    progress = Progress(console)
    with progress.shown():
        progress.start("Setup")
        progress.done("Setup", 3.21, False, None, 700)
        progress.expect(["Trainer", "A component of a long name"])
        progress.start("Trainer")
        progress.done("Trainer", 2.0, True, 1200, 0)
    text = _CODES.sub("", stream.getvalue())
    assert re.search(r"Setup +3\.2 s +700 MiB peak", text)
    assert re.search(r"Trainer {20,}cached +1,200 rows", text)


def test_a_terminal_shows_all_that_work_and_takes_no_output_of_theirs() -> None:
    console, stream = _console(terminal=True)
    progress = Progress(console)
    output = sys.stdout
    with progress.shown():
        progress.start("Trainer")
        progress.start("Baselines")
        assert sys.stdout is output
        shown = _CODES.sub("", stream.getvalue())
    assert re.search(r"Trainer +0:00:00\s+.*Baselines +0:00:00", shown)


def test_a_file_gets_no_live_lines() -> None:
    console, stream = _console(terminal=False)
    progress = Progress(console)
    with progress.shown():
        progress.start("Trainer")
        progress.refresh()
    assert stream.getvalue() == ""
