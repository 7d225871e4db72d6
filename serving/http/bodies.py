"""Reads the body of a request within limits; a bomb is stopped while it inflates."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable
from typing import Any

from serving.errors import ServingError

Receive = Callable[[], Awaitable[dict[str, Any]]]
Headers = Iterable[tuple[bytes, bytes]]

_INLINE = 16 * 1024
_PART = 1024 * 1024
_GZIP = 16 + zlib.MAX_WBITS


class Disconnected(Exception):
    """The client went away before its request was there."""


async def read_body(receive: Receive, headers: Headers, most: int, inflated: int) -> bytes:
    """The body of a request, inflated.

    Args:
      receive: ASGI's.
      headers: The request's headers.
      most: The largest body, as it is sent.
      inflated: The largest body after gzip.

    Raises:
      ServingError: it is too large, or no gzip although it says so.
      Disconnected: the client went away.
    """
    length, zipped = _facts(headers)
    if length is not None and length > most:
        raise _too_large(most)
    message = await receive()
    body: bytes = message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise Disconnected
    if message.get("more_body", False):
        body = await _rest(receive, body, most)
    if len(body) > most:
        raise _too_large(most)
    if not zipped:
        return body
    if len(body) <= _INLINE and inflated <= _PART:
        return inflate(body, inflated)
    return await asyncio.to_thread(inflate, body, inflated)


async def _rest(receive: Receive, first: bytes, most: int) -> bytes:
    parts, size = [first], len(first)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part: bytes = message.get("body", b"")
        size += len(part)
        if size > most:
            raise _too_large(most)
        parts.append(part)
        if not message.get("more_body", False):
            return b"".join(parts)


def inflate(body: bytes, most: int) -> bytes:
    """Inflates gzip, of one or several members.

    Raises:
      ServingError: it is cut, broken, followed by something else, or grows too large.
    """
    parts: list[bytes] = []
    size = 0
    left = body
    while left:
        inflater = zlib.decompressobj(_GZIP)
        while not inflater.eof:
            try:
                part = inflater.decompress(left, min(_PART, most - size + 1))
            except zlib.error as error:
                raise ServingError(400, f"The body is not valid gzip: {error}") from error
            left = inflater.unconsumed_tail
            size += len(part)
            if size > most:
                raise ServingError(413, f"The body inflates to more than {most} bytes")
            parts.append(part)
            if not part and not left and not inflater.eof:
                raise ServingError(400, "The body is not valid gzip: it is cut off")
        left = inflater.unused_data
    return b"".join(parts)


def _facts(headers: Headers) -> tuple[int | None, bool]:
    """Content-Length, and whether the body is zipped."""
    length, zipped = None, False
    for name, value in headers:
        if name == b"content-length":
            length = int(value) if value.isdigit() and len(value) < 20 else None
        elif name == b"content-encoding":
            zipped = b"gzip" in value.lower()
    return length, zipped


def _too_large(most: int) -> ServingError:
    return ServingError(413, f"The body is larger than {most} bytes")
