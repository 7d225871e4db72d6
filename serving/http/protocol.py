"""uvicorn's HTTP/1.1 connection with the limits that it lacks: on heads, bodies and time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import httptools
import orjson
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from serving.config import LimitsSpec


class _Refused(Exception):
    """Ends the parsing of a head that is too large."""


class _Joining(asyncio.Transport):
    """Keeps the head of an answer until its body comes: one write to the socket, not two.

    Args:
      transport: The connection's.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._head: bytes | None = None
        self._joined = False

    def write(self, data: Any) -> None:
        """Keeps the first part, and sends it with the second."""
        if self._joined:
            self._transport.write(data)
        elif self._head is None:
            self._head = data
        else:
            self._joined = True
            self._transport.write(self._head + data)

    def is_closing(self) -> bool:
        """Whether the connection is being closed."""
        return self._transport.is_closing()

    def close(self) -> None:
        """Sends what was kept, then closes the connection."""
        if self._head is not None and not self._joined:
            self._joined = True
            self._transport.write(self._head)
        self._transport.close()


class LimitedProtocol(HttpToolsProtocol):
    """A connection whose head, body and reader have to come in time.

    Subclasses from `limited` have `limits`.
    """

    limits: LimitsSpec

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._timer: asyncio.TimerHandle | None = None
        self._writing: asyncio.TimerHandle | None = None
        self._head_size = 0
        self._in_head = False
        self._asks_upgrade = False
        self._refusal = (400, "Invalid HTTP request received")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Takes a connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > self.limits.connections:
            self._refuse(503, "Too many connections")
            return
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forgets the connection, and what was timed for it."""
        self._disarm()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parses what came, unless the head has grown too large."""
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(*self._refusal)
        if self._in_head and not self.transport.is_closing():
            self._head_size += len(data)
            if self._head_size > self.limits.header_kib * 1024:
                self._refuse(431, "The request's line and headers are too large")

    def eof_received(self) -> bool:  # type: ignore[override]
        """Keeps the connection of a client that has sent all and waits for the answer."""
        # TLS has no connection that is half open.
        if self.scheme == "https" or not self._is_answering() or self.cycle.more_body:
            return False
        self.cycle.keep_alive = False
        return True

    def on_message_begin(self) -> None:
        """A request begins: its head has to come in time."""
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        """The head is there: the body has to come in time."""
        size = len(self.url) + sum(len(name) + len(value) for name, value in self.headers)
        if size > self.limits.header_kib * 1024 or len(self.headers) > self.limits.headers:
            self._refusal = (431, "The request's line and headers are too large")
            raise _Refused
        if self.parser.should_upgrade():
            self._asks_upgrade = True
            return
        self._in_head = False
        super().on_headers_complete()
        if not self.expect_100_continue and self.scope["method"] != "HEAD":
            # Where the head of an answer is not followed by a body, it must not wait for one.
            self.cycle.transport = _Joining(self.transport)
        self._arm(self.limits.body_s, self._body_is_late)

    def on_message_complete(self) -> None:
        """The whole request is there."""
        if self._asks_upgrade:
            # The parser takes what follows the head for another protocol.
            return
        self._disarm()
        super().on_message_complete()
        if self.cycle.response_complete and self.timeout_keep_alive_task is None:
            # The answer was faster than the rest of the body: now the idle time begins.
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def pause_writing(self) -> None:
        """The client does not read: it has to go on in time."""
        super().pause_writing()
        if self._writing is None:
            self._writing = self.loop.call_later(self.limits.body_s, self.transport.abort)

    def resume_writing(self) -> None:
        """The client reads again."""
        if self._writing is not None:
            self._writing.cancel()
            self._writing = None
        super().resume_writing()

    def _parse(self, data: bytes) -> None:
        """Feeds the parser; a request to upgrade is answered in HTTP/1.1, with its body."""
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                rest = rest[upgrade.args[0] :]
                self._ignore_upgrade()
            else:
                return

    def _ignore_upgrade(self) -> None:
        """Parses the head once more, without the header that asks for another protocol.

        A server may ignore `Upgrade`, but the parser never reads the body of such a request.
        """
        self._asks_upgrade = False
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        if method == b"CONNECT":
            self._refusal = (405, "CONNECT is not supported")
            raise httptools.HttpParserError
        lines = [b"%b %b HTTP/%b" % (method, self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self.parser.feed_data(b"\r\n".join([*lines, b"", b""]))

    def _begin_head(self) -> None:
        self._in_head = True
        self._head_size = 0
        self._arm(self.limits.header_s, self._head_is_late)

    def _head_is_late(self) -> None:
        if self._is_answering():
            self._arm(self.limits.header_s, self._head_is_late)
        elif self._head_size:
            self._refuse(408, "The request's headers did not come in time")
        else:
            self.transport.close()

    def _body_is_late(self) -> None:
        if self.flow.read_paused:
            # It is this side that does not read: another request is still being answered.
            self._arm(self.limits.body_s, self._body_is_late)
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._refuse(408, "The request's body did not come in time")

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _arm(self, seconds: float, late: Callable[[], None]) -> None:
        self._disarm()
        self._timer = self.loop.call_later(seconds, late)

    def _disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _refuse(self, status: int, message: str) -> None:
        self._disarm()
        if self.transport.is_closing():
            return
        body = orjson.dumps({"error": message})
        head = b"content-type: application/json\r\ncontent-length: %d\r\n" % len(body)
        answer = [STATUS_LINE[status], head, b"connection: close\r\n\r\n", body]
        self.transport.write(b"".join(answer))
        self.transport.close()


def limited(limits: LimitsSpec) -> type[LimitedProtocol]:
    """The protocol with these limits, as uvicorn wants it: a class."""
    return type("LimitedProtocol", (LimitedProtocol,), {"limits": limits})
