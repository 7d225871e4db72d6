"""Keeps library noise out of the terminal: a component's output goes to its own file."""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_PAGE = os.sysconf("SC_PAGE_SIZE")
_INTERVAL_S = 0.05


def terminal() -> TextIO:
    """The terminal as it was, out of reach of `captured`; the caller closes it."""
    return os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")


@contextmanager
def captured(path: Path) -> Iterator[None]:
    """Sends standard output, standard error and all logging of the block to `path`.

    File descriptors are redirected, since TensorFlow's C++ writes to them directly.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    saved = [os.dup(1), os.dup(2)]
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        with path.open("ab") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        root.handlers[:] = [handler]
        root.setLevel(logging.INFO)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        root.handlers[:] = before
        root.setLevel(level)
        handler.close()
        for target, descriptor in zip((1, 2), saved, strict=True):
            os.dup2(descriptor, target)
            os.close(descriptor)


class PeakMemory:
    """Samples this process's resident memory while the block runs.

    Attributes:
      mib: The most memory seen, in MiB.
    """

    def __init__(self) -> None:
        self.mib = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="peak-memory", daemon=True)

    def __enter__(self) -> PeakMemory:
        self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._look()

    def _sample(self) -> None:
        while not self._stop.wait(_INTERVAL_S):
            self._look()

    def _look(self) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        self.mib = max(self.mib, pages * _PAGE / 2**20)
