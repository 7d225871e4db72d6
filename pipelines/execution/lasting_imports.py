"""Imports of what stays for the whole run, without the garbage collector's passes over it."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

from models.processes.garbage import collect_seldom


@contextlib.contextmanager
def lasting_imports() -> Iterator[None]:
    """Imports without garbage collection, and keeps what was imported out of later passes.

    These are fewer from then on, as graphs of TensorFlow stay, too.

    TFX and TensorFlow are a million objects that never become garbage: going over them again
    and again took a quarter of the time of their import, and went on in the process of each
    component.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()
        collect_seldom()
    finally:
        if enabled:
            gc.enable()
