"""The ASGI application over fake models: statuses, bodies, pages, keys, logs."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from serving import worker
from serving.config import LimitsSpec, ServingSpec
from serving.http.app import App
from serving.http.metrics import Metrics, SharedMetrics
from serving.http.openapi import describe
from serving.request_log.config import RequestLogSpec
from serving.request_log.log import RequestLog
from serving.server import Worker
from tests.unit.serving.fakes import BROKEN, World, eventually

Act = Callable[[httpx.AsyncClient, World, App], Awaitable[None]]


@contextlib.asynccontextmanager
async def serving(world: World) -> AsyncIterator[tuple[httpx.AsyncClient, App]]:
    app = App(world.manager, world.spec)
    await world.manager.start()
    await world.manager.settled()
    transport = httpx.ASGITransport(app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            yield client, app
    finally:
        await world.manager.stop()


def run(world: World, act: Act) -> None:
    async def whole() -> None:
        async with serving(world) as (client, app):
            await world.until("m", [1])
            await act(client, world, app)

    world.write("m", 1)
    asyncio.run(whole())


@pytest.mark.parametrize(
    ("path", "body", "status", "reported"),
    [
        ("m:predict", b"x", 200, {"predictions": [1]}),
        ("m/versions/1:predict?a=b", b"x", 200, {"predictions": [1]}),
        ("m:classify", b"x", 200, {"results": ["classify"]}),
        ("m:regress", b"x", 200, {"results": ["regress"]}),
        ("m/versions/2:predict", b"x", 404, "Servable not found for request: Specific(m, 2)"),
        ("x:predict", b"x", 404, "Servable not found for request: Latest(x)"),
        ("m/labels/z:predict", b"x", 400, "Unrecognized servable version label: z"),
        ("m:predict", b"refuse", 400, "instances[3], input 'x': \ud800"),
        ("m:predict", b"late", 504, "Deadline exceeded"),
        ("m:predict", b"full", 503, "The queue is full"),
        ("m:predict", b"crash", 500, "Internal error"),
        ("m:predict", b"x" * 2000, 413, "The body is larger than 1048 bytes"),
    ],
)
def test_posts(tmp_path: Path, path: str, body: bytes, status: int, reported: Any) -> None:
    async def act(client: httpx.AsyncClient, world: World, app: App) -> None:
        answer = await client.post(f"/v1/models/{path}", content=body)
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == (reported if status == 200 else {"error": reported})
        assert ("retry-after" in answer.headers) == (status == 503)

    run(World(tmp_path, limits=LimitsSpec(body_mib=0.001)), act)


def test_status_and_metadata(tmp_path: Path) -> None:
    async def act(client: httpx.AsyncClient, world: World, app: App) -> None:
        world.write("m", 2, BROKEN)
        await eventually(lambda: world.states("m").get(2) == "END")
        content = (await client.get("/v1/models/m")).json()["model_version_status"]
        assert content[0]["version"] == "2"
        assert content[0]["state"] == "END"
        assert content[0]["status"]["error_code"] == "INVALID_ARGUMENT"
        ok = {"error_code": "OK", "error_message": ""}
        assert content[1:] == [{"version": "1", "state": "AVAILABLE", "status": ok}]
        one = await client.get("/v1/models/m/versions/1")
        assert one.json() == {"model_version_status": content[1:]}
        for path in ("m/metadata", "m/versions/1/metadata"):
            assert (await client.get(f"/v1/models/{path}")).json() == {
                "model_spec": {"name": "m", "signature_name": "", "version": "1"},
                "metadata": {"signature_def": {"signature_def": {}}},
            }
        for path, status in (("x", 404), ("m/versions/7", 404), ("m/labels/x", 400), ("", 400)):
            assert (await client.get(f"/v1/models/{path}")).status_code == status

    run(World(tmp_path), act)


def test_pages(tmp_path: Path) -> None:
    async def act(client: httpx.AsyncClient, world: World, app: App) -> None:
        assert (await client.get("/healthz")).json() == {"status": "alive"}
        assert (await client.head("/healthz")).status_code == 200
        ready = await client.get("/readyz")
        assert ready.status_code == 200
        assert ready.json() == {"ready": True, "models": {"m": [1]}}
        assert (await client.get("/openapi.json")).json() == describe(world.spec)
        assert (await client.post("/healthz")).status_code == 405
        assert (await client.get("/nowhere")).status_code == 404
        world.write("n", 1, BROKEN)
        await eventually(lambda: world.manager.knows("n"))
        await eventually(lambda: world.states("n") == {1: "END"})
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()["models"]) == (200, {"m": [1], "n": []})

    run(World(tmp_path), act)


def test_metrics_page(tmp_path: Path) -> None:
    async def act(client: httpx.AsyncClient, world: World, app: App) -> None:
        for body, name in ((b"x", "m"), (b"refuse", "m"), (b"x", "nobody")):
            await client.post(f"/v1/models/{name}:predict", content=body)
        page = await client.get("/monitoring/prometheus/metrics")
        assert page.headers["content-type"].startswith("text/plain")
        lines = page.text.splitlines()
        count = ":tensorflow:serving:request_count"
        assert f'{count}{{model_name="m",status="OK"}} 1' in lines
        assert f'{count}{{model_name="m",status="INVALID_ARGUMENT"}} 1' in lines
        assert f'{count}{{model_name="",status="NOT_FOUND"}} 1' in lines
        # As TensorFlow Serving: the method as the path has it, and only what succeeded.
        latency = ":tensorflow:serving:request_latency_count"
        labels = 'model_name="m",API="predict",entrypoint="REST"'
        assert [line for line in lines if line.startswith(latency)] == [f"{latency}{{{labels}}} 1"]
        for path in ("m", "m/metadata", "x:nothing"):
            await client.get(f"/v1/models/{path}")
        lines = (await client.get("/monitoring/prometheus/metrics")).text.splitlines()
        assert f'{count}{{model_name="m",status="OK"}} 3' in lines
        assert f'{latency}{{model_name="m",API="",entrypoint="REST"}} 2' in lines
        assert ':kelp:serving:version_available{model_name="m",version="1"} 1' in lines

    run(World(tmp_path), act)


def test_too_many_at_once(tmp_path: Path) -> None:
    async def act(client: httpx.AsyncClient, world: World, app: App) -> None:
        waiting = [
            asyncio.create_task(client.post("/v1/models/m:predict", content=b"wait"))
            for _ in range(2)
        ]
        await eventually(lambda: app._active == 2)
        assert (await client.post("/v1/models/m:predict", content=b"x")).status_code == 429
        assert (await client.get("/healthz")).status_code == 200
        world.manager.lookup("m").predictor.gate.set()  # type: ignore[attr-defined]
        assert [one.status_code for one in await asyncio.gather(*waiting)] == [200, 200]
        assert (await client.post("/v1/models/m:predict", content=b"x")).status_code == 200

    run(World(tmp_path, limits=LimitsSpec(concurrency=2)), act)


def test_going(tmp_path: Path) -> None:
    async def act(client: httpx.AsyncClient, world: World, app: App) -> None:
        app.drain()
        assert (await client.get("/readyz")).status_code == 503
        answer = await client.post("/v1/models/m:predict", content=b"x")
        assert answer.status_code == 200
        assert answer.headers["connection"] == "close"

    run(World(tmp_path), act)


def test_api_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_KEY", "secret")

    async def act(client: httpx.AsyncClient, world: World, app: App) -> None:
        async def ask(path: str, **headers: str) -> int:
            return (await client.get(path, headers=headers)).status_code

        closed = ("/v1/models/m", "/monitoring/prometheus/metrics", "/openapi.json", "/nowhere")
        for path in closed:
            assert await ask(path) == 401
            assert await ask(path, **{"x-api-key": "guess"}) == 401
            assert await ask(path, authorization="Basic secret") == 401
        assert await ask("/v1/models/m", **{"X-API-Key": "secret"}) == 200
        assert await ask("/v1/models/m", authorization="bearer secret") == 200
        assert await ask("/healthz") == 200
        assert await ask("/readyz") == 200

    world = World(tmp_path, api_key_env="MY_KEY")
    run(world, act)
    assert "401" in describe(world.spec)["paths"]["/v1/models/{name}"]["get"]["responses"]


def test_lifespan_starts_and_stops_the_manager(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("m", 1)
    sent: list[str] = []

    async def whole() -> None:
        asked: asyncio.Queue[dict[str, str]] = asyncio.Queue()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        app = App(world.manager, world.spec, load_first=True)
        living = asyncio.create_task(app({"type": "lifespan"}, asked.get, send))
        asked.put_nowait({"type": "lifespan.startup"})
        await eventually(lambda: sent)
        asked.put_nowait({"type": "lifespan.shutdown"})
        await living

    asyncio.run(whole())
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert not world.manager.ready()


def test_a_worker_that_loads_first_starts_when_all_is_loaded(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("m", 1)
    gate = threading.Event()
    load = world.manager._loader._load

    def slow(path: Path) -> Any:
        gate.wait(10)
        return load(path)

    world.manager._loader._load = slow
    sent: list[str] = []

    async def whole() -> None:
        asked: asyncio.Queue[dict[str, str]] = asyncio.Queue()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message["type"])

        app = App(world.manager, world.spec, load_first=True)
        living = asyncio.create_task(app({"type": "lifespan"}, asked.get, send))
        asked.put_nowait({"type": "lifespan.startup"})
        await eventually(lambda: world.states("m") == {1: "LOADING"})
        await asyncio.sleep(0.5)
        assert sent == []
        gate.set()
        await eventually(lambda: sent)
        assert world.served("m") == [1]
        asked.put_nowait({"type": "lifespan.shutdown"})
        await living

    asyncio.run(whole())


@pytest.mark.parametrize("voice", ["tells", "silent"])
def test_every_worker_of_several_loads_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, voice: str
) -> None:
    received: list[Worker] = []
    monkeypatch.setattr("serving.worker.run_worker", lambda *given: received.append(given[2]) or 0)
    monkeypatch.setattr("serving.worker.log_as_json", lambda: None)
    monkeypatch.setattr("sys.stdin", io.StringIO(ServingSpec().model_dump_json()))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        descriptor = str(os.dup(listening.fileno()))
        assert worker.main([descriptor, str(tmp_path), "1", voice]) == 0
    assert received == [Worker(tmp_path, 1, load_first=True, tells=voice == "tells")]


def test_the_request_logs_of_all_workers_add_up(tmp_path: Path) -> None:
    log = RequestLogSpec(folder=tmp_path / "log", sample=1)
    other = SharedMetrics(Metrics(), tmp_path, "other")
    for what, count in (("seen", 5), ("sampled", 4), ("written", 1), ("dropped", 2), ("failed", 0)):
        other.metrics.set_count(f":kelp:serving:request_log_{what}", count)
    other.save()
    requests = RequestLog(log)
    app = App(
        World(tmp_path).manager, ServingSpec(), SharedMetrics(Metrics(), tmp_path, "this"), requests
    )
    requests.wants()
    requests.give_up(dropped=True)
    lines = app._metrics_page().body.decode().splitlines()
    requests.close()
    name = ":kelp:serving:request_log_"
    assert {f"{name}{what}{{}} {count}" for what, count in _LOGGED.items()} <= set(lines)
    assert f"# TYPE {name}seen counter" in lines
    assert f"# TYPE {name}waiting gauge" in lines


_LOGGED = {"seen": 6, "sampled": 5, "written": 1, "dropped": 3, "failed": 0, "waiting": 1}


def test_the_description_needs_no_server() -> None:
    described = describe(ServingSpec())
    assert set(described["paths"]["/v1/models/{name}/versions/{version}:predict"]) == {"post"}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/models/m:predict", {"origin": "https://a.example"}, 200),
        ("/V1/anything", {"origin": "http://localhost:3000"}, 200),
        ("/v1/models/m:predict", {}, 400),
        ("/v1/models/m:predict", {"origin": "null"}, 400),
        ("/healthz", {"origin": "https://a.example"}, 405),
        ("/other", {"origin": "https://a.example"}, 404),
    ],
)
def test_preflight_requests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str, headers: dict[str, str], status: int
) -> None:
    """They are answered whether or not other origins may ask, and without a key."""
    monkeypatch.setenv("MY_KEY", "secret")
    world = World(tmp_path, api_key_env="MY_KEY" if path.lower().startswith("/v1") else None)

    async def act(client: httpx.AsyncClient, world: World, app: App) -> None:
        answer = await client.options(path, headers=headers)
        assert answer.status_code == status
        assert (answer.content == b"") == (status == 200)
        assert "access-control-allow-origin" not in answer.headers

    run(world, act)


@pytest.mark.parametrize("key", [None, "MY_KEY"])
def test_pages_of_other_origins_may_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str | None
) -> None:
    monkeypatch.setenv("MY_KEY", "secret")
    sent = "Content-Type" if key is None else "Content-Type, Authorization, X-API-Key"
    allowed = {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "POST, GET",
        "access-control-allow-headers": sent,
    }

    async def act(client: httpx.AsyncClient, world: World, app: App) -> None:
        origin = {"origin": "https://a.example"}
        for verb, path, status in (
            ("OPTIONS", "/v1/models/m:predict", 200),
            ("POST", "/v1/models/m:predict", 200 if key is None else 401),
            ("GET", "/v1/models/none", 404 if key is None else 401),
        ):
            answer = await client.request(verb, path, headers=origin, content=b"x")
            assert answer.status_code == status
            assert {name: answer.headers.get(name) for name in allowed} == allowed
        assert not set(allowed) & set((await client.get("/healthz")).headers)

    run(World(tmp_path, cors=True, api_key_env=key), act)


def test_a_failed_precondition_is_400_and_counted_by_its_name(tmp_path: Path) -> None:
    async def act(client: httpx.AsyncClient, world: World, app: App) -> None:
        answer = await client.post("/v1/models/m:predict", content=b"unmet")
        assert answer.status_code == 400
        page = (await client.get("/monitoring/prometheus/metrics")).text
        assert 'request_count{model_name="m",status="FAILED_PRECONDITION"} 1' in page

    run(World(tmp_path), act)
