"""One servable behind its queue: from a request's body to the answer's, on the event loop.

Requests that arrive in one turn of the loop are answered by one call of the model, without
ever waiting for more. Small calls run on the loop itself, because a change of threads takes
longer than they do; big ones and those of slow models run on a thread.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from serving.codec.requests import Decoder, Request
from serving.errors import ServingError
from serving.execution import Answer, execute
from serving.servable import LoggedRequest, Servable

_LOG = logging.getLogger(__name__)
_BIG_BODY = 64 * 1024  # reading more than this would hold up everyone else on the loop
_WEIGHT = 0.2  # of the last call in the moving average of their durations
_PATIENCE = 0.5  # of a call's duration, for which a crowd may bring nothing before it is served
_TRY = 8  # calls after which it is tried whether the crowd is larger than it seems


@dataclass(frozen=True)
class BatchLimits:
    """How much work one predictor takes on at once.

    Attributes:
      queue: Most requests waiting; one more is answered 429.
      rows: Most rows in one call of the model, except for one request that has more.
      request_rows: Most rows in one request; more are answered 400.
      inline_rows: A batch of more rows leaves the event loop for a worker thread.
      inline_s: So does any batch of a model that takes longer than this on average.
      depth: Deepest nesting of a body.
    """

    queue: int = 1024
    rows: int = 1024
    request_rows: int = 65_536
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
        self._limits = limits
        self._decoder = Decoder(servable.signatures, limits.request_rows, limits.depth)
        self._waiting: deque[_Item] = deque()
        self._running: Sequence[_Item] = ()
        self._open = 0
        self._turn_asked = False
        self._crowd = 1.0
        self._calls = 0
        self._seen = 0
        self._seen_at = 0.0
        self._average_s = 0.0
        self._idle: asyncio.Event | None = None
        self._thread: ThreadPoolExecutor | None = None

    @property
    def waiting(self) -> int:
        """How many requests wait for their turn."""
        return len(self._waiting)

    async def predict(self, body: bytes, deadline_s: float | None = None) -> bytes:
        """Answers the body of a `:predict` request with the body of its answer.

        Args:
          body: The request's JSON, inflated.
          deadline_s: Seconds from now until the answer is worth nothing.

        Raises:
          ServingError: if the request cannot be answered.
        """
        return await self._answer(body, self._decoder.decode, Answer.encode, "predict", deadline_s)

    async def classify(self, body: bytes, deadline_s: float | None = None) -> bytes:
        """Answers the body of a `:classify` request."""
        return await self._answer_examples("classify", body, deadline_s)

    async def regress(self, body: bytes, deadline_s: float | None = None) -> bytes:
        """Answers the body of a `:regress` request."""
        return await self._answer_examples("regress", body, deadline_s)

    async def drain(self) -> None:
        """Returns once no request is waiting or executing."""
        while self._open:
            if self._idle is None or self._idle.is_set():
                self._idle = asyncio.Event()
            await self._idle.wait()
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    async def call(
        self, request: Request, method: str, deadline_s: float | None = None
    ) -> Mapping[str, np.ndarray]:
        """Answers a request that is read already with the model's outputs.

        Args:
          request: What to answer.
          method: "predict", "classify" or "regress", for the request log.
          deadline_s: Seconds from now until the answer is worth nothing.

        Raises:
          ServingError: if the request cannot be answered.
        """
        loop = asyncio.get_running_loop()
        started = time.monotonic()
        self._enter()
        try:
            item = _Item(request, loop, started, deadline_s)
            answer = await self._queue(item, loop)
            self._finish(item, answer, method, time.monotonic() - started)
            return answer.outputs
        finally:
            self._leave()

    async def _answer_examples(
        self, method: Literal["classify", "regress"], body: bytes, deadline_s: float | None
    ) -> bytes:
        # Its messages import TensorFlow, which plain predictions may do without.
        from serving.codec import examples

        limits = self._limits

        def decode(body: bytes) -> Request:
            return examples.decode(
                method, body, self.servable.signatures, limits.request_rows, limits.depth
            )

        def encode(answer: Answer, request: Request) -> bytes:
            return examples.encode(method, request, answer.outputs)

        return await self._answer(body, decode, encode, method, deadline_s)

    async def _answer(
        self,
        body: bytes,
        decode: Callable[[bytes], Request],
        encode: Callable[[Answer, Request], bytes],
        method: str,
        deadline_s: float | None,
    ) -> bytes:
        loop = asyncio.get_running_loop()
        started = time.monotonic()
        self._enter()
        try:
            if len(body) > _BIG_BODY:
                request = await loop.run_in_executor(self._executor(), _decode_all, decode, body)
            else:
                request = decode(body)
            item = _Item(request, loop, started, deadline_s)
            answer = await self._queue(item, loop)
            if len(body) > _BIG_BODY or (request.rows or 0) > self._limits.inline_rows:
                text = await loop.run_in_executor(self._executor(), encode, answer, request)
            else:
                text = encode(answer, request)
            self._finish(item, answer, method, time.monotonic() - started)
            return text
        finally:
            self._leave()

    def _enter(self) -> None:
        if self._open >= self._limits.queue + len(self._running):
            raise ServingError(
                429, f"The queue of {self.name} is full: {self._limits.queue} requests wait"
            )
        self._open += 1

    def _leave(self) -> None:
        self._open -= 1
        if not self._open and self._idle is not None:
            self._idle.set()

    def _finish(self, item: _Item, answer: Answer, method: str, seconds: float) -> None:
        if item.is_late(item.started + seconds):
            raise _late()
        if self.on_request is not None:
            self._tell(self.on_request, item.request, answer, method, seconds)

    async def _queue(self, item: _Item, loop: asyncio.AbstractEventLoop) -> Answer:
        self._waiting.append(item)
        if self._running:
            item.watch(loop)
        else:
            self._ask_turn(loop)
        try:
            return await item.future
        finally:
            item.unwatch()

    def _ask_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._turn_asked:
            self._turn_asked = True
            loop.call_soon(self._take_turn, loop)

    def _take_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answers what has arrived: on the loop, or on the thread that asks the next turn."""
        self._turn_asked = False
        if self._running:
            return
        if self._expects_more(time.monotonic()):
            self._ask_turn(loop)
            return
        batch = self._next_batch(time.monotonic())
        if not batch:
            return
        rows = sum(item.request.rows or 1 for item in batch)
        if rows <= self._limits.inline_rows and self._average_s <= self._limits.inline_s:
            self._settle(self._execute(batch))
        else:
            self._running = batch
            for item in (*batch, *self._waiting):
                item.watch(loop)
            future = loop.run_in_executor(self._executor(), self._execute, batch)
            future.add_done_callback(lambda done: self._back(done, loop))
        if self._waiting and not self._running:
            self._ask_turn(loop)

    def _expects_more(self, now: float) -> bool:
        """Whether to look at the sockets once more, because lately more came together.

        Their clients have their answers and are about to ask again: looking for a part of
        a call's duration saves whole calls. Now and then it is tried whether there are more
        of them than lately came together. Who comes alone is never kept; where no crowd
        comes any more, the habit fades within some twenty calls.
        """
        count = len(self._waiting)
        if count > self._seen:
            self._seen, self._seen_at = count, now
        wanted = self._crowd - 1 if self._calls % _TRY else math.inf
        if (
            self._crowd >= 2
            and count < wanted
            and now - self._seen_at < _PATIENCE * self._average_s
        ):
            return True
        self._crowd = max(count, 0.9 * self._crowd)
        self._calls += 1
        self._seen = 0
        return False

    def _back(
        self,
        done: asyncio.Future[list[tuple[_Item, Answer | Exception]]],
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._running = ()
        if not done.cancelled():
            self._settle(done.result())
        if self._waiting:
            self._ask_turn(loop)

    def _next_batch(self, now: float) -> list[_Item]:
        """The longest run of waiting requests that one call can answer."""
        batch: list[_Item] = []
        rows = 0
        while self._waiting:
            item = self._waiting[0]
            if item.future.done() or item.is_late(now):
                self._waiting.popleft().fail(_late())
                continue
            size = item.request.rows or 1
            if batch and (
                rows + size > self._limits.rows or not batch[0].request.goes_with(item.request)
            ):
                break
            batch.append(self._waiting.popleft())
            rows += size
        return batch

    def _execute(self, batch: list[_Item]) -> list[tuple[_Item, Answer | Exception]]:
        began = time.monotonic()
        answers = execute(self.servable, [item.request for item in batch])
        self._average_s += _WEIGHT * (time.monotonic() - began - self._average_s)
        return list(zip(batch, answers, strict=True))

    def _settle(self, answers: Sequence[tuple[_Item, Answer | Exception]]) -> None:
        for item, answer in answers:
            if isinstance(answer, ServingError):
                item.fail(answer)
            elif isinstance(answer, Exception):
                _LOG.error("%s version %d failed", self.name, self.version, exc_info=answer)
                item.fail(ServingError(500, f"The model failed: {type(answer).__name__}"))
            elif not item.future.done():
                item.future.set_result(answer)

    def _tell(
        self,
        tell: Callable[[LoggedRequest], None],
        request: Request,
        answer: Answer,
        method: str,
        seconds: float,
    ) -> None:
        name = request.signature.name
        try:
            tell(
                LoggedRequest(
                    self.name, self.version, name, request.inputs, answer.outputs, method, seconds
                )
            )
        except Exception:  # noqa: BLE001 - an answered request must not fail for its record
            _LOG.exception("The request log failed; the request itself is answered")

    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"kelp-{self.name}")
        return self._thread


class _Item:
    """One request on its way through the queue."""

    __slots__ = ("_timer", "deadline", "future", "request", "started")

    def __init__(
        self,
        request: Request,
        loop: asyncio.AbstractEventLoop,
        started: float,
        deadline_s: float | None,
    ) -> None:
        self.request = request
        self.future: asyncio.Future[Answer] = loop.create_future()
        self.started = started
        self.deadline = None if deadline_s is None else started + deadline_s
        self._timer: asyncio.TimerHandle | None = None

    def is_late(self, now: float) -> bool:
        return self.deadline is not None and now > self.deadline

    def fail(self, error: ServingError) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sees to it that the deadline passes even while the model runs on its thread."""
        if self.deadline is not None and self._timer is None:
            self._timer = loop.call_later(self.deadline - time.monotonic(), self.fail, _late())

    def unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _decode_all(decode: Callable[[bytes], Request], body: bytes) -> Request:
    request = decode(body)
    _ = request.inputs  # here, and not later on the loop
    return request


def _late() -> ServingError:
    return ServingError(504, "The deadline passed before the answer was there")
