"""Garbage collection where what is dropped takes much memory."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def prompt_collection() -> Iterator[None]:
    """Looks at old objects as often as at others.

    The collector counts objects, not bytes: a few dropped cycles that hold all weights of a
    network are no reason for it to look. It is cheap where what was imported is left out, as in
    the processes that components start.
    """
    before = gc.get_threshold()
    gc.set_threshold(before[0], before[1], 1)
    try:
        yield
    finally:
        gc.set_threshold(*before)
