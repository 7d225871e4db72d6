"""scripts/line_coverage.py: the lines that ran, as coverage.py's own tracer has them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from coverage import Coverage, CoverageData

from scripts import line_coverage, line_hits

SAMPLE = '''"""A module with statements of all kinds."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from typing import (
    Any,
)


def decorate(
    given: Any = (
        1
    ),
):
    """Has a docstring."""

    def around(function):
        @functools.wraps(
            function
        )
        def inside(*arguments):
            return function(
                *arguments
            )

        return inside

    return around


@dataclasses.dataclass
class Point:
    """Has a docstring, too."""

    x: int
    y: int = 2

    @property
    def total(self):
        if self.x > 100:
            return 0
        elif self.x > 50:
            return 50
        else:
            return self.x + self.y


@decorate()
@decorate(
    2
)
def classify(value):
    global COUNT
    COUNT = 1
    match value:
        case int():
            kind = "int"
        case str() if value:
            kind = "str"
        case _:
            kind = "none"
    try:
        number = int(value)
    except ValueError:
        number = -1
    except (
        TypeError,
        KeyError,
    ):
        number = -2
    else:
        number += 1
    finally:
        kind += "!"
    while number > 3:
        number -= 1
        if number == 5:
            continue
        if number == 4:
            break
    else:
        number = 0
    with contextlib.suppress(KeyError), contextlib.suppress(
        IndexError
    ):
        [][number]
        pass
    return kind, [
        one
        for one in range(3)
    ]


async def wait():
    async with contextlib.AsyncExitStack():
        pass


def never():
    return (
        1
    )


for sample in (7, "7", None, "x"):
    classify(sample); classify(sample)
assert Point(3).total == 5
nested = (lambda: 1) if Point(1).x else (lambda: 2)
'''
TRACED = (
    "import coverage, sys; c = coverage.Coverage(data_file=sys.argv[1], config_file=False); "
    "c.start(); import sample; c.stop(); c.save()"
)


def executed(data_file: Path, source: Path) -> tuple[list[int], list[int]]:
    """The lines that ran, and all statements."""
    coverage = Coverage(data_file=str(data_file), config_file=False)
    coverage.load()
    _, statements, _, missing, _ = coverage.analysis2(str(source))
    return sorted(set(statements) - set(missing)), statements


def test_lines_are_those_of_the_tracer(tmp_path: Path) -> None:
    source = tmp_path / "sample.py"
    source.write_text(SAMPLE)
    subprocess.run([sys.executable, "-c", TRACED, "traced"], cwd=tmp_path, check=True)
    lines, statements = executed(tmp_path / "traced", source)
    assert 50 < len(lines) < len(statements)

    line_hits.lay_out(str(tmp_path), [source])
    code = line_hits.counting_code(SAMPLE.encode(), str(source), 1)
    assert code.co_consts[0] == "A module with statements of all kinds."
    program = "import sys; from scripts.line_hits import start; start(sys.argv[1]); import sample"
    for _ in range(2):  # the second time with the code that the first has kept
        command = [sys.executable, "-c", f"import sys; sys.path.insert(0, '.'); {program}"]
        environment = {"PYTHONPATH": f"{line_coverage.ROOT}:{tmp_path}"}
        subprocess.run([*command, str(tmp_path)], cwd=tmp_path, env=environment, check=True)
        data = CoverageData(str(tmp_path / "noted"))
        data.add_lines(line_hits.read_lines(str(tmp_path)))
        data.write()
        assert executed(tmp_path / "noted", source) == (lines, statements)
        (tmp_path / "noted").unlink()


PROCESSES = """
import os, signal, subprocess, sys
import cloudpickle
def make():
    def nested():
        return 1
    return nested
if __name__ == "__main__":
    assert cloudpickle.loads(cloudpickle.dumps(make()))() == 1
    subprocess.run([sys.executable, "-c", "import sample; sample.last()"], check=True)
    if os.fork() == 0:
        os.kill(
            os.getpid(), signal.SIGKILL)
    os.wait()
    print("end")
    sys.stdout.flush()
    os._exit(3)
def last():
    os.execv("/bin/true", ["true"])
def never():
    return 1
"""


def test_all_processes_count_however_they_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "sample.py"
    source.write_text(PROCESSES)
    hook = tmp_path / "hook.pth"
    line_coverage.write_hook(hook)
    # What the interpreter does with it once it stands among the installed packages.
    (tmp_path / "sitecustomize.py").write_text(hook.read_text())
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    data_file = tmp_path / "noted"
    assert line_coverage.measure(["-m", "sample"], [source], data_file) == 3
    lines, statements = executed(data_file, source)
    ran = PROCESSES.splitlines()
    missing = [ran[line - 1].strip() for line in statements if line not in lines]
    assert missing == ["return 1"]


def test_all_sources_are_compiled_before_the_first_process_starts(
    tmp_path: Path,
) -> None:
    sources = [tmp_path / name for name in ("first.py", "second.py")]
    for source in sources:
        source.write_text("x = 1\n")
    line_hits.lay_out(str(tmp_path), sources)
    line_hits.compile_all(str(tmp_path))
    kept = {path.name for path in tmp_path.glob(f"*.{sys.implementation.cache_tag}")}
    assert kept == {f"{offset}.{sys.implementation.cache_tag}" for offset in (1, 3)}
