"""Bad input over real sockets: a clean 4xx or a closed connection, and nobody else notices."""

from __future__ import annotations

import gzip
import json
import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.integration.serving.served import (
    ROW,
    ServerProcess,
    eventually,
    post,
    read_all,
    status_of,
)

PREDICT = "/v1/models/scale:predict"
ANSWER = {"predictions": [{"scaled": 4.0, "length": 4.0}]}


@pytest.fixture(autouse=True)
def unharmed(server: ServerProcess) -> Iterator[None]:
    """Another client is answered after each test as before it."""
    pid = server.process.pid
    yield
    assert server.process.poll() is None
    assert server.process.pid == pid
    assert server.get(PREDICT, ROW) == (200, ANSWER)


def one_row(x: str) -> bytes:
    return b'{"instances": [{"city": "Oslo", "x": ' + x.encode() + b"}]}"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 100_000,
        b'{"instances":' * 100_000,
        b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        one_row("1e400"),
        one_row("-1e400"),
        one_row("null"),
        one_row('"text"'),
        one_row("[1, 2]"),
        one_row("1" * 5000),
        b'{"instances": [{"x": 1.0, "city": "\xff\xfe"}]}',
        b'{"instances": [{"x": 1.0, "\\ud800": "Oslo"}]}',
        b'{"instances": [{"x": 1.0, "city": "a", "sea": 1}]}',
        b'{"instances": [{"x": 1.0}]}',
        b'{"instances": []}',
        b'{"instances": [1, 2]}',
        b'{"instances": [{"x": 1.0, "city": "a"}, {"x": [1.0], "city": "b"}]}',
        b'{"inputs": {"x": [[1.0], [2.0]], "city": ["a", "b"]}}',
        b'{"inputs": {"x": [[1.0], 2.0], "city": ["a", "b"]}}',
        b'{"inputs": {"x": {"y": 1.0}, "city": ["a"]}}',
        b'{"signature_name": "none", "instances": [1]}',
        b'{"instances": [1], "inputs": [1]}',
        b"\x00\x01\x02",
        json.dumps({"instances": [{"x": 1.0, "city": "a"}] * 100_000}).encode(),
    ],
    ids=lambda body: f"{body[:24]!r}-{len(body)}",
)
def test_bodies(server: ServerProcess, body: bytes) -> None:
    status, answer = server.get(PREDICT, body)
    assert status in (400, 413)
    assert set(answer) == {"error"}
    assert answer["error"]


def test_a_lone_surrogate_as_a_value(server: ServerProcess) -> None:
    status, _ = server.get(PREDICT, b'{"instances": [{"x": 1.0, "city": "\\ud800"}]}')
    assert status in (200, 400)


def test_too_large(server: ServerProcess) -> None:
    body = b'{"instances": "' + b"x" * (33 * 2**20) + b'"}'
    assert status_of(server.raw(post(PREDICT, body))) in (413, 0)
    status, answer = server.get(PREDICT, body)
    assert status == 413 or "reset" in answer.lower() or "broken pipe" in answer.lower()
    # Announced, and asked about first: answered at once, and nothing is sent.
    asks = post(PREDICT, b"", f"Content-Length: {2**40}", "Expect: 100-continue")
    assert status_of(server.raw(asks)) == 413


def test_too_large_in_chunks(server: ServerProcess) -> None:
    head = post(PREDICT, b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")
    chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
    assert status_of(server.raw(head, *[chunk] * 34, b"0\r\n\r\n")) in (413, 0)


def test_gzip(server: ServerProcess) -> None:
    zipped = {"Content_Encoding": "gzip"}
    assert server.get(PREDICT, gzip.compress(ROW), **zipped) == (200, ANSWER)
    bomb = gzip.compress(bytes(300 * 2**20), 9)
    assert len(bomb) < 2**20
    assert server.get(PREDICT, bomb, **zipped)[0] == 413
    assert server.get(PREDICT, gzip.compress(ROW)[:-4], **zipped)[0] == 400
    assert server.get(PREDICT, ROW, **zipped)[0] == 400


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models/%2e%2e:predict", 404),
        ("/v1/models/%2e%2e%2f%2e%2e%2fetc%2fpasswd:predict", 404),
        ("/v1/models/scale%00:predict", 404),
        ("/v1/models/..:predict", 404),
        ("/v1/models/scale/versions/18446744073709551616:predict", 400),
        ("/v1/models/scale/versions/9223372036854775807:predict", 404),
        ("/v1/models/scale/labels/none:predict", 400),
        ("/v1/models/" + "x" * 20000 + ":predict", 404),
        ("/v1/models/" + "x" * 70000 + ":predict", 431),
        ("/v1/models/scale\x00:predict", 400),
        ("/v1/models/sc\u00e5le:predict", (400, 404)),
        ("v1", 400),
        ("/../../etc/passwd", 404),
        ("*", (400, 404)),
    ],
    ids=lambda value: str(value)[:60],
)
def test_paths(server: ServerProcess, path: str, status: int | tuple[int, ...]) -> None:
    answer = server.raw(post(path, ROW))
    assert status_of(answer) in (status if isinstance(status, tuple) else (status,))
    assert set(json.loads(answer.partition(b"\r\n\r\n")[2])) == {"error"}


@pytest.mark.parametrize(
    "request_",
    [
        b"no http at all\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(64),
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        post(PREDICT, ROW, "Content-Length: -1"),
        post(PREDICT, ROW, "Content-Length: many"),
        post(PREDICT, ROW, "Content-Length: 5", "Content-Length: 43"),
        post(PREDICT, ROW, "Content-Length: 5", "Transfer-Encoding: chunked"),
        post(PREDICT, b"zz\r\nno chunk\r\n", "Transfer-Encoding: chunked").replace(
            b"Content-Length: 14\r\n", b""
        ),
        post(PREDICT, ROW, "Content-Length: 10"),
        post(PREDICT, ROW, "X: " + "x" * 100_000),
        post(PREDICT, ROW, *[f"X-{number}: x" for number in range(500)]),
        post(PREDICT, ROW, "Bad\x00Name: x"),
    ],
    ids=range(12),
)
def test_requests_that_are_none(server: ServerProcess, request_: bytes) -> None:
    answer = server.raw(request_)
    assert status_of(answer) in (0, *range(400, 500))
    if answer:
        assert b'{"error"' in answer


def test_a_body_shorter_than_announced(server: ServerProcess) -> None:
    began = time.monotonic()
    answer = server.raw(post(PREDICT, ROW, "Content-Length: 1000"))
    assert status_of(answer) == 408
    assert time.monotonic() - began < 8


def test_a_client_that_goes_away_in_its_body(server: ServerProcess) -> None:
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(post(PREDICT, ROW, "Content-Length: 1000"))
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(post(PREDICT, ROW))
    page = server.get("/monitoring/prometheus/metrics")[1]
    assert 'model_name="scale",status="CANCELLED"' in page


def test_slow_headers_are_closed(server: ServerProcess) -> None:
    began = time.monotonic()
    drips = [b"POST /v1/models/scale:predict HTTP/1.1\r\n", *[b"X: y\r\n"] * 40]
    answer = server.raw(*drips, pause=0.1)
    assert status_of(answer) in (408, 0)
    assert server.raw(wait=8) == b""  # says nothing at all
    assert time.monotonic() - began < 12


def test_slow_bodies_are_closed(server: ServerProcess) -> None:
    head = post(PREDICT, b"", "Content-Length: 1000")
    assert status_of(server.raw(head, *[b"x"] * 45, pause=0.1)) in (408, 0)


def test_idle_connections_are_closed(server: ServerProcess) -> None:
    request = post(PREDICT, ROW).replace(b"Connection: close\r\n", b"")
    began = time.monotonic()
    with server.connect() as connection:
        connection.sendall(request)
        assert status_of(read_all(connection)) == 200
    assert time.monotonic() - began < 8


def test_many_requests_on_one_connection(server: ServerProcess) -> None:
    request = post(PREDICT, ROW).replace(b"Connection: close\r\n", b"")
    answer = server.raw(request * 50 + post(PREDICT, ROW))
    assert answer.count(b"HTTP/1.1 200 OK") == 51


def test_too_many_connections(server: ServerProcess) -> None:
    with ExitStack() as stack:
        held = [stack.enter_context(server.connect(1)) for _ in range(80)]
        answers = [read_all(one) for one in held[64:]]
        assert any(status_of(answer) == 503 for answer in answers)
    eventually(lambda: server.get("/healthz")[0] == 200)


def test_methods(server: ServerProcess) -> None:
    for method in (b"PUT", b"DELETE", b"PATCH", b"OPTIONS", b"TRACE"):
        request = post(PREDICT, ROW).replace(b"POST", method, 1)
        assert status_of(server.raw(request)) == 400


def test_head_gets_the_head_alone_and_the_connection_goes_on(server: ServerProcess) -> None:
    head = b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answers = server.raw(head, get, pause=0.3)
    assert answers.count(b"HTTP/1.1 200 OK") == 2
    assert answers.count(b'{"status":"alive"}') == 1
