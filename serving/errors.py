"""What a client gets for an answer when its request is refused."""

from __future__ import annotations

from contracts.errors import KelpError


class ServingError(KelpError):
    """A request that gets an error for an answer.

    Args:
      status: The HTTP status of the answer.
      message: What the body's `error` says; names the row and the input where there are any.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    def __str__(self) -> str:
        return self.message
