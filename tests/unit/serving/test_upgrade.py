"""Requests that ask for another protocol, and clients that end their side, are answered."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn
import uvloop

from serving.config import LimitsSpec
from serving.http.protocol import limited

# What Java's HttpClient sends unless it is asked for HTTP/1.1.
JAVA = (
    "POST /v1/models/m:predict HTTP/1.1",
    "Connection: Upgrade, HTTP2-Settings",
    "Content-Length: 4",
    "Host: x",
    "HTTP2-Settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    "Upgrade: h2c",
)
PLAIN = b"POST /two HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nConnection: close\r\n\r\nend"


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode()


class Echo:
    """Answers with path and body, after a while where the path says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, bytes, list[tuple[bytes, bytes]]]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message["body"], message["more_body"]
        self.asked.append((scope["method"], scope["path"], body, scope["headers"]))
        if scope["path"] == "/slow":
            await asyncio.sleep(0.2)
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def talk(*parts: bytes, ends: bool = False, **limits: float) -> tuple[bytes, Echo]:
    """Sends parts with a pause between them; gives what comes back, until the server closes."""
    echo = Echo()

    async def scene() -> bytes:
        config = uvicorn.Config(
            echo, port=0, http=limited(LimitsSpec(**limits)), ws="none", log_config=None,
            lifespan="off", access_log=False,
        )  # fmt: skip
        server = uvicorn.Server(config)
        config.load()
        server.lifespan = config.lifespan_class(config)
        await server.startup()
        port = server.servers[0].sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0.05)
        if ends:
            writer.write_eof()
        answer = await asyncio.wait_for(reader.read(), 10)
        writer.close()
        await server.shutdown()
        return answer

    loop = uvloop.new_event_loop()
    try:
        return loop.run_until_complete(scene()), echo
    finally:
        loop.close()


def cut(whole: bytes) -> Iterator[tuple[bytes, ...]]:
    """A request in one packet, its body in a second one, and its head in two."""
    place = whole.index(b"\r\n\r\n") + 4
    yield (whole,)
    yield whole[:place], whole[place:]
    yield whole[: place - 2], whole[place - 2 : place + 1], whole[place + 1 :]


@pytest.mark.parametrize("parts", list(cut(head(*JAVA) + b"body")), ids=len)
def test_a_request_to_upgrade_keeps_its_body(parts: tuple[bytes, ...]) -> None:
    answer, echo = talk(*parts, PLAIN)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert [one[:3] for one in echo.asked] == [
        ("POST", "/v1/models/m:predict", b"body"), ("POST", "/two", b"end"),
    ]  # fmt: skip
    assert (b"host", b"x") in echo.asked[0][3]
    assert b"upgrade" not in dict(echo.asked[0][3])


@pytest.mark.parametrize("protocol", ["h2c", "websocket", "TLS/1.0"])
def test_no_body_is_taken_for_a_request(protocol: str) -> None:
    inner = b"POST /admin HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
    outer = [
        "POST /one HTTP/1.1", "Host: x", "Connection: upgrade", f"Upgrade: {protocol}",
        f"Content-Length: {len(inner)}",
    ]  # fmt: skip
    answer, echo = talk(head(*outer), inner, PLAIN)
    assert [one[1:3] for one in echo.asked] == [("/one", inner), ("/two", b"end")]
    assert answer.count(b"HTTP/1.1 200") == 2


def test_chunks_an_empty_header_and_a_hundred_requests_in_one_packet() -> None:
    lines = ["POST /one HTTP/1.1", "Host: x", "Connection: upgrade", "Upgrade: h2c", "X-Empty:"]
    chunked = head(*lines, "Transfer-Encoding: chunked") + b"2\r\nab\r\n1\r\nc\r\n0\r\n\r\n"
    get = head("GET /get HTTP/1.1", *lines[1:])
    answer, echo = talk((chunked + get) * 50 + PLAIN)
    assert answer.count(b"HTTP/1.1 200") == 101
    assert [one[1:3] for one in echo.asked[:2]] == [("/one", b"abc"), ("/get", b"")]
    assert (b"x-empty", b"") in echo.asked[0][3]


@pytest.mark.parametrize(
    ("request_head", "status"),
    [
        (head(*JAVA, "Content-Length: 5"), b"400"),
        (head(*JAVA, "Transfer-Encoding: chunked"), b"400"),
        (head(*JAVA, f"X-Long: {'x' * 40_000}"), b"431"),
        (head("CONNECT x:80 HTTP/1.1", "Host: x:80"), b"405"),
    ],
)
def test_what_is_refused_without_an_upgrade_is_refused_with_one(
    request_head: bytes, status: bytes
) -> None:
    answer, echo = talk(request_head + b"body" + PLAIN)
    assert answer.startswith(b"HTTP/1.1 " + status)
    assert answer.count(b"HTTP/1.1 ") == 1
    assert not echo.asked


@pytest.mark.parametrize("path", ["/quick", "/slow"])
def test_a_client_that_has_ended_its_side_gets_its_answer(path: str) -> None:
    request = head(f"POST {path} HTTP/1.1", "Host: x", "Content-Length: 4") + b"body"
    answer, _ = talk(request * 2, ends=True)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert answer.endswith(b"body")


def test_a_client_that_ends_within_its_request_gets_none() -> None:
    answer, echo = talk(head("POST /slow HTTP/1.1", "Host: x", "Content-Length: 4"), ends=True)
    assert answer == b""
    assert not echo.asked
