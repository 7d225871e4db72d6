"""Temporary folders that do not pile up: what a killed process has left, a later one removes.

A lock on the folder says that somebody works in it. The kernel gives it back when the process
that made the folder, and all that were forked from it, have ended, however they ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

_PREFIX = "kelp-job-"
_PATTERN = f"{_PREFIX}????????"  # as `mkdtemp` makes it
_SURELY_LOCKED_S = 60.0  # a folder that has just been made may have no lock yet


class TemporaryFolder:
    """A folder that `close` removes, or a later one where this process is killed.

    Attributes:
      path: The folder. Short, since the path of a socket may have a hundred characters only.
    """

    def __init__(self) -> None:
        remove_abandoned(Path(tempfile.gettempdir()))
        self.path = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self._descriptor = os.open(self.path, os.O_RDONLY)
        _lock(self._descriptor)

    def close(self) -> None:
        """Removes the folder with all that is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._descriptor)


@contextlib.contextmanager
def temporary_files_apart() -> Iterator[None]:
    """Gives this process and those that it starts a temporary folder of their own, for the block.

    Libraries leave files behind, such as the byte code of functions that TensorFlow generates.
    """
    folder, before = TemporaryFolder(), (tempfile.tempdir, os.environ.get("TMPDIR"))
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder.path)
    try:
        yield
    finally:
        tempfile.tempdir = before[0]
        if before[1] is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before[1]
        folder.close()


def remove_abandoned(place: Path) -> None:
    """Removes this user's temporary folders whose processes have ended.

    Args:
      place: Where temporary folders are.
    """
    for folder in place.glob(_PATTERN):
        # Another process may remove it at the same time.
        with contextlib.suppress(FileNotFoundError):
            status = folder.stat(follow_symlinks=False)
            if status.st_uid == os.getuid() and time.time() - status.st_mtime > _SURELY_LOCKED_S:
                _remove_unlocked(folder)


def _remove_unlocked(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        if _lock(descriptor):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """False where another process has it, or where the file system has no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
