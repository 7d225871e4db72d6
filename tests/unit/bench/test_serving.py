"""The benchmark of the server: its load counts right, and its peer answers as Kelp does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from bench import serving as bench
from bench.serving_load import measure, request_bytes
from bench.serving_model import body, columns, rows, write_model


async def answering(status: bytes, request: bytes) -> dict[str, float]:
    """What the load generator tells of a server that answers every request alike."""
    seen = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                seen.append(await reader.readexactly(len(request)))
                writer.write(b"HTTP/1.1 %s\r\nContent-Length: 2\r\n\r\n" % status)
                await writer.drain()
                writer.write(b"{}")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        figures = await asyncio.to_thread(measure, port, request, 3, 0.2)
    assert set(seen) == {request}
    return figures


def test_the_load_counts_answers_and_failures() -> None:
    request = request_bytes("/v1/models/bench:predict", body(1))
    good = asyncio.run(answering(b"200 OK", request))
    assert good["failed"] == 0
    assert good["per_s"] > 0
    assert 0 < good["p50_ms"] <= good["p99_ms"]
    assert asyncio.run(answering(b"400 Bad", request))["failed"] > 0


def test_the_rows_have_the_columns_of_the_model() -> None:
    sent = json.loads(body(3))["instances"]
    assert sent == rows(3)
    assert all(set(row) == set(columns()) for row in sent)


def test_the_peer_answers_as_the_model(tmp_path: Path) -> None:
    from bench.serving_peer import make_app
    from serving.codec.answers import encode_rows
    from serving.codec.requests import Decoder
    from serving.saved_model import SavedModelServable

    write_model(tmp_path / "1")
    servable = SavedModelServable(tmp_path / "1")
    read = Decoder(servable.signatures, 10, 8).decode(body(2))
    ours = json.loads(encode_rows(servable.run("serving_default", read.inputs)))

    async def ask() -> Any:
        transport = httpx.ASGITransport(make_app(str(tmp_path / "1")))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            return (await client.post(bench.PATH, json={"instances": rows(2)})).json()

    theirs = asyncio.run(ask())
    assert len(ours["predictions"]) == len(theirs["predictions"]) == 2
    for one, other in zip(ours["predictions"], theirs["predictions"], strict=True):
        assert one == pytest.approx(other, rel=1e-6)


@pytest.mark.parametrize(
    ("ours", "peer", "status"), [(600.0, 50.0, 0), (400.0, 10.0, 1), (900.0, 100.0, 1)]
)
def test_missed_bounds_are_reported(
    ours: float, peer: float, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def figures(per_s: float) -> dict[str, float]:
        return {"per_s": per_s, "p50_ms": 1.0, "p99_ms": 2.0}

    places = {(connections, each): figures(ours) for connections in (1, 16, 64) for each in (1, 32)}
    ceiling = {"1": 1000.0, "32": 500.0}
    assert bench._report(ceiling, places, figures(peer), False) == status
    assert ("MISSED" in capsys.readouterr().out) == bool(status)
    assert bench._report(ceiling, places, figures(peer), True) == 0
