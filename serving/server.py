"""The server: one process, or several that share a socket, until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn

from contracts.errors import EnvironmentProblem
from serving.batching import BatchLimits, Predictor
from serving.codec.signature import CLASSIFY, REGRESS
from serving.config import ServingSpec
from serving.http.app import App
from serving.http.metrics import (
    LOAD_COUNT,
    LOAD_LATENCY,
    RUNTIME_LATENCY,
    WARMUP_LATENCY,
    Metrics,
    SharedMetrics,
)
from serving.http.protocol import limited
from serving.logs import libraries_as_json, log_as_json
from serving.request_log.log import RequestLog
from serving.servable import Servable
from serving.versions.loading import Loading
from serving.versions.manager import ModelManager
from serving.versions.sources import Sources
from serving.versions.timed import TimedServable

_BACKLOG = 2048
_APIS = {CLASSIFY: "Classify", REGRESS: "Regress"}
# Threads that read large bodies or run slow models hold up the loop by so much at a time.
_SWITCH_S = 0.001
_SIGNALS = (signal.SIGINT, signal.SIGTERM)
# How long a client gets to confirm that a TLS connection ends.
_CLOSE_S = 1.0

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Worker:
    """How one process serves.

    Attributes:
      folder: Where the workers leave their metrics; None where this is the only one.
      parent: The supervisor's process id; without it a worker goes, too.
      load_first: Takes no connection before all models are loaded.
      tells: Prints the models once they are loaded.
    """

    folder: Path | None = None
    parent: int | None = None
    load_first: bool = False
    tells: bool = True


class Server(uvicorn.Server):
    """uvicorn's server that is first unready, then drains, and ends as one that was asked to.

    Args:
      config: uvicorn's.
      app: What it serves.
      spec: The server's config.
      worker: How this process serves.
    """

    def __init__(self, config: uvicorn.Config, app: App, spec: ServingSpec, worker: Worker) -> None:
        super().__init__(config)
        self._app = app
        self._spec = spec
        self._worker = worker
        self._asked: float | None = None
        self._telling: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Takes the signals that ask to go, and does not raise them again at the end."""
        before = {one: signal.signal(one, self.handle_exit) for one in _SIGNALS}
        try:
            yield
        finally:
            for one, handler in before.items():
                signal.signal(one, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002
        """Begins to go; the second time, goes without waiting for anyone."""
        if self._asked is not None:
            self.force_exit = self.should_exit = True
            return
        self._asked = time.monotonic()
        self._app.drain()
        logger.info("draining", extra={"signal": signal.Signals(sig).name})

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        await super().startup(sockets)
        if self._worker.tells:
            self._telling = asyncio.create_task(self._tell(), name="kelp-tell")

    async def on_tick(self, counter: int) -> bool:
        """Looks, ten times a second, whether it is time to go."""
        parent = self._worker.parent
        if parent is not None and os.getppid() != parent and self._asked is None:
            self.handle_exit(signal.SIGTERM, None)
        if (
            self._asked is not None
            and time.monotonic() - self._asked >= self._spec.shutdown.unready_s
        ):
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Waits for requests in flight alone, not for clients that leave connections open."""
        for server in self.servers:
            server.close()
        # uvicorn would wait for TLS handshakes, too, which may never end.
        self.servers = []
        aborting = asyncio.create_task(self._abort_unconfirmed(), name="kelp-abort")
        try:
            await super().shutdown(sockets)
        finally:
            aborting.cancel()

    async def _abort_unconfirmed(self) -> None:
        """Aborts TLS connections that have sent all, and whose end the client does not confirm."""
        before: set[asyncio.Transport] = set()
        while True:
            transports = [connection.transport for connection in self.server_state.connections]
            ending = {
                transport
                for transport in transports
                if transport.is_closing() and not transport.get_write_buffer_size()
            }
            for transport in ending & before:
                transport.abort()
            before = ending
            await asyncio.sleep(_CLOSE_S)

    async def _tell(self) -> None:
        await self._app.manager.settled()
        print(models_line(self._spec, self._app.manager.available()), flush=True)


def run_worker(spec: ServingSpec, listening: socket.socket, worker: Worker) -> int:
    """Serves on a socket until it is stopped.

    Returns:
      The status to exit with.

    Raises:
      EnvironmentProblem: the config asks for what is not there.
    """
    sys.setswitchinterval(_SWITCH_S)
    app = make_app(spec, worker)
    server = Server(settings(app, spec), app, spec, worker)
    server.run(sockets=[listening])
    logger.info("stopped")
    logging.shutdown()
    return 0 if server.started else 1


def settings(app: Any, spec: ServingSpec) -> uvicorn.Config:
    """How uvicorn serves an application: within limits, and without words of its own."""
    return uvicorn.Config(
        app,
        loop="uvloop",
        http=limited(spec.limits),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        backlog=_BACKLOG,
        timeout_keep_alive=math.ceil(spec.limits.idle_s),
        timeout_graceful_shutdown=math.ceil(spec.shutdown.drain_s),
        **(spec.tls.uvicorn_settings() if spec.tls is not None else {}),
    )


def make_app(spec: ServingSpec, worker: Worker) -> App:
    """The application of one process.

    Raises:
      EnvironmentProblem: the config asks for what is not there.
    """
    metrics = Metrics()

    def count(loading: Loading) -> None:
        path, status = str(loading.path), "success" if loading.code == "OK" else "fail"
        metrics.count(LOAD_COUNT, model_path=path, status=status)
        if loading.code == "OK":
            metrics.count(LOAD_LATENCY, loading.load_s * 1e6, model_path=path)
            metrics.histogram(WARMUP_LATENCY, model_path=path, status="OK").add(
                loading.warm_s * 1e6
            )

    log = RequestLog(spec.request_log) if spec.request_log.folder is not None else None

    def predictor(name: str, version: int, servable: Servable, limits: BatchLimits) -> Predictor:
        def took(method: str, seconds: float) -> None:
            api = _APIS.get(method, "Predict")
            runtime = metrics.histogram(RUNTIME_LATENCY, model_name=name, API=api, runtime="TF1")
            runtime.add(seconds * 1e6)

        timed = TimedServable(servable, took)
        made = Predictor(name, version, timed, limits)
        made.on_request = log.offer if log is not None else None
        return made

    reloaded = worker.folder / "reloaded.json" if worker.folder is not None else None
    manager = ModelManager(spec, predictor=predictor, on_load=count, shared=reloaded)
    shared = SharedMetrics(metrics, worker.folder, str(os.getpid()))
    rpc = None
    if spec.grpc_port is not None:
        # Its messages import TensorFlow, which who serves device files by REST does without.
        with libraries_as_json():
            from serving.rpc.server import RpcServer

        rpc = RpcServer(manager, spec, metrics)
    return App(manager, spec, shared, log, load_first=worker.load_first, rpc=rpc)


def listen(host: str, port: int, option: str = "--port") -> socket.socket:
    """A socket to serve on.

    Raises:
      EnvironmentProblem: the address cannot be listened on.
    """
    try:
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, *_, address = places[0]
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        raise EnvironmentProblem(
            "This address cannot be listened on.",
            where=f"{host}:{port}",
            expected="a free port of this machine",
            received=error.strerror or str(error),
            fix=f"stop what listens there, or choose another with {option}",
        ) from error


def greeting(spec: ServingSpec, listening: socket.socket) -> str:
    """What the server says when it begins to listen."""
    host, port = listening.getsockname()[:2]
    lines = [
        f"Kelp's development server: {spec.scheme}://{f'[{host}]' if ':' in host else host}:{port}",
        "For development, tests and small loads: production is the tensorflow/serving image.",
    ]
    if spec.grpc_port is not None:
        lines.append(f"gRPC: {host}:{spec.grpc_port}")
    if not spec.is_guarded:
        lines.append("warning: others can reach it, and it asks nobody for an API key.")
    return "\n".join(lines)


def models_line(spec: ServingSpec, available: dict[str, list[int]]) -> str:
    """What the server says when the models are loaded."""
    served = [f"  {name}: {', '.join(map(str, one))}" for name, one in available.items() if one]
    lacking = [name for name, one in available.items() if not one]
    lines = ["serving (model: versions)", *served] if served else []
    if lacking:
        lines.append(f"not available: {', '.join(lacking)}; GET /v1/models/NAME tells why")
    if not available:
        where = spec.model_config_file or f"{spec.models_root}/ and {spec.artifacts}/"
        lines.append(f"no model yet in {where}: `make train` makes one; it is served when it comes")
    return "\n".join(lines)


def serve(spec: ServingSpec, tell: Callable[[str], None]) -> int:
    """Serves until it is stopped.

    Args:
      spec: The server's config.
      tell: Prints a text for who started it.

    Returns:
      The status to exit with.

    Raises:
      EnvironmentProblem: the server cannot start.
    """
    spec.api_key()
    if spec.tls is not None:
        spec.tls.check()
    Sources(spec).look()
    ignore_hangup()
    log_as_json()
    quiet_libraries()
    if spec.grpc_port is not None:
        # Each worker binds it by itself, when there is nobody left to tell.
        listen(spec.host, spec.grpc_port, "--grpc-port").close()
    with listen(spec.host, spec.port) as listening:
        tell(greeting(spec, listening))
        if spec.workers == 1:
            return run_worker(spec, listening, Worker())
        from serving.supervisor import Supervisor

        return Supervisor(spec, listening).run()


def ignore_hangup() -> None:
    """SIGHUP changes nothing, here and in all workers: models.config is read again anyway."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def quiet_libraries() -> None:
    """Libraries greet on stderr, and look for a GPU that small batches do not need."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
