"""Files that others read while we write: they see all of the new content, or still the old."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from contracts.errors import EnvironmentProblem

_BLOCK = 4 << 20


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_json(path: Path) -> Any:
    """Reads one JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(path: Path, content: Any) -> None:
    """Replaces one JSON file in one step; its folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(content, indent=2) + "\n")


def save_text(path: Path, text: str) -> None:
    """Replaces a file that a user chose in one step.

    Raises:
      EnvironmentProblem: it cannot be written.
    """
    try:
        write_atomically(path, text)
    except OSError as error:
        raise EnvironmentProblem(
            f"{path.name} cannot be written.",
            where=str(path),
            expected="a folder that this user may write",
            received=str(error),
            fix="correct the permissions, or name another folder",
        ) from error


def write_atomically(path: Path, text: str, check: Callable[[Path], Any] | None = None) -> None:
    """Replaces a file in one step, through to the disk.

    Args:
      path: The file; its folder must be there.
      text: Its new content.
      check: Reads the new file before it takes the place of the old; raises to keep the old.
    """
    descriptor, temporary = tempfile.mkstemp(path.suffix, f".{path.stem}-", path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        if check is not None:
            check(Path(temporary))
        # mkstemp lets none but the owner read; a server may run as another user.
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
