"""Bodies within limits: sizes, gzip, bombs."""

from __future__ import annotations

import asyncio
import gzip
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.errors import ServingError
from serving.http.bodies import Disconnected, inflate, read_body

ZIPPED = (b"content-encoding", b"gzip")


def read(
    *parts: bytes, headers: tuple[tuple[bytes, bytes], ...] = (), most: int = 100, big: int = 1000
) -> bytes:
    messages: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": number < len(parts) - 1}
        for number, part in enumerate(parts)
    ]
    messages.append({"type": "http.disconnect"})

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    return asyncio.run(read_body(receive, headers, most, big))


def refused(status: int, *parts: bytes, **options: Any) -> str:
    with pytest.raises(ServingError) as caught:
        read(*parts, **options)
    assert caught.value.status == status
    return caught.value.message


def test_parts_are_joined() -> None:
    assert read(b"") == b""
    assert read(b"one") == b"one"
    assert read(b"one", b"", b"two", b"three") == b"onetwothree"


def test_too_large() -> None:
    assert read(b"x" * 100) == b"x" * 100
    assert "larger than 100 bytes" in refused(413, b"x" * 101)
    assert refused(413, b"x" * 60, b"x" * 60)
    # What is announced is refused before it is read.
    assert refused(413, headers=((b"content-length", b"101"),))


def test_a_client_that_goes_away() -> None:
    with pytest.raises(Disconnected):
        read()

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    messages = [
        {"type": "http.request", "body": b"x", "more_body": True},
        {"type": "http.disconnect"},
    ]
    with pytest.raises(Disconnected):
        asyncio.run(read_body(receive, (), 100, 100))


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=3))
def test_gzip_of_several_members(parts: list[bytes]) -> None:
    zipped = b"".join(map(gzip.compress, parts))
    assert inflate(zipped, 1000) == b"".join(parts)


def test_gzip_of_a_large_body_leaves_the_loop() -> None:
    whole = bytes(range(256)) * 8192
    zipped = gzip.compress(whole)
    assert read(zipped, headers=(ZIPPED,), most=10**7, big=10**7) == whole


def test_a_bomb_stops_while_it_inflates() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 60_000
    assert "inflates to more than 1000 bytes" in refused(413, bomb, headers=(ZIPPED,), most=10**6)
    inside = gzip.compress(b"x" * 600)
    assert refused(413, inside + inside, headers=(ZIPPED,), most=10**6)


# gzip's header has the time of day: it must not be part of a test's name.
@pytest.mark.parametrize(
    "broken",
    [
        b"no gzip",
        gzip.compress(b"x" * 50)[:-1],
        gzip.compress(b"x" * 50)[:12],
        gzip.compress(b"x" * 50) + b"tail",
        gzip.compress(b"x" * 50)[:-8] + b"\0" * 8,
    ],
    ids=["no gzip", "one byte short", "no end", "bytes after the end", "wrong checksum"],
)
def test_broken_gzip(broken: bytes) -> None:
    assert "not valid gzip" in refused(400, broken, headers=(ZIPPED,))


@given(st.binary(max_size=300))
def test_any_bytes_inflate_or_are_refused(body: bytes) -> None:
    for tried in (body, b"\x1f\x8b\x08" + body):
        try:
            size, status = len(inflate(tried, 100)), 200
        except ServingError as error:
            size, status = 0, error.status
        assert size <= 100
        assert status in (200, 400, 413)
