"""How answers come to the socket."""

from __future__ import annotations

import asyncio

from serving.http.protocol import _Joining


class Recorded(asyncio.Transport):
    """A connection that only remembers."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:  # type: ignore[override]
        assert not self.closed
        self.sent.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def test_head_and_body_go_out_together_and_what_follows_at_once() -> None:
    connection = Recorded()
    joining = _Joining(connection)
    joining.write(b"head ")
    assert connection.sent == []
    joining.write(b"body")
    joining.write(b"more")
    assert connection.sent == [b"head body", b"more"]


def test_an_empty_body_lets_the_head_go() -> None:
    connection = Recorded()
    joining = _Joining(connection)
    joining.write(b"head")
    joining.write(b"")
    assert connection.sent == [b"head"]


def test_closing_sends_what_was_kept_once() -> None:
    connection = Recorded()
    joining = _Joining(connection)
    joining.write(b"head")
    joining.close()
    assert connection.sent == [b"head"]
    assert joining.is_closing()
