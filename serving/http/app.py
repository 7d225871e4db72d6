"""The ASGI application: TensorFlow Serving's REST API, and the pages of an operator."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import orjson

from serving.config import ServingSpec
from serving.errors import ServingError
from serving.http import metrics as names
from serving.http.bodies import Disconnected, Headers, Receive, read_body
from serving.http.cors import add_cors, check_preflight, cors_headers, is_preflight
from serving.http.keys import brings_key
from serving.http.metrics import CODES, Histogram, Labels, Metrics, SharedMetrics
from serving.http.openapi import describe
from serving.http.routes import Route, Router
from serving.request_log.log import RequestLog
from serving.versions.manager import ModelManager

if TYPE_CHECKING:
    from serving.rpc.server import RpcServer

Send = Callable[[dict[str, Any]], Awaitable[None]]
Scope = dict[str, Any]

_JSON = b"application/json"
_TEXT = b"text/plain; version=0.0.4; charset=utf-8"
_OPEN_PAGES = (b"/healthz", b"/readyz")
_SAVE_S = 1.0
_LOG = ":kelp:serving:request_log_"
# Errors whose name the metrics keep, and that HTTP answers as TensorFlow Serving does.
_HTTP_STATUSES = {412: 400}

logger = logging.getLogger(__name__)


class Answer:
    """A status and a body.

    Args:
      status: The status.
      body: The body.
      kind: The body's content type.
      counted: The status that names the answer in the metrics, where it is another.
    """

    __slots__ = ("body", "counted", "headers", "status")

    def __init__(
        self, status: int, body: bytes, kind: bytes = _JSON, counted: int | None = None
    ) -> None:
        self.status = status
        self.counted = status if counted is None else counted
        self.body = body
        self.headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body))]


class App:
    """Answers requests with the versions that a manager lends.

    Attributes:
      manager: What lends versions.
      metrics: What was counted.

    Args:
      manager: What lends versions.
      spec: The server's config.
      metrics: Where to count; None counts for this process alone.
      request_log: What keeps a sample of the requests; closed at the end.
      load_first: Takes no connection before all models are loaded.
      rpc: What answers by gRPC; started and stopped here.

    Raises:
      EnvironmentProblem: the config asks for an API key that is not set.
    """

    def __init__(
        self,
        manager: ModelManager,
        spec: ServingSpec,
        metrics: SharedMetrics | None = None,
        request_log: RequestLog | None = None,
        *,
        load_first: bool = False,
        rpc: RpcServer | None = None,
    ) -> None:
        self._load_first = load_first
        self._rpc = rpc
        self.manager = manager
        self.metrics = metrics or SharedMetrics(Metrics(), None, "")
        self._log = request_log
        self._spec = spec
        self._key = spec.api_key()
        self._cors = cors_headers(spec)
        self._router = Router()
        self._active = 0
        self._latencies: dict[tuple[str, str], Histogram] = {}
        self._closing = False
        self._saving: asyncio.Task[None] | None = None
        self._pages: dict[bytes, Callable[[], Answer]] = {
            b"/healthz": lambda: Answer(200, b'{"status":"alive"}'),
            b"/readyz": self._readiness,
            b"/monitoring/prometheus/metrics": self._metrics_page,
            b"/openapi.json": lambda: Answer(200, json.dumps(describe(spec)).encode()),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI's entry."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        try:
            answer = await self._answer(scope, receive)
        except Disconnected:
            return
        # Who got 413 instead of 100 never sends the body that the parser waits for.
        asks_first = any(name == b"expect" for name, _ in scope["headers"])
        if self._closing or (answer.status == 413 and asks_first):
            answer.headers.append((b"connection", b"close"))
        add_cors(answer.headers, scope["raw_path"], self._cors)
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers}
        )
        await send({"type": "http.response.body", "body": answer.body})

    def drain(self) -> None:
        """Is not ready any more, and asks clients to connect anew for the next request."""
        self._closing = True
        self.manager.drain()

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        verb, path, headers = scope["method"], scope["raw_path"], scope["headers"]
        if is_preflight(verb, path):
            return _preflight(headers)
        page = self._pages.get(path)
        if path not in _OPEN_PAGES and not brings_key(headers, self._key):
            return _error(ServingError(401, "The API key is missing or wrong"))
        if page is not None:
            if verb not in ("GET", "HEAD"):
                return _error(ServingError(405, f"{verb} is not for this page: GET is"))
            return page()
        if self._active >= self._spec.limits.concurrency:
            return _error(ServingError(429, "Too many requests at once"))
        self._active += 1
        try:
            return await self._model_answer(verb, path, headers, receive)
        finally:
            self._active -= 1

    async def _model_answer(
        self, verb: str, path: bytes, headers: Headers, receive: Receive
    ) -> Answer:
        started = time.perf_counter()
        route: Route | None = None
        try:
            route = self._router.route(verb, path)
            if verb == "POST":
                answer = Answer(200, await self._predict(route, headers, receive))
            else:
                answer = self._described(route)
        except ServingError as error:
            answer = _error(error)
        except (Disconnected, asyncio.CancelledError):
            self._count(route, 499, started)
            raise
        except Exception:
            logger.exception("request_failed", extra={"path": path.decode("latin-1")[:200]})
            answer = _error(ServingError(500, "Internal error"))
        self._count(route, answer.counted, started)
        return answer

    async def _predict(self, route: Route, headers: Headers, receive: Receive) -> bytes:
        limits = self._spec.limits
        body = await read_body(receive, headers, limits.body_bytes, limits.inflated_bytes)
        with self.manager.lookup(route.name, route.version, route.label) as predictor:
            if route.method == "predict":
                return await predictor.predict(body, limits.deadline_s)
            if route.method == "classify":
                return await predictor.classify(body, limits.deadline_s)
            return await predictor.regress(body, limits.deadline_s)

    def _described(self, route: Route) -> Answer:
        if route.method == "status":
            statuses = self.manager.status(route.name, route.version, route.label)
            status = {"model_version_status": [one.to_json() for one in statuses]}
            return Answer(200, json.dumps(status, indent=1).encode() + b"\n")
        with self.manager.lookup(route.name, route.version, route.label) as predictor:
            named = {"name": route.name, "signature_name": "", "version": str(predictor.version)}
            content = {"model_spec": named, "metadata": predictor.servable.metadata}
            return Answer(200, json.dumps(content, indent=1).encode() + b"\n")

    def _count(self, route: Route | None, status: int, started: float) -> None:
        """Counts as TensorFlow Serving does: all requests, and the time of those that succeed."""
        # Names that nobody serves would fill the memory.
        name = route.name if route is not None and self.manager.knows(route.name) else ""
        code = CODES.get(status, "UNKNOWN")
        self.metrics.metrics.count(names.REQUEST_COUNT, model_name=name, status=code)
        if route is None or status != 200:
            return
        method = "" if route.method in ("status", "metadata") else route.method
        latency = self._latencies.get((name, method))
        if latency is None:
            latency = self._latencies[name, method] = self.metrics.metrics.histogram(
                names.REQUEST_LATENCY, model_name=name, API=method, entrypoint="REST"
            )
        latency.add((time.perf_counter() - started) * 1e6)

    def _readiness(self) -> Answer:
        ready = self.manager.ready()
        readiness = {"ready": ready, "models": self.manager.available()}
        return Answer(200 if ready else 503, orjson.dumps(readiness))

    def _metrics_page(self) -> Answer:
        gauges: list[tuple[str, Labels, float]] = [
            (":kelp:serving:version_available", (("model_name", name), ("version", str(one))), 1.0)
            for name, versions in self.manager.available().items()
            for one in versions
        ]
        self._count_logged()
        total = self.metrics.total()
        if self._log is not None:
            done = sum(total.counted(f"{_LOG}{what}") for what in ("written", "dropped", "failed"))
            gauges.append((f"{_LOG}waiting", (), total.counted(f"{_LOG}sampled") - done))
        return Answer(200, total.text(gauges).encode(), _TEXT)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self.manager.start()
                if self._load_first:
                    await self.manager.settled()
                if self._rpc is not None:
                    await self._rpc.start()
                self._saving = asyncio.create_task(self._save(), name="kelp-metrics")
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._end()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _count_logged(self) -> None:
        """Puts the request log's counts where they add up with those of the other workers."""
        if self._log is None:
            return
        for what, count in asdict(self._log.counts).items():
            if what != "waiting":
                self.metrics.metrics.set_count(f"{_LOG}{what}", count)

    async def _save(self) -> None:
        while True:
            await asyncio.sleep(_SAVE_S)
            self._count_logged()
            self.metrics.save()

    async def _end(self) -> None:
        if self._saving is not None:
            self._saving.cancel()
        if self._rpc is not None:
            await self._rpc.stop()
        await self.manager.stop()
        if self._log is not None:
            await asyncio.to_thread(self._log.close)
        self._count_logged()
        self.metrics.save()


def _preflight(headers: Headers) -> Answer:
    try:
        check_preflight(headers)
    except ServingError as error:
        return _error(error)
    return Answer(200, b"", b"text/plain")


def _error(error: ServingError) -> Answer:
    try:
        body = orjson.dumps({"error": error.message})
    except TypeError:
        # A lone surrogate from the request, quoted in the message.
        body = json.dumps({"error": error.message}).encode()
    status = _HTTP_STATUSES.get(error.status, error.status)
    answer = Answer(status, body, counted=error.status)
    if error.status in (429, 503):
        answer.headers.append((b"retry-after", b"1"))
    elif error.status == 401:
        answer.headers.append((b"www-authenticate", b"Bearer"))
    elif error.status == 405:
        answer.headers.append((b"allow", b"GET, HEAD"))
    return answer
