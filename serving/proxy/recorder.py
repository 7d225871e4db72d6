"""Reads the JSON that passes through the proxy back into columns, for the request log."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from contracts.errors import EnvironmentProblem
from contracts.prediction_log import LoggedRequest
from serving._columns import loads, read_outputs
from serving.codec.requests import Decoder
from serving.codec.signature import Signature
from serving.config import LimitsSpec
from serving.errors import ServingError
from serving.metadata import signatures_of
from serving.proxy.upstream import Upstream
from serving.request_log.log import RequestLog

_LOGGER = logging.getLogger(__name__)
# What the server has may change: a version may come, a label move.
_KNOWN_S = 5.0
_MOST_WAITING = 64
_MOST_KNOWN = 256


@dataclass(frozen=True)
class Exchange:
    """A request that was answered.

    Attributes:
      name: The model.
      target: Its part of the path, with version or label: `/v1/models/m/labels/stable`.
      body: The request's body.
      answer: The answer's body.
      duration_s: How long the answer took.
    """

    name: str
    target: str
    body: bytes
    answer: bytes
    duration_s: float


@dataclass(frozen=True)
class _Known:
    version: int
    decoder: Decoder
    until_s: float


class Recorder:
    """Hands a sample of the exchanges to a log, after they are answered.

    Args:
      log: The log.
      upstream: Where metadata come from.
      limits: Within which bodies are read.
    """

    def __init__(self, log: RequestLog, upstream: Upstream, limits: LimitsSpec) -> None:
        self.log = log
        self._upstream = upstream
        self._limits = limits
        self._known: dict[str, _Known] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def record(self, exchange: Exchange) -> None:
        """Takes note of an exchange; returns at once."""
        if not self.log.wants():
            return
        if len(self._tasks) >= _MOST_WAITING:
            self.log.give_up(dropped=True)
            return
        task = asyncio.create_task(self._record(exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Writes what waits and closes the log."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))
        await asyncio.to_thread(self.log.close)

    async def _record(self, exchange: Exchange) -> None:
        try:
            known = await self._learn(exchange.target)
            request = _read(exchange, known)
        # What cannot be read must end neither the proxy nor its log.
        except Exception as error:  # noqa: BLE001
            self.log.give_up(dropped=False)
            if self.log.counts.failed == 1:
                _LOGGER.warning("a request could not be logged: %s", error)
            return
        self.log.put(request)

    async def _learn(self, target: str) -> _Known:
        known = self._known.get(target)
        if known is not None and time.monotonic() < known.until_s:
            return known
        answer = await self._upstream.send("GET", f"{target}/metadata".encode(), [], b"")
        if answer.status != 200:
            raise ServingError(answer.status, "there are no metadata")
        metadata = loads(answer.body)
        signatures = signatures_of(metadata, target)
        known = _Known(
            int(metadata["model_spec"]["version"]),
            Decoder(signatures, self._limits.rows, self._limits.depth),
            time.monotonic() + _KNOWN_S,
        )
        if len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        self._known[target] = known
        return known


def _read(exchange: Exchange, known: _Known) -> LoggedRequest:
    asked = known.decoder.decode(exchange.body)
    answer = loads(exchange.answer)
    outputs: Mapping[str, np.ndarray]
    if "predictions" in answer:
        outputs = _rows(answer["predictions"], asked.signature)
    elif asked.rows is None:
        raise EnvironmentProblem("the inputs are not equally long")
    else:
        outputs = read_outputs(answer, asked.signature, asked.rows)
    return LoggedRequest(
        name=exchange.name,
        version=known.version,
        signature=asked.signature.name,
        inputs=dict(asked.inputs.items()),
        outputs=outputs,
        duration_s=exchange.duration_s,
    )


def _rows(rows: list[Any], signature: Signature) -> dict[str, np.ndarray]:
    """The answer to a request by row, as columns."""
    if len(signature.outputs) == 1:
        columns: Any = rows
    else:
        columns = {name: [row[name] for row in rows] for name in signature.outputs}
    return read_outputs({"outputs": columns}, signature, len(rows))
