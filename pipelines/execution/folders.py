"""Folders of runs: a new one for each, and a pipeline's own for one run at a time."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

from filelock import FileLock, Timeout

from contracts.errors import EnvironmentProblem


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


@contextlib.contextmanager
def only_run(root: Path) -> Iterator[None]:
    """Keeps a second run of the same pipeline out of its metadata store.

    Raises:
      EnvironmentProblem: another run is under way.
    """
    lock = FileLock(root / ".lock")
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=0)
    except Timeout as error:
        raise EnvironmentProblem(
            "Another run of this pipeline is under way.",
            where=str(root),
            expected="one run at a time in a run folder",
            fix="wait for it to end, or give this run folders of its own: runs=FOLDER",
        ) from error
    except OSError as error:
        raise _unwritable(root, error) from error
    try:
        yield
    finally:
        lock.release()
