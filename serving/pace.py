"""Which calls of a model may run on the event loop: those whose time is known beforehand."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Sequence

import numpy as np

from serving.codec.requests import Request

MOST_BYTES = 64 * 1024  # of inputs on the loop, and of a body that is read there
_MOST_TEXTS = 4096
_WEIGHT = 0.2  # of the last call in the moving average of their durations
_TRIALS = 2
_MOST_TRIALS = 256
_MOST_SHAPES = 512
_FORGIVEN_AFTER = 1000


class Pace:
    """How long the calls of one model take, by the shape of what they are given.

    A call may run on the loop where calls of its shape were measured on the thread, and where
    nothing but the shape decides how long it takes. One that takes longer on the loop than it
    may sends the model back to the thread, and each shape is measured anew, more often.

    Attributes:
      average_s: The moving average of the last calls' durations.

    Args:
      steady: The signatures of which the shapes of the inputs alone decide how long a call takes.
      rows: Most rows of a call on the loop.
      most_s: The longest that a call on the loop may take.
    """

    def __init__(self, *, steady: Collection[str], rows: int, most_s: float) -> None:
        self.average_s = 0.0
        self._steady = steady
        self._rows = rows
        self._most_s = most_s
        self._trials = _TRIALS
        self._quick = 0
        self._known: dict[Hashable, tuple[int, float]] = {}

    def is_quick(self, signature: str, shape: Hashable, rows: int, size: int) -> bool:
        """Whether a call may run on the loop.

        Args:
          signature: What is called.
          shape: What `shape_of` gives.
          rows: Its rows.
          size: The bytes of its inputs.
        """
        if signature not in self._steady or rows > self._rows or size > MOST_BYTES:
            return False
        count, shortest_s = self._known.get(shape, (0, 0.0))
        return count >= self._trials and shortest_s <= self._most_s

    def note(self, shape: Hashable, seconds: float, *, on_loop: bool) -> None:
        """Takes note of a call's duration."""
        self.average_s += _WEIGHT * (seconds - self.average_s)
        if on_loop:
            self._note_on_loop(seconds)
            return
        # The shortest is what the model takes: the longer ones waited for other threads.
        count, shortest_s = self._known.get(shape, (0, seconds))
        if count or len(self._known) < _MOST_SHAPES:
            self._known[shape] = (count + 1, min(shortest_s, seconds))

    def _note_on_loop(self, seconds: float) -> None:
        if seconds > self._most_s:
            self._known.clear()
            self._trials = min(2 * self._trials, _MOST_TRIALS)
            self._quick = 0
            return
        self._quick += 1
        if self._quick >= _FORGIVEN_AFTER:
            self._trials = _TRIALS


def shape_of(requests: Sequence[Request], rows: int, size: int) -> Hashable:
    """What decides how long a steady model takes for requests that are answered together.

    Rows and bytes count by powers of two: a shape for every number would never be known.
    """
    first = requests[0]
    return first.signature.name, first.inner_shapes, rows.bit_length(), size.bit_length()


def size_of(request: Request) -> int:
    """The bytes of a request's inputs; of very many texts only that they are many."""
    size = 0
    for array in request.inputs.values():
        if array.dtype != np.dtype(object):
            size += array.nbytes
        elif array.size > _MOST_TEXTS:
            return MOST_BYTES + 1
        else:
            size += sum(map(len, array.flat))
    return size
