"""One servable behind its queue: from a request's body to the answer's, on the event loop.

Requests that arrive in one turn of the loop are answered by one call of the model, without
ever waiting for more. Small calls run on the loop itself, because a change of threads takes
longer than they do; big ones and those of slow models run on a thread.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from serving.codec.answers import encode_columns, encode_rows
from serving.codec.layout import Columns, join
from serving.codec.requests import Decoder, Request
from serving.codec.signature import Signature
from serving.errors import ServingError
from serving.servable import LoggedRequest, Servable

_LOG = logging.getLogger(__name__)
_BIG_BODY = 64 * 1024  # reading more than this would hold up everyone else on the loop
_WEIGHT = 0.2  # of the last call in the moving average of their durations

Outputs = Mapping[str, np.ndarray]


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
        self._mergeable = {
            name: _is_mergeable(signature) for name, signature in servable.signatures.items()
        }
        self._waiting: deque[_Item] = deque()
        self._running: Sequence[_Item] = ()
        self._open = 0
        self._turn_asked = False
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
        return await self._answer(body, self._decoder.decode, _encode, "predict", deadline_s)

    async def classify(self, body: bytes, deadline_s: float | None = None) -> bytes:
        """Answers the body of a `:classify` request."""
        from serving.codec import examples

        limits = self._limits

        def decode(body: bytes) -> Request:
            return examples.decode_classify(
                body, self.servable.signatures, limits.request_rows, limits.depth
            )

        return await self._answer(body, decode, examples.encode_classify, "classify", deadline_s)

    async def regress(self, body: bytes, deadline_s: float | None = None) -> bytes:
        """Answers the body of a `:regress` request."""
        from serving.codec import examples

        limits = self._limits

        def decode(body: bytes) -> Request:
            return examples.decode_regress(
                body, self.servable.signatures, limits.request_rows, limits.depth
            )

        return await self._answer(body, decode, examples.encode_regress, "regress", deadline_s)

    async def drain(self) -> None:
        """Returns once no request is waiting or executing."""
        while self._open:
            if self._idle is None or self._idle.is_set():
                self._idle = asyncio.Event()
            await self._idle.wait()
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None

    async def _answer(
        self,
        body: bytes,
        decode: Callable[[bytes], Request],
        encode: Callable[[Request, Outputs], bytes],
        method: str,
        deadline_s: float | None,
    ) -> bytes:
        loop = asyncio.get_running_loop()
        started = loop.time()
        self._open += 1
        try:
            if self._open > self._limits.queue + len(self._running):
                raise ServingError(
                    429,
                    f"The queue of {self.name} is full: {self._limits.queue} requests wait",
                )
            big = len(body) > _BIG_BODY
            request = (
                await loop.run_in_executor(self._executor(), decode, body) if big else decode(body)
            )
            item = _Item(request, loop.create_future(), deadline_s and started + deadline_s)
            outputs = await self._queue(item, loop)
            answer = (
                await loop.run_in_executor(self._executor(), encode, request, outputs)
                if big
                else encode(request, outputs)
            )
            if item.is_late(loop.time()):
                raise _late()
            self._tell(request, outputs, method, loop.time() - started)
            return answer
        finally:
            self._open -= 1
            if not self._open and self._idle is not None:
                self._idle.set()

    async def _queue(self, item: _Item, loop: asyncio.AbstractEventLoop) -> Outputs:
        self._waiting.append(item)
        if self._running:
            item.watch(loop)
        else:
            self._ask_turn(loop)
        try:
            outputs: Outputs = await item.future
            return outputs
        finally:
            item.unwatch()

    def _ask_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        if not self._turn_asked:
            self._turn_asked = True
            loop.call_soon(self._take_turn, loop)

    def _take_turn(self, loop: asyncio.AbstractEventLoop) -> None:
        """Answers what has arrived: on the loop, or on the thread that asks the next turn."""
        self._turn_asked = False
        batch = self._next_batch(loop.time())
        if not batch:
            return
        rows = sum(item.request.rows or 1 for item in batch)
        if rows <= self._limits.inline_rows and self._average_s <= self._limits.inline_s:
            self._settle(self._execute(batch, loop))
        else:
            self._running = batch
            for item in (*batch, *self._waiting):
                item.watch(loop)
            future = loop.run_in_executor(self._executor(), self._execute, batch, loop)
            future.add_done_callback(lambda done: self._back(done, loop))
        if self._waiting and not self._running:
            self._ask_turn(loop)

    def _back(
        self,
        done: asyncio.Future[list[tuple[_Item, Outputs | Exception]]],
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
            if batch and (rows + size > self._limits.rows or not self._go_together(batch[0], item)):
                break
            batch.append(self._waiting.popleft())
            rows += size
        return batch

    def _go_together(self, one: _Item, other: _Item) -> bool:
        first, second = one.request, other.request
        if first.signature is not second.signature or not self._mergeable[first.signature.name]:
            return False
        if not isinstance(first.inputs, Columns) or not isinstance(second.inputs, Columns):
            return False
        return all(
            array.shape[1:] == second.inputs.others[name].shape[1:]
            for name, array in first.inputs.others.items()
        )

    def _execute(
        self, batch: list[_Item], loop: asyncio.AbstractEventLoop
    ) -> list[tuple[_Item, Outputs | Exception]]:
        """Runs a batch as one; if that fails, each request alone, so that one harms no other."""
        began = loop.time()
        try:
            answers: list[Outputs | Exception] = list(self._run([item.request for item in batch]))
        except Exception as error:  # noqa: BLE001 - told to each request, none may be left waiting
            answers = [error] if len(batch) == 1 else [self._alone(item) for item in batch]
        took = loop.time() - began
        self._average_s += _WEIGHT * (took - self._average_s)
        return list(zip(batch, answers, strict=True))

    def _alone(self, item: _Item) -> Outputs | Exception:
        try:
            return self._run([item.request])[0]
        except Exception as error:  # noqa: BLE001 - told to the request
            return error

    def _run(self, requests: Sequence[Request]) -> list[Outputs]:
        name = requests[0].signature.name
        if len(requests) == 1:
            return [self.servable.run(name, requests[0].inputs)]
        inputs = join([each.inputs for each in requests if isinstance(each.inputs, Columns)])
        outputs = self.servable.run(name, inputs)
        sizes = [each.rows or 0 for each in requests]
        if any(len(array) != sum(sizes) for array in outputs.values()):
            raise ServingError(500, "The model did not give one row of output for each of input")
        ends = np.cumsum(sizes)
        return [
            {key: array[end - size : end] for key, array in outputs.items()}
            for size, end in zip(sizes, ends, strict=True)
        ]

    def _settle(self, answers: Sequence[tuple[_Item, Outputs | Exception]]) -> None:
        for item, answer in answers:
            if isinstance(answer, ServingError):
                item.fail(answer)
            elif isinstance(answer, Exception):
                _LOG.error("%s version %d failed", self.name, self.version, exc_info=answer)
                item.fail(ServingError(500, f"The model failed: {type(answer).__name__}"))
            elif not item.future.done():
                item.future.set_result(answer)

    def _tell(self, request: Request, outputs: Outputs, method: str, seconds: float) -> None:
        if self.on_request is None:
            return
        try:
            self.on_request(
                LoggedRequest(
                    self.name,
                    self.version,
                    request.signature.name,
                    request.inputs,
                    outputs,
                    method,
                    seconds,
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

    __slots__ = ("_timer", "deadline", "future", "request")

    def __init__(
        self, request: Request, future: asyncio.Future[Any], deadline: float | None
    ) -> None:
        self.request = request
        self.future = future
        self.deadline = deadline
        self._timer: asyncio.TimerHandle | None = None

    def is_late(self, now: float) -> bool:
        return self.deadline is not None and now > self.deadline

    def fail(self, error: ServingError) -> None:
        if not self.future.done():
            self.future.set_exception(error)

    def watch(self, loop: asyncio.AbstractEventLoop) -> None:
        """Sees to it that the deadline passes even while the model runs on its thread."""
        if self.deadline is not None and self._timer is None:
            self._timer = loop.call_at(self.deadline, self.fail, _late())

    def unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def _encode(request: Request, outputs: Outputs) -> bytes:
    return encode_rows(outputs) if request.by_row else encode_columns(outputs)


def _is_mergeable(signature: Signature) -> bool:
    """Whether the rows of several requests may stand in one call."""
    ports = [*signature.inputs.values(), *signature.outputs.values()]
    return all(port.shape is not None and port.shape[:1] == (None,) for port in ports)


def _late() -> ServingError:
    return ServingError(504, "The deadline passed before the answer was there")
