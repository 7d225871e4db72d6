"""When the garbage collector looks: seldom at graphs that stay, often at what takes much memory."""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

# Objects more than there were, before the collector looks: at new ones, older ones, old ones.
_THRESHOLDS = (5_000, 10, 10)
_PROMPT = (700, 10, 1)


def collect_seldom() -> None:
    """Has this process and those that it forks look for garbage less often than Python does.

    TensorFlow's graphs are many objects that stay: going over them again and again took a
    twelfth of the time in which networks are traced, saved and loaded.
    """
    gc.set_threshold(*_THRESHOLDS)


@contextlib.contextmanager
def prompt_collection() -> Iterator[None]:
    """Looks at old objects as often as at others.

    The collector counts objects, not bytes: a few dropped cycles that hold all weights of a
    network are no reason for it to look. It is cheap where what was imported is left out, as in
    the processes that components start.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_PROMPT)
    try:
        yield
    finally:
        gc.set_threshold(*before)
