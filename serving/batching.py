"""One servable behind its queue: from a request's body to the answer's, on the event loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from serving.servable import LoggedRequest, Servable


@dataclass(frozen=True)
class BatchLimits:
    """How much work one predictor takes on at once.

    Attributes:
      queue: Most requests waiting; one more is answered 429.
      rows: Most rows in one call of the model.
      request_rows: Most rows in one request; more are answered 400.
      inline_rows: A batch of more rows leaves the event loop for a worker thread.
      inline_s: So does any batch of a model that takes longer than this on average.
      depth: Deepest nesting of a body.
    """

    queue: int = 1024
    rows: int = 1024
    request_rows: int = 100_000
    inline_rows: int = 64
    inline_s: float = 0.005
    depth: int = 64


class Predictor:
    """Answers requests with one servable.

    Attributes:
      name: The model's name.
      version: The version that it serves.
      servable: What executes.
      on_request: Called with each answered request, on the event loop; must return at once.

    Args:
      name: The model's name.
      version: The version that it serves.
      servable: What executes.
      limits: How much to take on at once.
    """

    on_request: Callable[[LoggedRequest], None] | None

    def __init__(self, name: str, version: int, servable: Servable, limits: BatchLimits) -> None:
        self.name = name
        self.version = version
        self.servable = servable
        self.on_request = None

    async def predict(self, body: bytes, deadline_s: float | None = None) -> bytes:
        """Answers the body of a `:predict` request with the body of its answer.

        Args:
          body: The request's JSON, inflated.
          deadline_s: Seconds from now until the answer is worth nothing.

        Raises:
          ServingError: if the request cannot be answered.
        """
        raise NotImplementedError

    async def classify(self, body: bytes, deadline_s: float | None = None) -> bytes:
        """Answers the body of a `:classify` request."""
        raise NotImplementedError

    async def regress(self, body: bytes, deadline_s: float | None = None) -> bytes:
        """Answers the body of a `:regress` request."""
        raise NotImplementedError

    async def drain(self) -> None:
        """Returns once no request is waiting or executing."""
        raise NotImplementedError
