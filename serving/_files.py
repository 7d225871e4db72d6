"""Writes files that others watch: all of the new content, or still the old."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from serving.errors import ServingProblem


def save(path: Path, text: str) -> None:
    """Replaces a file in one step.

    Raises:
      ServingProblem: it cannot be written.
    """
    try:
        write_atomically(path, text)
    except OSError as error:
        raise ServingProblem(
            f"{path.name} cannot be written.",
            where=str(path),
            expected="a folder that this user may write",
            received=str(error),
            fix="mend the permissions, or name another folder",
        ) from error


def write_atomically(path: Path, text: str) -> None:
    """Replaces a file in one step, through to the disk.

    Args:
      path: The file; its folder must be there.
      text: Its new content.
    """
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # mkstemp lets none but the owner read; a server may run as another user.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
