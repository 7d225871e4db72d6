"""Serving's two errors: one for who sends requests, one for who runs the server."""

from __future__ import annotations

_FIELDS = ("where", "expected", "received", "fix")


class ServingError(Exception):
    """A request that gets an error for an answer.

    Args:
      status: The HTTP status of the answer.
      message: What the body's `error` says; names the row and the input where there are any.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class ServingProblem(Exception):
    """Something that whoever runs the server has to put right.

    Args:
      what: One sentence: what is wrong.
      where: File and key, model or version.
      expected: What would have been right.
      received: What was found instead.
      fix: What to do next; a command where one helps.
    """

    def __init__(
        self,
        what: str,
        *,
        where: str = "",
        expected: str = "",
        received: str = "",
        fix: str = "",
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.expected = expected
        self.received = received
        self.fix = fix

    def __str__(self) -> str:
        told = [f"{name}: {getattr(self, name)}" for name in _FIELDS if getattr(self, name)]
        return "; ".join([self.what, *told])
