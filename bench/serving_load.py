"""Sends one request over and over on a few connections, and times each answer.

Run as `python -m bench.serving_load PORT PATH BODY CONNECTIONS SECONDS`, where BODY is a
file; prints JSON. It sends the same bytes each time and looks at no more of an answer than
it needs to, so that the time it measures is the server's. Loopback only; it ends after so
many seconds or `MOST` requests.
"""

from __future__ import annotations

import json
import select
import socket
import sys
import time
from pathlib import Path

import numpy as np

MOST = 60_000
_WARM_S = 0.5
_PATIENCE_S = 30
_PART = 1 << 16
_GOOD = b"HTTP/1.1 200"


def main(arguments: list[str]) -> int:
    """Prints requests per second and percentiles; gives 1 where an answer was no 200."""
    port, path, body, connections, seconds = arguments
    request = request_bytes(path, Path(body).read_bytes())
    figures = measure(int(port), request, int(connections), float(seconds))
    print(json.dumps(figures))
    return 1 if figures["failed"] else 0


def request_bytes(path: str, body: bytes) -> bytes:
    """The whole request as it goes over the wire."""
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def measure(port: int, request: bytes, connections: int, seconds: float) -> dict[str, float]:
    """Keeps so many connections busy; gives requests a second and milliseconds."""
    clients = [_Client(port, request) for _ in range(connections)]
    by_number = {client.socket.fileno(): client for client in clients}
    ready = select.epoll()
    for number in by_number:
        ready.register(number, select.EPOLLIN)
    began = time.perf_counter() + _WARM_S
    times: list[float] = []
    failed, last, going = 0, began, True
    for client in clients:
        client.send()
    while by_number:
        events = ready.poll(_PATIENCE_S)
        if not events:  # the server does not answer any more
            failed += len(by_number)
            break
        for number, _ in events:
            client = by_number[number]
            good = client.receive()
            if good is None:
                continue
            now = time.perf_counter()
            failed += not good
            if client.sent >= began and good:
                times.append(now - client.sent)
                last = now
            going = going and now < began + seconds and len(times) < MOST
            if going and good:
                client.send()
            else:
                ready.unregister(number)
                by_number.pop(number).socket.close()
    return _figures(np.array(times) * 1000, last - began, failed)


class _Client:
    """One connection with one request on its way at a time."""

    def __init__(self, port: int, request: bytes) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent = 0.0
        self._request = request
        self._received = b""
        self._usual = 0

    def send(self) -> None:
        """Sends the request, and notes when."""
        self.sent = time.perf_counter()
        self.socket.sendall(self._request)

    def receive(self) -> bool | None:
        """Whether the answer is a good one; None while it is not all there."""
        data = self.socket.recv(_PART)
        if len(data) == self._usual and not self._received and data.startswith(_GOOD):
            return True  # the same answer as ever, in one piece
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if data and (
            end < 0 or len(self._received) < end + 4 + _length(self._received[:end].lower())
        ):
            return None
        good = self._received.startswith(_GOOD) and bool(data)
        self._usual, self._received = len(self._received), b""
        return good


def _figures(times: np.ndarray, seconds: float, failed: int) -> dict[str, float]:
    if not len(times):
        return {"per_s": 0.0, "p50_ms": 0.0, "p99_ms": 0.0, "failed": float(failed or 1)}
    p50, p99 = np.percentile(times, [50, 99])
    return {
        "per_s": len(times) / seconds,
        "p50_ms": float(p50),
        "p99_ms": float(p99),
        "failed": float(failed),
    }


def _length(head: bytes) -> int:
    _, _, rest = head.partition(b"content-length:")
    return int(rest.split(b"\r\n", 1)[0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
