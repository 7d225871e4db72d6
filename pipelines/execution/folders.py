"""Folders of runs: each run's own, and a pipeline's own for one run at a time."""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from contracts.errors import EnvironmentProblem

NODES_FOLDER = "nodes"
_LOCK, _GATE = ".lock", ".gate"
# The processes of an attempt that was killed may outlive it for a moment.
_PATIENCE_S = 5.0


def new_folder(root: Path) -> Path:
    """Makes a folder named after the time of day, with one for logs in it.

    Raises:
      EnvironmentProblem: it cannot be written.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    numbered = (f"{stamp}-{number}" for number in itertools.count(2))
    folders = (root / name for name in itertools.chain([stamp], numbered))
    folder = next(folder for folder in folders if not folder.exists())
    try:
        (folder / "logs").mkdir(parents=True)
    except OSError as error:
        raise _unwritable(root, error) from error
    return folder


def _unwritable(root: Path, error: OSError) -> EnvironmentProblem:
    return EnvironmentProblem(
        "The run folder cannot be written.",
        where=f"{root} (config key runs)",
        expected="a folder with room that this user may write",
        received=str(error),
        fix="make room, correct the permissions, or choose another folder with runs=FOLDER",
    )


def join_folder(root: Path, run_id: str, fill: Callable[[Path], None]) -> Path:
    """Gives the folder of a run in which several processes take part.

    The first of them makes and fills it under another name, and renames it: none ever sees it
    half filled.

    Args:
      root: The pipeline's folder of runs.
      run_id: The run.
      fill: Writes into a new folder what describes the run.

    Raises:
      EnvironmentProblem: it cannot be written.
    """
    folder = root / run_id
    if folder.is_dir():
        return folder
    try:
        root.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=f".{run_id}-", dir=root))
        try:
            (new / "logs").mkdir()
            fill(new)
            new.chmod(folder_mode())
            new.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
        finally:
            shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise _unwritable(root, error) from error
    return folder


def folder_mode() -> int:
    """The mode of folders that this process makes; `mkdtemp` shuts out all others."""
    mask = os.umask(0)
    os.umask(mask)
    return 0o777 & ~mask


@contextlib.contextmanager
def only_run(root: Path, run_id: str | None = None) -> Iterator[None]:
    """Keeps another run of the same pipeline out of its artifacts and its metadata.

    Args:
      root: The pipeline's folder of runs.
      run_id: A run in which several processes take part: they are let in together.

    Raises:
      EnvironmentProblem: another run is under way.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        entered = _enter(root, run_id)
    except OSError as error:
        raise _unwritable(root, error) from error
    with entered:
        yield


def _enter(root: Path, run_id: str | None) -> contextlib.ExitStack:
    """Takes the lock of a pipeline; nobody else looks at it meanwhile."""
    with contextlib.ExitStack() as stack, FileLock(root / _GATE):
        lock = stack.enter_context((root / _LOCK).open("a+", encoding="utf-8"))
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            if run_id is None or lock.read() != run_id:
                raise _under_way(root) from error
            fcntl.flock(lock, fcntl.LOCK_SH)
            return stack.pop_all()
        lock.truncate(0)
        if run_id is not None:
            lock.write(run_id)
            lock.flush()
            fcntl.flock(lock, fcntl.LOCK_SH)
        return stack.pop_all()


def _under_way(root: Path) -> EnvironmentProblem:
    return EnvironmentProblem(
        "Another run of this pipeline is under way.",
        where=str(root),
        expected="one run at a time in a run folder",
        fix="wait for it to end, or give this run folders of its own: runs=FOLDER",
    )


@contextlib.contextmanager
def only_attempt(folder: Path, node: str) -> Iterator[None]:
    """Keeps a second attempt at the same node of a run out.

    Raises:
      EnvironmentProblem: another attempt is under way.
    """
    lock = FileLock(_attempt_lock(folder, node), timeout=_PATIENCE_S)
    try:
        (folder / NODES_FOLDER).mkdir(exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise EnvironmentProblem(
            f"Another attempt at {node} is under way in this run.",
            where=str(folder),
            fix="wait for it to end",
        ) from error
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        yield
    finally:
        lock.release()


def is_under_way(folder: Path, node: str) -> bool:
    """Whether a process attempts a node of a run."""
    lock = FileLock(_attempt_lock(folder, node), blocking=False)
    try:
        lock.acquire()
    except Timeout:
        return True
    lock.release()
    return False


def _attempt_lock(folder: Path, node: str) -> Path:
    return folder / NODES_FOLDER / f".{node}.lock"
