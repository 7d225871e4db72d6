"""Ctrl-C and SIGTERM: the first ends a run in order, the second at once."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

INTERRUPTED = 130
_TERMINATED = 143
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interruption:
    """Remembers that the run was interrupted.

    The signal raises KeyboardInterrupt. Where that is lost, such as in a `__del__` method or
    in a bare `except` of a library, `check` raises it again.

    Attributes:
      kill: What a second signal does before it ends this process.
    """

    def __init__(self) -> None:
        self.kill: Callable[[], None] = lambda: None
        self._requested = False

    def check(self) -> None:
        """Raises KeyboardInterrupt where a signal has come."""
        if self._requested:
            raise KeyboardInterrupt

    def _receive(self, *_: object) -> None:
        if self._requested:
            self.kill()
            os._exit(INTERRUPTED)
        self._requested = True
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[Interruption]:
    """Handles Ctrl-C and SIGTERM during the block."""
    interruption = Interruption()
    before = {number: signal.signal(number, interruption._receive) for number in _SIGNALS}
    try:
        yield interruption
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_on_sigterm() -> None:
    """Has SIGTERM end this program as `sys.exit` does, so that files are removed; a second at once.

    By default the kernel ends it, with temporary files and half of an output left behind.
    """

    def leave(*_: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        sys.exit(_TERMINATED)

    signal.signal(signal.SIGTERM, leave)
