from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import subprocess
import sys

import httpx
import numpy as np
import pytest

from contracts.errors import KelpError
from serving.config import ServingSpec
from serving.proxy.app import create_proxy
from serving.proxy.statistics import Reservoir, one_row
from serving.release.state import Release, write_release
from serving.request_log.files import log_files
from serving.request_log.warm_up import read_log
from tests.unit.serving.fake_upstream import Behaviour, FakeUpstream

BODY = {"instances": [{"x": 1.5, "who": "Ada"}, {"x": 2.0, "who": "Bob"}]}


@contextlib.asynccontextmanager
async def _proxy(upstream, releases=None, seed=1, **spec):
    transport = upstream
    if not isinstance(upstream, httpx.AsyncBaseTransport):
        transport = httpx.ASGITransport(upstream)
    proxy = create_proxy("http://up", ServingSpec(**spec), releases, transport=transport, seed=seed)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(proxy), base_url="http://proxy"
    ) as client:
        yield client
    await proxy.close()


def _run(coroutine):
    return asyncio.run(coroutine)


def _release(folder, **fields):
    path = folder / "releases.json"
    write_release(path, "m", Release(**fields))
    return path


def test_requests_and_answers_pass_as_they_are():
    async def scene():
        server = FakeUpstream()
        async with _proxy(server) as client:
            answer = await client.post(
                "/v1/models/m/versions/9:predict?a=b",
                content=gzip.compress(json.dumps(BODY).encode()),
                headers={
                    "Content-Encoding": "gzip",
                    "X-API-Key": "k",
                    "TE": "trailers",
                    "HTTP2-Settings": "AA",
                },
            )
            assert answer.json()["predictions"][0] == {"y": 3.0, "z": 1.5}
            assert answer.headers["x-from"] == "upstream"
            missing = await client.get("/v1/models/other")
            assert missing.status_code == 404
            assert "Servable not found" in missing.json()["error"]
        method, path, headers, body = server.asked[0]
        assert (method, path) == ("POST", "/v1/models/m/versions/9:predict")
        assert json.loads(body) == BODY
        assert headers["x-api-key"] == "k"
        assert not {"content-encoding", "te", "http2-settings"} & headers.keys()
        assert headers["host"] == "up"

    _run(scene())


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (httpx.ConnectError("refused"), 503),
        (httpx.ReadTimeout("slow"), 504),
        (httpx.RemoteProtocolError("cut"), 502),
    ],
)
def test_what_is_wrong_behind_the_proxy_is_reported_in_json(failure, status):
    async def scene():
        def fail(request):
            raise failure

        async with _proxy(httpx.MockTransport(fail)) as client:
            answer = await client.post("/v1/models/m:predict", json=BODY)
            assert answer.status_code == status
            assert "behind the proxy" in answer.json()["error"]
            assert (await client.get("/healthz")).status_code == 200

    _run(scene())


def test_a_connection_that_was_closed_while_idle_fails_no_request():
    async def scene():
        seen = []

        def cut_once(request):
            seen.append(request)
            if len(seen) == 1:
                raise httpx.RemoteProtocolError("Server disconnected without a response")
            return httpx.Response(200, json={"predictions": [1]})

        async with _proxy(httpx.MockTransport(cut_once)) as client:
            assert (await client.post("/v1/models/m:predict", json=BODY)).status_code == 200

    _run(scene())


def test_bodies_are_bounded():
    async def scene():
        server = FakeUpstream()
        limits = {"body_mib": 0.001, "inflated_mib": 0.01}
        async with _proxy(server, limits=limits) as client:
            big = await client.post("/v1/models/m:predict", content=b"x" * 5000)
            bomb = await client.post(
                "/v1/models/m:predict",
                content=gzip.compress(b"0" * 50_000),
                headers={"Content-Encoding": "gzip"},
            )
        assert (big.status_code, bomb.status_code) == (413, 413)
        assert not server.asked

    _run(scene())


def test_traffic_is_split_as_the_release_says_and_follows_it(tmp_path, monkeypatch):
    monkeypatch.setattr("serving.release.state._LOOK_S", 0.0)

    async def scene():
        server = FakeUpstream({"stable": Behaviour(3), "canary": Behaviour(4, shift=10)})
        path = _release(tmp_path, stable=3, canary=4, canary_percent=25)
        async with _proxy(server, path) as client:
            for _ in range(400):
                await client.post("/v1/models/m:predict", json=BODY)
            assert 70 <= server.counts["canary"] <= 130
            assert server.counts["canary"] + server.counts["stable"] == 400
            page = (await client.get("/monitoring/kelp/releases/m")).json()
            assert page["release"]["canary"] == 4
            canary = page["labels"]["canary"]
            assert canary["requests"] == server.counts["canary"]
            assert canary["errors"] == 0
            assert set(canary["outputs"]["y"]["sample"]) == {13.0, 14.0}
            assert page["labels"]["stable"]["latency_ms"]["count"] == server.counts["stable"]
            text = (await client.get("/monitoring/prometheus/metrics")).text
            result = f'label="canary",status="OK"}} {server.counts["canary"]}'
            assert result in text
            # Who names a version or a label gets it.
            await client.post("/v1/models/m/labels/stable:predict", json=BODY)
            assert server.asked[-1][1] == "/v1/models/m/labels/stable:predict"
            metadata = (await client.get("/v1/models/m/metadata")).json()
            assert metadata["model_spec"]["version"] == "3"
            _release(tmp_path, stable=4, previous=3)
            before = server.counts["canary"]
            for _ in range(20):
                await client.post("/v1/models/m:predict", json=BODY)
            assert server.counts["canary"] == before
            page = (await client.get("/monitoring/kelp/releases/m")).json()
            assert page["labels"]["stable"]["requests"] == 20

    _run(scene())


def test_one_key_always_gets_one_version(tmp_path):
    async def scene():
        server = FakeUpstream({"stable": Behaviour(3), "canary": Behaviour(4)})
        path = _release(tmp_path, stable=3, canary=4, canary_percent=50)
        async with _proxy(server, path, seed=None) as client:
            for key in range(40):
                paths = set()
                for _ in range(3):
                    headers = {"X-Kelp-Split-Key": str(key)}
                    await client.post("/v1/models/m:predict", json=BODY, headers=headers)
                    paths.add(server.asked[-1][1])
                assert len(paths) == 1
        assert 30 <= server.counts["canary"] <= 90

    _run(scene())


def test_a_canary_that_has_just_gone_fails_nobody(tmp_path):
    async def scene():
        server = FakeUpstream({"stable": Behaviour(3)})
        path = _release(tmp_path, stable=3, canary=4, canary_percent=100)
        async with _proxy(server, path) as client:
            answer = await client.post("/v1/models/m:predict", json=BODY)
            assert answer.status_code == 200
            page = (await client.get("/monitoring/kelp/releases/m")).json()
            assert page["labels"]["canary"]["requests"] == 0

    _run(scene())


def test_errors_count_for_the_version_that_made_them(tmp_path):
    async def scene():
        labels = {"stable": Behaviour(3), "canary": Behaviour(4, error_every=2)}
        path = _release(tmp_path, stable=3, canary=4, canary_percent=100)
        async with _proxy(FakeUpstream(labels), path) as client:
            for _ in range(10):
                await client.post("/v1/models/m:predict", json=BODY)
            page = (await client.get("/monitoring/kelp/releases/m")).json()
            assert page["labels"]["canary"]["statuses"] == {"200": 5, "500": 5}
            assert page["labels"]["canary"]["errors"] == 5
            assert (await client.get("/monitoring/kelp/releases/no")).status_code == 404

    _run(scene())


@pytest.mark.parametrize("by_row", [True, False])
def test_the_proxy_logs_what_passes(tmp_path, by_row):
    async def scene():
        labels = {"stable": Behaviour(3)}
        releases = _release(tmp_path, stable=3)
        log = {"folder": tmp_path / "log", "sample": 1, "leave_out": ["who"]}
        async with _proxy(FakeUpstream(labels), releases, request_log=log) as client:
            body = BODY if by_row else {"inputs": {"x": [1.5, 2.0], "who": ["Ada", "Bob"]}}
            assert (await client.post("/v1/models/m:predict", json=body)).status_code == 200
            await client.post("/v1/models/other:predict", json=body)

    _run(scene())
    (request,) = read_log(log_files(tmp_path / "log", "m"))
    assert (request.name, request.version, request.signature) == ("m", 3, "serving_default")
    assert sorted(request.inputs) == ["x"]
    np.testing.assert_array_equal(request.inputs["x"], np.array([1.5, 2], np.float32))
    np.testing.assert_array_equal(request.outputs["y"], np.array([3, 4], np.float32))
    assert request.outputs["y"].dtype == np.float32


def test_a_request_that_cannot_be_read_for_the_log_is_answered_all_the_same(tmp_path):
    async def scene():
        log = {"folder": tmp_path / "log", "sample": 1}
        async with _proxy(FakeUpstream(), request_log=log) as client:
            # The stand-in does not mind what it is not asked to take.
            body = {"instances": [{"x": 1}]}
            assert (await client.post("/v1/models/m:predict", json=body)).status_code == 200
            for _ in range(50):
                text = (await client.get("/monitoring/prometheus/metrics")).text
                if "request_log_failed{} 1" in text:
                    break
                await asyncio.sleep(0.01)
            assert "request_log_failed{} 1" in text

    _run(scene())


@pytest.mark.parametrize(
    ("answer", "draw", "row"),
    [
        ({"predictions": [0.5, 0.25]}, 0.9, {"": 0.25}),
        ({"predictions": [[0.5, 0.25]]}, 0.0, {"[0]": 0.5, "[1]": 0.25}),
        ({"predictions": [{"p": 1, "c": "x", "ok": True}]}, 0.5, {"p": 1.0}),
        ({"outputs": {"p": [1, 2], "c": ["x", "y"]}}, 0.6, {"p": 2.0}),
        ({"outputs": [1, 2]}, 0.0, {"": 1.0}),
        ({"outputs": {"p": [float("nan")]}}, 0.0, {"p": 1e300}),
        ({"outputs": {"p": [1, 2], "q": [1]}}, 0.0, {}),
        ({"predictions": []}, 0.0, {}),
        ({"outputs": 3}, 0.0, {}),
        ([1], 0.0, {}),
        (None, 0.0, {}),
    ],
)
def test_one_row_of_an_answer_counts(answer, draw, row):
    assert one_row(answer, draw) == row


def test_a_sample_is_even():
    sample = Reservoir(np.random.default_rng(0), 200)
    for value in range(10_000):
        sample.add(value)
    assert sample.count == 10_000
    assert len(sample.values()) == 200
    assert 4000 < np.mean(sample.values()) < 6000


def test_the_proxy_needs_no_tensorflow():
    code = "import sys, serving.proxy.server; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_without_the_key_only_those_who_watch_are_answered(monkeypatch):
    monkeypatch.setenv("KEY", "right")

    async def ask():
        upstream = FakeUpstream()
        async with _proxy(upstream, api_key_env="KEY") as client:
            asked = {"wrong": {"X-API-Key": "wrong"}, "none": {}}
            asked |= {"right": {"X-API-Key": "right"}, "bearer": {"Authorization": "Bearer right"}}
            statuses = {}
            for name, headers in asked.items():
                answer = await client.post("/v1/models/m:predict", json=BODY, headers=headers)
                statuses[name] = answer.status_code
            for page in (
                "/healthz",
                "/monitoring/prometheus/metrics",
                "/monitoring/kelp/releases/m",
            ):
                statuses[page] = (await client.get(page)).status_code
        return statuses

    statuses = _run(ask())
    assert statuses["wrong"] == statuses["none"] == 401
    assert statuses["right"] == statuses["bearer"] == 200
    assert statuses["/healthz"] == statuses["/monitoring/prometheus/metrics"] == 200
    assert statuses["/monitoring/kelp/releases/m"] == 401


def test_a_key_that_is_not_set_is_reported(monkeypatch):
    monkeypatch.delenv("KEY", raising=False)
    with pytest.raises(KelpError, match="API key"):
        create_proxy("http://up", ServingSpec(api_key_env="KEY"))


def test_an_answer_has_one_date_the_proxys_own():
    """What came from behind is of that connection, and the proxy's server writes one."""

    async def scene():
        def dated(request):
            return httpx.Response(200, json={}, headers={"Date": "Mon, 01 Jan 2001 00:00:00 GMT"})

        async with _proxy(httpx.MockTransport(dated)) as client:
            answer = await client.get("/v1/models/m")
            assert "date" not in answer.headers

    _run(scene())


def test_a_target_that_is_no_path_is_refused():
    async def scene():
        server = FakeUpstream()
        proxy = create_proxy("http://up", ServingSpec(), transport=httpx.ASGITransport(server))
        sent = []

        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            sent.append(message)

        scope = {
            "type": "http",
            "method": "OPTIONS",
            "path": "*",
            "raw_path": b"*",
            "query_string": b"",
            "headers": [(b"host", b"proxy")],
        }
        await proxy(scope, receive, send)
        await proxy.close()
        assert sent[0]["status"] == 400
        assert json.loads(sent[1]["body"]) == {"error": "Malformed request: OPTIONS *"}
        assert not server.asked

    _run(scene())
