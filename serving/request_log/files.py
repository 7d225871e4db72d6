"""The files of the log: one open for each model, closed ones under their final names."""

from __future__ import annotations

import fcntl
import os
import time
import urllib.parse
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from contracts.tfrecord import whole_bytes

SUFFIX = ".tfrecord"
_OPEN = ".open"


@dataclass
class _File:
    stream: BinaryIO
    path: Path
    began_s: float
    bytes: int = 0


class LogFiles:
    """Files that grow under a hidden name and are renamed when they are closed.

    Args:
      folder: A folder in it has the files of each model.
      max_bytes: A file of this size is closed.
      max_age_s: So is one of this age.
      clock: Seconds since 1970.
    """

    def __init__(
        self, folder: Path, max_bytes: int, max_age_s: float, clock: Callable[[], float]
    ) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._max_age_s = max_age_s
        self._clock = clock
        self._files: dict[str, _File] = {}
        folder.mkdir(parents=True, exist_ok=True)
        # What a process that ended without a word had written is saved.
        for path in _orphans(folder):
            _finish(path)

    def write(self, model: str, record: bytes) -> None:
        """Appends a framed record to the file of a model, all of it or nothing.

        Raises:
          OSError: it cannot be written.
        """
        file = self._files.get(model)
        if file is not None and self._is_full(file, len(record)):
            self._close(model)
            file = None
        if file is None:
            file = self._files[model] = self._open(model)
        try:
            if file.stream.write(record) != len(record):
                raise OSError(f"{file.path} takes no more")
        except OSError:
            # A part of it may be there: what follows must not stand behind half a record.
            del self._files[model]
            file.stream.close()
            _finish(file.path)
            raise
        file.bytes += len(record)

    def tend(self, *, end: bool = False) -> None:
        """Closes the files whose time has come, or all of them."""
        for model, file in list(self._files.items()):
            if end or self._clock() - file.began_s >= self._max_age_s:
                self._close(model)

    def _is_full(self, file: _File, more: int) -> bool:
        if self._clock() - file.began_s >= self._max_age_s:
            return True
        return file.bytes > 0 and file.bytes + more > self._max_bytes

    def _open(self, model: str) -> _File:
        folder = self._folder / _folder_name(model)
        folder.mkdir(parents=True, exist_ok=True)
        now = self._clock()
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
        path = folder / f".{stamp}-{uuid.uuid4().hex[:12]}{SUFFIX}{_OPEN}"
        new = path.with_suffix(".new")
        # Without a buffer: what was counted as written outlives the process.
        stream = new.open("xb", buffering=0)
        # Says to others that somebody still writes here, before they can see the file.
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        new.rename(path)
        return _File(stream, path, now)

    def _close(self, model: str) -> None:
        file = self._files.pop(model)
        os.fsync(file.stream.fileno())
        file.path.rename(_final(file.path))
        file.stream.close()


def log_files(folder: Path, model: str) -> list[Path]:
    """The closed files of a model, oldest first."""
    return sorted((folder / _folder_name(model)).glob(f"[!.]*{SUFFIX}"))


def _folder_name(model: str) -> str:
    """The model's name as one harmless part of a path."""
    name = urllib.parse.quote(model, safe="")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def _final(path: Path) -> Path:
    return path.with_name(path.name.removeprefix(".").removesuffix(_OPEN))


def _orphans(folder: Path) -> Iterator[Path]:
    for path in folder.glob(f"*/.*{SUFFIX}{_OPEN}"):
        try:
            with path.open("rb") as stream:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, FileNotFoundError):
            # Another process writes it, or has just closed it.
            continue
        yield path


def _finish(path: Path) -> None:
    """Cuts a file behind its last whole record and gives it its final name."""
    whole = whole_bytes(path)
    if not whole:
        path.unlink(missing_ok=True)
        return
    os.truncate(path, whole)
    path.rename(_final(path))
