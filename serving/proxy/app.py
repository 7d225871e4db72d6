"""The ASGI application of the proxy."""

from __future__ import annotations

import hashlib
import json
import logging
import random
import time
import urllib.parse
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import httpx
import orjson

from serving._columns import loads
from serving.config import ServingSpec
from serving.errors import ServingError
from serving.http.bodies import Disconnected, Receive, read_body
from serving.http.cors import add_cors, cors_headers, is_preflight
from serving.http.keys import brings_key
from serving.http.metrics import CODES, Labels, Metrics
from serving.http.routes import Route, Router
from serving.proxy.recorder import Exchange, Recorder
from serving.proxy.statistics import ReleaseFigures
from serving.proxy.upstream import Passed, Upstream
from serving.release.state import CANARY, STABLE, Release, ReleaseWatcher
from serving.request_log.log import RequestLog

Send = Callable[[dict[str, Any]], Awaitable[None]]
Scope = dict[str, Any]

RELEASES_PATH = "/monitoring/kelp/releases/"
METRICS_PATH = b"/monitoring/prometheus/metrics"
# Requests with the same value of this header all get the same version.
SPLIT_KEY = b"x-kelp-split-key"
_COUNT = ":kelp:proxy:request_count"
_LATENCY = ":kelp:proxy:request_latency"
_TEXT = [(b"content-type", b"text/plain; version=0.0.4; charset=utf-8")]
_JSON = [(b"content-type", b"application/json")]
# Those who watch the proxy have no key: Prometheus takes none from the environment.
_OPEN_PAGES = (b"/healthz", METRICS_PATH)
_INFERENCE = ("predict", "classify", "regress")

logger = logging.getLogger(__name__)


class Proxy:
    """Passes requests on; those that name no version by the releases.

    Args:
      upstream: The server behind it.
      spec: The limits, and what of the requests is logged.
      releases: The releases; None for none.
      seed: Of the split.

    Raises:
      EnvironmentProblem: the config asks for an API key that is not set.
    """

    def __init__(
        self, upstream: Upstream, spec: ServingSpec, releases: Path | None, seed: int | None = None
    ) -> None:
        self._upstream = upstream
        self._limits = spec.limits
        self._key = spec.api_key()
        self._cors = cors_headers(spec)
        self._releases = ReleaseWatcher(releases)
        self._figures: dict[str, ReleaseFigures] = {}
        self._router = Router()
        self._metrics = Metrics()
        self._draw = random.Random(seed)  # no secret hangs on it
        self._active = 0
        self._closing = False
        self._recorder = None
        if spec.request_log.folder is not None:
            self._recorder = Recorder(RequestLog(spec.request_log), upstream, spec.limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        try:
            answer = await self._answer(scope, receive)
        except Disconnected:
            return
        headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
        add_cors(headers, scope["raw_path"], self._cors)
        if self._closing:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def drain(self) -> None:
        """Asks clients to connect anew, to another, for the next request."""
        self._closing = True

    async def close(self) -> None:
        """Writes what the log still holds and closes all connections."""
        if self._recorder is not None:
            await self._recorder.close()
        await self._upstream.close()

    async def _answer(self, scope: Scope, receive: Receive) -> Passed:
        path: bytes = scope["raw_path"]
        try:
            open_to_all = path in _OPEN_PAGES or is_preflight(scope["method"], path)
            if not open_to_all and not brings_key(scope["headers"], self._key):
                raise ServingError(401, "The API key is missing or wrong")
            if path == b"/healthz":
                return Passed(200, _JSON, b'{"status":"alive"}')
            if path == METRICS_PATH:
                return self._metrics_page()
            if not path.startswith(b"/"):
                raise ServingError(
                    400, f"Malformed request: {scope['method']} {path.decode('latin-1')[:200]}"
                )
            if path.startswith(RELEASES_PATH.encode()):
                return self._release_page(urllib.parse.unquote(path[len(RELEASES_PATH) :].decode()))
            if self._active >= self._limits.concurrency:
                raise ServingError(429, "Too many requests at once")
            self._active += 1
            try:
                return await self._pass(scope, path, receive)
            finally:
                self._active -= 1
        except ServingError as error:
            return _error_answer(error)
        except Disconnected:
            raise
        except Exception:
            logger.exception("request_failed", extra={"path": path.decode("latin-1")[:200]})
            return _error_answer(ServingError(500, "Internal error"))

    async def _pass(self, scope: Scope, path: bytes, receive: Receive) -> Passed:
        verb, headers = scope["method"], scope["headers"]
        body = await read_body(
            receive, headers, self._limits.body_bytes, self._limits.inflated_bytes
        )
        query = b"?" + scope["query_string"] if scope["query_string"] else b""
        route = self._route(verb, path)
        release = self._releases.get(route.name) if route else None
        if route is None or route.method == "status":
            return await self._upstream.send(verb, path + query, headers, body)
        label = None
        if release is not None and route.version is None and route.label is None:
            label = STABLE if route.method == "metadata" else self._choose(release, headers)
        began = time.perf_counter()
        answer = await self._send(verb, route, label, query, headers, body)
        if route.method in _INFERENCE:
            if label == CANARY and _lacks_label(answer):
                # It has just been taken back: the request goes where it would go now.
                label = STABLE
                answer = await self._send(verb, route, label, query, headers, body)
            took_s = time.perf_counter() - began
            self._note(route, release, label, answer, took_s)
            if self._recorder is not None and answer.status == 200 and route.method == "predict":
                target = _target(route, label)
                self._recorder.record(Exchange(route.name, target, body, answer.body, took_s))
        return answer

    async def _send(
        self,
        verb: str,
        route: Route,
        label: str | None,
        query: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
    ) -> Passed:
        last = "/metadata" if route.method == "metadata" else f":{route.method}"
        target = f"{_target(route, label)}{last}".encode() + query
        try:
            return await self._upstream.send(verb, target, headers, body)
        except ServingError as error:
            # It counts for the version that was asked.
            return _error_answer(error)

    def _route(self, verb: str, path: bytes) -> Route | None:
        try:
            return self._router.route(verb, path)
        except ServingError:
            # The server says what is wrong with it.
            return None

    def _choose(self, release: Release, headers: list[tuple[bytes, bytes]]) -> str:
        if release.canary is None:
            return STABLE
        key = next((value for name, value in headers if name == SPLIT_KEY), None)
        if key is None:
            draw = self._draw.random()
        else:
            salted = b"%d %d %b" % (release.stable, release.canary, key)
            digest = hashlib.blake2b(salted, digest_size=8).digest()
            draw = int.from_bytes(digest, "big") / 2**64
        return CANARY if draw * 100 < release.canary_percent else STABLE

    def _note(
        self,
        route: Route,
        release: Release | None,
        label: str | None,
        answer: Passed,
        took_s: float,
    ) -> None:
        known = release is not None or answer.status == 200
        # Names that nobody serves would fill the memory.
        name, code = route.name if known else "", CODES.get(answer.status, "UNKNOWN")
        self._metrics.count(_COUNT, model_name=name, label=label or "", status=code)
        latency = self._metrics.histogram(_LATENCY, model_name=name, label=label or "")
        latency.add(took_s * 1e6)
        # A request that was sent under a release that is over counts for none.
        if release is None or label is None or release != self._releases.get(route.name):
            return
        figures = self._figures_of(route.name, release)
        content = None
        if release.canary is not None and route.method == "predict" and answer.status == 200:
            content = _read(answer.body)
        figures.add(label, answer.status, took_s * 1000, content)

    def _figures_of(self, name: str, release: Release) -> ReleaseFigures:
        figures = self._figures.get(name)
        if figures is None or figures.release != release:
            # What the versions did while the release was another says nothing about this one.
            figures = self._figures[name] = ReleaseFigures(name, release)
        return figures

    def _release_page(self, name: str) -> Passed:
        release = self._releases.get(name)
        if release is None:
            raise ServingError(404, f"There is no release of {name}")
        return Passed(200, _JSON, orjson.dumps(self._figures_of(name, release).to_json()))

    def _metrics_page(self) -> Passed:
        gauges: list[tuple[str, Labels, float]] = []
        if self._recorder is not None:
            counts = asdict(self._recorder.log.counts)
            gauges = [(f":kelp:proxy:request_log_{key}", (), counts[key]) for key in counts]
        return Passed(200, _TEXT, self._metrics.text(gauges).encode())

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def create_proxy(
    upstream: str,
    spec: ServingSpec,
    releases: Path | None = None,
    *,
    transport: httpx.AsyncBaseTransport | None = None,
    seed: int | None = None,
    ca: Path | None = None,
) -> Proxy:
    """The ASGI application of the proxy.

    Args:
      upstream: The server behind it.
      spec: The limits, and what of the requests is logged.
      releases: releases.json; None passes everything on as it is.
      transport: How requests travel to the server, where not by the network.
      seed: Of the split; None for another one each time.
      ca: The roots that the server's certificate is checked with; None takes the usual ones.

    Raises:
      EnvironmentProblem: the file with the roots cannot be used.
    """
    behind = Upstream(upstream, spec.limits.deadline_s, spec.limits.concurrency, transport, ca)
    return Proxy(behind, spec, releases, seed)


def _target(route: Route, label: str | None) -> str:
    target = f"/v1/models/{urllib.parse.quote(route.name, safe='')}"
    if route.version is not None:
        return f"{target}/versions/{route.version}"
    label = label or route.label
    return f"{target}/labels/{urllib.parse.quote(label, safe='')}" if label else target


def _lacks_label(answer: Passed) -> bool:
    return answer.status in (400, 404) and b"version label" in answer.body


def _read(body: bytes) -> Any:
    try:
        return loads(body)
    except ValueError:
        return None


def _error_answer(error: ServingError) -> Passed:
    headers = list(_JSON)
    if error.status in (429, 503):
        headers.append((b"retry-after", b"1"))
    return Passed(error.status, headers, json.dumps({"error": error.message}).encode())
