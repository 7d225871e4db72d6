"""Turns between processes: what measures time does not run beside its like."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator


@contextlib.contextmanager
def one_at_a_time(folder: str | None) -> Iterator[None]:
    """Waits until no other process with the same folder is inside.

    Args:
      folder: A folder that all of them can read; None waits for nobody.
    """
    if folder is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
