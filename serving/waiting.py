"""One request on its way through a predictor's queue."""

from __future__ import annotations

import asyncio
import time

from serving.codec.requests import Request
from serving.errors import ServingError
from serving.execution import Answer


class Item:
    """A request that waits for its answer.

    Attributes:
      request: What is asked.
      size: The bytes of its inputs.
      future: Its answer.
      started: When it came.
      deadline: When its answer is worth nothing any more; None is never.

    Args:
      request: What is asked.
      size: The bytes of its inputs.
      loop: The event loop.
      started: When it came.
      deadline_s: Seconds from then until its answer is worth nothing.
    """

    __slots__ = ("_timer", "deadline", "future", "request", "size", "started")

    def __init__(
        self,
        request: Request,
        size: int,
        loop: asyncio.AbstractEventLoop,
        started: float,
        deadline_s: float | None,
    ) -> None:
        self.request = request
        self.size = size
        self.future: asyncio.Future[Answer] = loop.create_future()
        self.started = started
        self.deadline = None if deadline_s is None else started + deadline_s
        self._timer: asyncio.TimerHandle | None = None

    def is_late(self, now: float) -> bool:
        """Whether its deadline has passed."""
        return self.deadline is not None and now > self.deadline

    def fail(self, error: ServingError) -> None:
        """Answers with an error, unless it is answered already."""
        if not self.future.done():
            self.future.set_exception(error)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sees to it that the deadline passes even while the model runs on its thread."""
        if self.deadline is not None and self._timer is None:
            self._timer = loop.call_later(self.deadline - time.monotonic(), self.fail, late())

    def unwatch(self) -> None:
        """Its deadline need not be watched any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def late() -> ServingError:
    """The error of a request whose deadline has passed."""
    return ServingError(504, "The deadline passed before the answer was there")
