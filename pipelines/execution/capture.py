"""Keeps library noise out of the terminal: a component's output goes to its own file."""

from __future__ import annotations

import logging
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "1", "GRPC_VERBOSITY": "ERROR", "TF_USE_LEGACY_KERAS": "0"}


def quieten() -> None:
    """Has the libraries that this process imports from now on say less."""
    os.environ.update({key: value for key, value in _QUIET.items() if key not in os.environ})


def terminal() -> TextIO:
    """The terminal as it was, out of reach of `captured`; the caller closes it."""
    return os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1, encoding="utf-8")


def redirect(path: Path) -> None:
    """Sends standard output, standard error and all logging of this process to `path`.

    File descriptors are redirected, since TensorFlow's C++ writes to them directly.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    sys.stdout.flush()
    sys.stderr.flush()
    handler = logging.FileHandler(path, encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    with path.open("ab") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO)


@contextmanager
def captured(path: Path) -> Iterator[None]:
    """As `redirect`, for the block."""
    saved = [os.dup(1), os.dup(2)]
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    try:
        redirect(path)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for handler in (handler for handler in root.handlers if handler not in before):
            handler.close()
        root.handlers[:] = before
        root.setLevel(level)
        for target, descriptor in zip((1, 2), saved, strict=True):
            os.dup2(descriptor, target)
            os.close(descriptor)


def peak_memory_mib() -> float:
    """The most memory that this process, or one that it started and waited for, had."""
    groups = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return max(resource.getrusage(group).ru_maxrss for group in groups) / 1024
