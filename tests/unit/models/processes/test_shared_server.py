"""Processes of one run use one fork server, and what it forks ends with who asked for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

HERE = "tests.unit.models.processes.test_shared_server"
ROOT = Path(__file__).parents[4]
_RUN = """
import json, os, sys, time
from multiprocessing import get_context
from pathlib import Path
from models.processes import isolated, shared_server

place = Path(sys.argv[1])
sys.path[:] = filter(None, sys.path)
os.chdir(place)  # where there is a package of the user's own with the name of ours

def work(name, function):
    shared_server.inherit_server()
    shared_server.start_shared_server([])  # there is one
    isolated.may_fork = lambda: False  # as where TensorFlow has been started
    given = isolated.call(HERE + function, {"file": str(place / name)}, timeout_s=60, what=name)
    (place / name).write_text(json.dumps(given))

def begin(*arguments):
    process = get_context("fork").Process(target=work, args=arguments)
    process.start()
    return process

shared_server.start_shared_server(["models.processes.isolated"])
for process in (begin("first", ":parent"), begin("second", ":parent")):
    process.join()
waiting = begin("third", ":hang")
while not (place / "third").is_file() and waiting.is_alive():
    time.sleep(0.02)
waiting.kill()
waiting.join()
hung = int((place / "third").read_text())
until = time.monotonic() + 20
while Path(f"/proc/{hung}").exists() and time.monotonic() < until:
    time.sleep(0.02)
print(json.dumps({"left": Path(f"/proc/{hung}").exists(), "run": os.getpid()}))
"""


def parent(_: object) -> dict[str, int]:
    return {"process": os.getpid(), "parent": os.getppid()}


def hang(request: dict[str, str]) -> None:
    file = Path(request["file"])
    file.with_suffix(".new").write_text(str(os.getpid()))
    file.with_suffix(".new").rename(file)
    time.sleep(600)


def test_processes_of_a_run_share_a_server_and_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "__init__.py").touch()
    program = f"HERE = {HERE!r}\n{_RUN}"
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    run = json.loads(done.stdout)
    first, second = (json.loads((tmp_path / name).read_text()) for name in ("first", "second"))
    assert first["parent"] == second["parent"] != run["run"]
    assert first["process"] != second["process"]
    assert not run["left"]
