"""Sends one request over and over on a few connections, and times each answer.

Run as `python -m bench.serving_load PORT PATH BODY CONNECTIONS SECONDS`, where BODY is a
file; prints JSON. It sends the same bytes each time and looks at no more of an answer than
it needs to, so that the time it measures is the server's. Loopback only; it ends after so
many seconds or `MOST` requests.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import uvloop

MOST = 60_000
_WARM_S = 0.5
_GOOD = b"HTTP/1.1 200"


def main(arguments: list[str]) -> int:
    """Prints requests per second and percentiles; gives 1 where an answer was no 200."""
    port, path, body, connections, seconds = arguments
    request = request_bytes(path, Path(body).read_bytes())
    figures = uvloop.run(measure(int(port), request, int(connections), float(seconds)))
    print(json.dumps(figures))
    return 1 if figures["failed"] else 0


def request_bytes(path: str, body: bytes) -> bytes:
    """The whole request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def measure(port: int, request: bytes, connections: int, seconds: float) -> dict[str, float]:
    """Keeps so many connections busy; gives requests a second and milliseconds."""
    loop = asyncio.get_running_loop()
    count = _Count(time.perf_counter() + _WARM_S, seconds)
    clients = []
    for _ in range(connections):
        _, client = await loop.create_connection(lambda: _Client(request, count), "127.0.0.1", port)
        clients.append(client)
    await asyncio.wait([client.done for client in clients], timeout=seconds + 30)
    times = np.array(count.times) * 1000
    if not len(times):
        return {"per_s": 0.0, "p50_ms": 0.0, "p99_ms": 0.0, "failed": 1.0}
    p50, p99 = np.percentile(times, [50, 99])
    return {
        "per_s": len(times) / (count.last - count.began),
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "failed": float(count.failed),
    }


class _Count:
    """What all connections of one measurement share."""

    def __init__(self, began: float, seconds: float) -> None:
        self.began = began
        self.until = began + seconds
        self.last = began
        self.times: list[float] = []
        self.failed = 0

    def add(self, sent: float, now: float) -> bool:
        """Counts one answer; tells whether to go on."""
        if sent >= self.began:
            self.times.append(now - sent)
            self.last = now
        return now < self.until and len(self.times) < MOST


class _Client(asyncio.Protocol):
    """One connection with one request on its way at a time."""

    def __init__(self, request: bytes, count: _Count) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._count = count
        self._received = b""
        self._wanted = 0
        self._usual = 0
        self._sent = 0.0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        if len(data) == self._usual and not self._received and data.startswith(_GOOD):
            self._next()  # the same answer as ever, in one piece
            return
        self._received += data
        if not self._wanted:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            self._wanted = end + 4 + _length(self._received[:end].lower())
        if len(self._received) < self._wanted:
            return
        if self._received.startswith(_GOOD):
            self._usual = self._wanted
        else:
            self._count.failed += 1
        self._received, self._wanted = b"", 0
        self._next()

    def _next(self) -> None:
        if self._count.add(self._sent, time.perf_counter()):
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if exc is not None:
            self._count.failed += 1
        if not self.done.done():
            self.done.set_result(None)

    def _send(self) -> None:
        self._sent = time.perf_counter()
        self._transport.write(self._request)


def _length(head: bytes) -> int:
    _, _, rest = head.partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
