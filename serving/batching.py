"""One servable behind its queue: from a request's body to the answer's, on the event loop.

Requests that arrive in one turn of the loop are answered by one call of the model, without
ever waiting for more. Small calls that were measured run on the loop itself, because a change
of threads takes longer than they do; all others run on a thread.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

import numpy as np

from contracts.prediction_log import LoggedRequest
from serving.codec.requests import Decoder, Request
from serving.errors import ServingError
from serving.execution import Answer, execute
from serving.pace import MOST_BYTES, Pace, shape_of, size_of
from serving.servable import Servable
from serving.waiting import Item, late

_LOG = logging.getLogger(__name__)
_T = TypeVar("_T")
_BIG_BODY = MOST_BYTES  # reading more than this would hold up everyone else on the loop
_EXAMPLES = "serving.codec.examples"
_PATIENCE = 0.5  # of a call's duration, for which a burst may bring nothing before it is served
_TRY = 8  # calls after which it is tried whether the burst is larger than it seems


@dataclass(frozen=True)
class BatchLimits:
    """How much work one predictor takes on at once.

    Attributes:
      queue: Most requests waiting; one more is answered 503.
      rows: Most rows in one call of the model, except for one request that has more.
      request_rows: Most rows in one request; more are answered 400.
      inline_rows: A batch of more rows leaves the event loop for a worker thread.
      inline_s: So does one that is not known to take less than this.
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
        self._waiting: deque[Item] = deque()
        self._running: Sequence[Item] = ()
        self._open = 0
        self._turn_asked = False
        self._crowd = 1.0
        self._calls = 0
        self._seen = 0
        self._seen_at = 0.0
        self._pace = Pace(steady=servable.steady, rows=limits.inline_rows, most_s=limits.inline_s)
        self._idle: asyncio.Event | None = None
        self._threads: dict[str, ThreadPoolExecutor] = {}

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
        for thread in self._threads.values():
            thread.shutdown(wait=False)
        self._threads = {}

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
            item = Item(request, size_of(request), loop, started, deadline_s)
            answer = await self._queue(item, loop)
            self._finish(item, answer, method, time.monotonic() - started)
            return answer.outputs
        finally:
            self._leave()

    async def _answer_examples(
        self, method: Literal["classify", "regress"], body: bytes, deadline_s: float | None
    ) -> bytes:
        # Its messages import TensorFlow, which plain predictions may do without, and which
        # takes seconds where nothing has imported it yet.
        examples: Any = sys.modules.get(_EXAMPLES) or await asyncio.to_thread(
            importlib.import_module, _EXAMPLES
        )
        limits = self._limits

        def decode(body: bytes) -> Request:
            request: Request = examples.decode(
                method, body, self.servable.signatures, limits.request_rows, limits.depth
            )
            return request

        def encode(answer: Answer, request: Request) -> bytes:
            text: bytes = examples.encode(method, request, answer.outputs)
            return text

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
                request = await self._in_time(started, deadline_s, _decode_all, decode, body)
            else:
                request = decode(body)
            item = Item(request, len(body), loop, started, deadline_s)
            answer = await self._queue(item, loop)
            if len(body) > _BIG_BODY or (request.rows or 0) > self._limits.inline_rows:
                text = await self._in_time(started, deadline_s, encode, answer, request)
            else:
                text = encode(answer, request)
            self._finish(item, answer, method, time.monotonic() - started)
            return text
        finally:
            self._leave()

    async def _in_time(
        self, started: float, deadline_s: float | None, work: Callable[..., _T], *given: Any
    ) -> _T:
        """Reads or writes a body beside the loop, and beside the model's thread."""
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._executor("codec"), work, *given)
        if deadline_s is None:
            return await done
        try:
            return await asyncio.wait_for(done, started + deadline_s - time.monotonic())
        except asyncio.TimeoutError:
            raise late() from None

    def _enter(self) -> None:
        if self._open >= self._limits.queue + len(self._running):
            raise ServingError(
                503, f"The queue of {self.name} is full: {self._limits.queue} requests wait"
            )
        self._open += 1

    def _leave(self) -> None:
        self._open -= 1
        if not self._open and self._idle is not None:
            self._idle.set()

    def _finish(self, item: Item, answer: Answer, method: str, seconds: float) -> None:
        if item.is_late(item.started + seconds):
            raise late()
        if self.on_request is not None:
            self._tell(self.on_request, item.request, answer, method, seconds)

    async def _queue(self, item: Item, loop: asyncio.AbstractEventLoop) -> Answer:
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
        size = sum(item.size for item in batch)
        shape = shape_of([item.request for item in batch], rows, size)
        if self._pace.is_quick(batch[0].request.signature.name, shape, rows, size):
            answers, seconds = self._execute(batch)
            self._pace.note(shape, seconds, on_loop=True)
            self._settle(answers)
        else:
            self._running = batch
            for item in (*batch, *self._waiting):
                item.watch(loop)
            future = loop.run_in_executor(self._executor("model"), self._execute, batch)
            future.add_done_callback(lambda done: self._back(done, shape, loop))
        if self._waiting and not self._running:
            self._ask_turn(loop)

    def _expects_more(self, now: float) -> bool:
        """Whether to look at the sockets once more, because lately more came together.

        Their clients have their answers and are about to ask again: looking for a part of
        a call's duration saves whole calls. Now and then it is tried whether there are more
        of them than lately came together. Who comes alone is never kept; where no burst
        comes any more, the habit fades within some twenty calls.
        """
        count = len(self._waiting)
        if count > self._seen:
            self._seen, self._seen_at = count, now
        wanted = self._crowd - 1 if self._calls % _TRY else math.inf
        if (
            self._crowd >= 2
            and count < wanted
            and now - self._seen_at < _PATIENCE * self._pace.average_s
        ):
            return True
        self._crowd = max(count, 0.9 * self._crowd)
        self._calls += 1
        self._seen = 0
        return False

    def _back(
        self,
        done: asyncio.Future[tuple[_Answers, float]],
        shape: Hashable,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._running = ()
        if not done.cancelled():
            answers, seconds = done.result()
            self._pace.note(shape, seconds, on_loop=False)
            self._settle(answers)
        if self._waiting:
            self._ask_turn(loop)

    def _next_batch(self, now: float) -> list[Item]:
        """The longest run of waiting requests that one call can answer."""
        batch: list[Item] = []
        rows = 0
        while self._waiting:
            item = self._waiting[0]
            if item.future.done() or item.is_late(now):
                self._waiting.popleft().fail(late())
                continue
            size = item.request.rows or 1
            if batch and (
                rows + size > self._limits.rows or not batch[0].request.goes_with(item.request)
            ):
                break
            batch.append(self._waiting.popleft())
            rows += size
        return batch

    def _execute(self, batch: list[Item]) -> tuple[_Answers, float]:
        began = time.monotonic()
        answers = execute(self.servable, [item.request for item in batch])
        return list(zip(batch, answers, strict=True)), time.monotonic() - began

    def _settle(self, answers: _Answers) -> None:
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

    def _executor(self, kind: str) -> ThreadPoolExecutor:
        """The model's own thread, or the one that reads and writes large bodies."""
        thread = self._threads.get(kind)
        if thread is None:
            name = f"kelp-{kind}-{self.name}"
            thread = self._threads[kind] = ThreadPoolExecutor(1, thread_name_prefix=name)
        return thread


_Answers = list[tuple[Item, Answer | Exception]]


def _decode_all(decode: Callable[[bytes], Request], body: bytes) -> Request:
    request = decode(body)
    _ = request.inputs  # here, and not later on the loop
    return request
