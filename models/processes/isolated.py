"""Runs a function in a fresh Python process: converters and quantisers can take one down.

The process is forked from one that has imported TensorFlow and done nothing with it: an
import costs more than most of what is done here. That is this process itself where it has
not started TensorFlow yet, as in most nodes of a run, and a fork server otherwise. A function
that must do without TensorFlow gets a process that is started anew, on this module, with the
arguments MODULE:FUNCTION REQUEST REPLY. All take a request, a JSON object, from a file, and
write the object that the function returns; arrays travel as files whose paths stand in the
request. No process outlives the one that asked for it. Importing this module imports no
TensorFlow.
"""

from __future__ import annotations

import importlib
import json
import logging
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from contracts.errors import KelpError, ModelError, error_from_json
from contracts.spared_imports import spare_imports
from models.processes.child_process import module_command, safe_path
from models.processes.lifetime import (
    PARENT_VARIABLE,
    end_with_parent,
    end_with_process,
    end_with_starter,
)
from models.processes.shared_server import has_inherited_server
from models.user_code import explain_user_error

_FAILED = 3
_TAIL_LINES = 3
# What TensorFlow's libraries print as they start: it hides what a process died of.
_GREETING = re.compile(r"[EIW]0000 00:00:|WARNING: All log messages before absl")
# What a job imports first; none of it starts a thread of TensorFlow's, or a fork would hang.
IMPORTED = (
    "models.processes.fork_server",
    "tensorflow",
    "keras",
    "tensorflow_transform",
    "tfx_bsl.public.tfxio",
)


def call(
    target: str,
    request: Mapping[str, Any],
    *,
    timeout_s: float,
    what: str,
    threads: int | None = None,
    bare: bool = False,
) -> dict[str, Any]:
    """Calls a function in a process of its own and gives what it returned.

    Args:
      target: `module:function`; the function takes and gives a dict that JSON can hold.
      request: Its argument.
      timeout_s: How long the process may take; then it is killed.
      what: What is being done, for the error: "the conversion to TFLite".
      threads: How many threads TensorFlow and the runtimes may use; None leaves it to them.
      bare: Whether the process starts without TensorFlow, as its memory is measured.

    Raises:
      KelpError: the function raised one.
      ModelError: the process crashed, or took too long.
    """
    with tempfile.TemporaryDirectory(prefix="kelp-process-") as folder:
        asked, reply = Path(folder) / "request.json", Path(folder) / "reply.json"
        asked.write_text(json.dumps(request), encoding="utf-8")
        log = Path(folder) / "log"
        log.touch()  # a process may be killed before it writes
        run = _start if bare else _fork
        # A process that crashes or is killed leaves temporary files: here they go with the folder.
        environment = {**_environment(threads), "TMPDIR": folder}
        status = run([target, str(asked), str(reply)], log, timeout_s, environment)
        text = log.read_text(encoding="utf-8", errors="replace")
        if status is None:
            raise _too_slow(what, timeout_s, text)
        if status == _FAILED and reply.is_file():
            raise error_from_json(reply.read_text(encoding="utf-8"))
        if status or not reply.is_file():
            raise _crashed(what, status, text)
        answer: dict[str, Any] = json.loads(reply.read_text(encoding="utf-8"))
        return answer


def _environment(threads: int | None) -> dict[str, str]:
    limits = (
        {}
        if threads is None
        else {
            "TF_NUM_INTRAOP_THREADS": str(threads),
            "TF_NUM_INTEROP_THREADS": str(threads),
            "OMP_NUM_THREADS": str(threads),
        }
    )
    # On the CPU: a GPU rounds otherwise, and may be another process's.
    quiet = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "2"}
    return {**os.environ, **quiet, **limits}


def _fork(
    arguments: Sequence[str], log: Path, timeout_s: float, environment: Mapping[str, str]
) -> int | None:
    process = _process(list(arguments), str(log), dict(environment))
    with safe_path():
        process.start()
    try:
        process.join(timeout_s)
        return process.exitcode
    finally:
        if process.is_alive():
            _kill(process.pid)
        process.join()
        process.close()


def _process(arguments: list[str], log: str, environment: dict[str, str]) -> BaseProcess:
    given = (arguments, log, environment)
    if "tensorflow" in sys.modules and may_fork():
        return get_context("fork").Process(target=_forked, args=(*given, os.getpid(), None))
    context = get_context("forkserver")
    context.set_forkserver_preload(list(IMPORTED))
    asker = os.getpid() if has_inherited_server() else None
    return context.Process(target=_forked, args=(*given, None, asker))


def may_fork() -> bool:
    """Whether this process may be forked: it has not started TensorFlow.

    The threads of a started one would be missing in the forked process, which would wait
    for them without end.
    """
    eager = sys.modules.get("tensorflow.python.eager.context")
    started = None if eager is None else eager.context_safe()
    return started is None or not started._initialized


def _kill(pid: int | None) -> None:
    """Kills a process with what it has started: it leads a session of its own."""
    if pid is None:
        return
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        os.kill(pid, signal.SIGKILL)


def _forked(
    arguments: Sequence[str],
    log: str,
    environment: Mapping[str, str],
    parent: int | None,
    asker: int | None,
) -> None:
    """What the forked process does: its output goes to the log.

    A fork server ends with the process that started it, and what it forked ends with it.

    Args:
      arguments: Those of `main`.
      log: Where output goes.
      environment: The environment of the process that asked.
      parent: The process that asked, where that was forked itself.
      asker: The process that asked, where its fork server outlives it.
    """
    end_with_parent(os.getppid() if parent is None else parent)
    os.setsid()
    if asker is not None:
        end_with_process(asker)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(output, 1)
    os.dup2(output, 2)
    # Whoever forked may have put something else in place of its streams.
    sys.stdout = os.fdopen(1, "w", buffering=1, encoding="utf-8", closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, encoding="utf-8", closefd=False)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # whoever forked may have looked it up
    sys.exit(main(arguments))


def _start(
    arguments: Sequence[str], log: Path, timeout_s: float, environment: Mapping[str, str]
) -> int | None:
    command = module_command("models.processes.isolated", arguments)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment, PARENT_VARIABLE: str(os.getpid())},
            start_new_session=True,
        )
        try:
            return process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # Its own session: what it has started goes with it.
            if process.poll() is None:
                _kill(process.pid)
                process.wait()


def _too_slow(what: str, timeout_s: float, log: str) -> ModelError:
    return ModelError(
        f"{what} took too long and was stopped",
        expected=f"{timeout_s:g} s at most",
        received=_tail(log),
        fix="raise the time limit, or leave this variant out",
    )


def _crashed(what: str, status: int, log: str) -> ModelError:
    end = f"signal {-status}, a crash of a library" if status < 0 else f"exit status {status}"
    return ModelError(
        f"{what} failed in its process",
        received=f"{end}: {_tail(log)}",
        fix="leave this variant out, or choose another format or technique",
    )


def _tail(log: str) -> str:
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    lines = [line for line in lines if not _GREETING.match(line)]
    return " / ".join(lines[-_TAIL_LINES:]) or "nothing was printed"


def main(arguments: Sequence[str]) -> int:
    """Calls `TARGET` with the object in `REQUEST`; see the module."""
    target, request, reply = arguments
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    module, _, name = target.partition(":")
    try:
        function = getattr(importlib.import_module(module), name)
        given = function(json.loads(Path(request).read_text(encoding="utf-8")))
    except Exception as error:
        problem = error if isinstance(error, KelpError) else explain_user_error(error)
        if problem is None:
            raise
        Path(reply).write_text(problem.to_json(), encoding="utf-8")
        return _FAILED
    Path(reply).write_text(json.dumps(given), encoding="utf-8")
    return 0


if __name__ == "__main__":
    end_with_starter()
    spare_imports()
    sys.exit(main(sys.argv[1:]))
