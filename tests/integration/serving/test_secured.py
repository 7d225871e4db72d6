"""TLS, the health service and a config by call, over real sockets before models of text."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import signal
import socket
import ssl
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import grpc
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from contracts.errors import KelpError
from serving.config import ServingSpec, ShutdownSpec
from serving.http.app import App
from serving.http.metrics import Metrics
from serving.proxy.app import create_proxy
from serving.rpc.server import RpcServer
from serving.server import Server, Worker, listen, settings
from serving.tls import TlsSpec
from tests.unit.serving.fakes import BROKEN, World, eventually, write_version

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
CLOSE_S = 0.2


def write_certificate(folder: Path, name: str) -> tuple[Path, Path]:
    """A certificate for loopback that is its own root, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.timezone.utc)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / f"{name}.pem", folder / f"{name}.key"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return cert_file, key_file


@dataclass(frozen=True)
class Served:
    """A server of REST and gRPC.

    Attributes:
      world: Its models.
      app: The application.
      url: Of REST.
      target: Of gRPC.
      rpc: The gRPC server.
    """

    world: World
    app: App
    url: str
    target: str
    rpc: RpcServer


@asynccontextmanager
async def listening(app: Any, spec: Any) -> AsyncIterator[str]:
    config = settings(app, spec)
    config.load()
    server = Server(config, app, spec, Worker(tells=False))
    server.lifespan = config.lifespan_class(config)
    with listen("127.0.0.1", 0) as listener:
        await server.startup([listener])
        try:
            yield f"{spec.scheme}://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            await server.shutdown([listener])


@asynccontextmanager
async def serving(world: World) -> AsyncIterator[Served]:
    with listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
    spec = world.spec.model_copy(update={"grpc_port": port})
    rpc = RpcServer(world.manager, spec, Metrics())
    app = App(world.manager, spec, load_first=True, rpc=rpc)
    async with listening(app, spec) as url:
        yield Served(world, app, url, f"127.0.0.1:{port}", rpc)


def run(world: World, act: Callable[[Served], Awaitable[None]]) -> None:
    async def whole() -> None:
        async with serving(world) as served:
            await act(served)

    asyncio.run(asyncio.wait_for(whole(), 60))


def test_rest_grpc_and_the_proxy_speak_tls(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path, "server")
    world = World(tmp_path, tls=TlsSpec(cert=str(cert), key=str(key)))
    world.write("m", 1)
    trust = ssl.create_default_context(cafile=str(cert))

    async def act(served: Served) -> None:
        async with httpx.AsyncClient(verify=trust, trust_env=False) as client:
            answer = await client.post(f"{served.url}/v1/models/m:predict", content=b"x")
            assert answer.json() == {"predictions": [1]}
            plain = served.url.replace("https", "http")
            with pytest.raises(httpx.TransportError):
                await client.get(f"{plain}/healthz")
            proxy: Any = create_proxy(served.url, world.spec, ca=cert)
            async with listening(proxy, world.spec) as url:
                answer = await client.post(f"{url}/v1/models/m:predict", content=b"x")
                assert (answer.status_code, answer.json()) == (200, {"predictions": [1]})
        async with httpx.AsyncClient(trust_env=False) as stranger:
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                await stranger.get(f"{served.url}/healthz")
        credentials = grpc.ssl_channel_credentials(cert.read_bytes())
        async with grpc.aio.secure_channel(served.target, credentials) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert (await health.Check(health_pb2.HealthCheckRequest())).status == SERVING
        async with grpc.aio.insecure_channel(served.target) as channel:
            with pytest.raises(grpc.RpcError):
                await health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(), timeout=5
                )

    run(world, act)


class SlowApp:
    """Answers `/slow` after a while, and all else at once."""

    def __init__(self) -> None:
        self.asked = threading.Event()

    def drain(self) -> None:
        pass

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            for step in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{step}.complete"})
            return
        if scope["path"] == "/slow":
            self.asked.set()
            await asyncio.sleep(3 * CLOSE_S)
        headers = [(b"content-length", b"4")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"done"})


def request_over_tls(address: tuple[str, int], trust: ssl.SSLContext, path: str) -> ssl.SSLSocket:
    """A connection that has sent a request, and never confirms its own end."""
    connection = trust.wrap_socket(
        socket.create_connection(address, timeout=20), server_hostname=address[0]
    )
    connection.sendall(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode())
    return connection


def test_connections_that_clients_leave_open_do_not_delay_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.server._CLOSE_S", CLOSE_S)
    cert, key = write_certificate(tmp_path, "server")
    trust = ssl.create_default_context(cafile=str(cert))
    spec = ServingSpec(
        tls=TlsSpec(cert=str(cert), key=str(key)), shutdown=ShutdownSpec(unready_s=0)
    )
    app = SlowApp()
    server = Server(settings(app, spec), cast("App", app), spec, Worker(tells=False))
    with (
        contextlib.ExitStack() as left_open,
        listen("127.0.0.1", 0) as listener,
        ThreadPoolExecutor(1) as client,
    ):
        address = listener.getsockname()

        def use_and_end() -> tuple[float, bytes]:
            try:
                left_open.enter_context(socket.create_connection(address))  # sends nothing
                plain = left_open.enter_context(socket.create_connection(address))
                plain.sendall(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
                idle = left_open.enter_context(request_over_tls(address, trust, "/"))
                assert idle.recv(4096).startswith(b"HTTP/1.1 200")
                slow = left_open.enter_context(request_over_tls(address, trust, "/slow"))
                assert app.asked.wait(10)
            finally:
                asked = time.monotonic()
                server.handle_exit(signal.SIGTERM, None)
            return asked, b"".join(iter(lambda: slow.recv(4096), b""))

        used = client.submit(use_and_end)
        server.run(sockets=[listener])
        ended = time.monotonic()
        asked, answer = used.result()
    assert (answer[:15], answer[-4:]) == (b"HTTP/1.1 200 OK", b"done")
    assert 3 * CLOSE_S < ended - asked < 5


def test_clients_have_to_show_a_certificate(tmp_path: Path) -> None:
    cert, key = write_certificate(tmp_path, "server")
    client_cert, client_key = write_certificate(tmp_path, "client")
    tls = TlsSpec(cert=str(cert), key=str(key), client_ca=str(client_cert))
    world = World(tmp_path, tls=tls, host="0.0.0.0")
    world.write("m", 1)
    assert world.spec.is_guarded
    stranger = ssl.create_default_context(cafile=str(cert))
    known = ssl.create_default_context(cafile=str(cert))
    known.load_cert_chain(client_cert, client_key)

    async def act(served: Served) -> None:
        async with httpx.AsyncClient(verify=known, trust_env=False) as client:
            assert (await client.get(f"{served.url}/readyz")).status_code == 200
        async with httpx.AsyncClient(verify=stranger, trust_env=False) as client:
            with pytest.raises(httpx.TransportError):
                await client.get(f"{served.url}/readyz")
        for own, works in (((client_key, client_cert), True), (None, False)):
            pair = [path.read_bytes() for path in own] if own else [None, None]
            credentials = grpc.ssl_channel_credentials(cert.read_bytes(), *pair)
            async with grpc.aio.secure_channel(served.target, credentials) as channel:
                asked = health_pb2_grpc.HealthStub(channel).Check(
                    health_pb2.HealthCheckRequest(), timeout=5
                )
                if works:
                    assert (await asked).status == SERVING
                else:
                    with pytest.raises(grpc.RpcError):
                        await asked

    run(world, act)


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"cert": "none.pem"}, "tls.cert none.pem"),
        ({"key": "none.key"}, "tls.key none.key"),
        ({"key": "other.key"}, "tls.key"),
        ({"client_ca": "server.key"}, "tls.client_ca"),
    ],
)
def test_certificate_files_that_cannot_be_used_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str], named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_certificate(tmp_path, "server")
    write_certificate(tmp_path, "other")
    with pytest.raises(KelpError) as caught:
        TlsSpec(**{"cert": "server.pem", "key": "server.key", **wrong}).check()
    assert named in str(caught.value)


def test_health_follows_readiness(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("m", 1)

    async def act(served: Served) -> None:
        async with grpc.aio.insecure_channel(served.target) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            for service in ("", "ModelService", "PredictionService"):
                asked = health_pb2.HealthCheckRequest(service=service)
                assert (await health.Check(asked, timeout=5)).status == SERVING
            with pytest.raises(grpc.RpcError) as caught:
                await health.Check(health_pb2.HealthCheckRequest(service="x"), timeout=5)
            assert caught.value.code() is grpc.StatusCode.NOT_FOUND
            watching = health.Watch(health_pb2.HealthCheckRequest())
            assert (await watching.read()).status == SERVING
            served.app.drain()
            assert (await watching.read()).status == NOT_SERVING
            # Who watches does not keep the server from going.
            await asyncio.wait_for(served.rpc.stop(), 5)
            assert await watching.read() is grpc.aio.EOF

    run(world, act)


def config_of(*models: tuple[str, Path], **labels: int) -> Any:
    request = model_management_pb2.ReloadConfigRequest()
    request.config.model_config_list.SetInParent()
    for name, base in models:
        model = request.config.model_config_list.config.add()
        model.name, model.base_path, model.model_platform = name, str(base), "tensorflow"
        for label, version in labels.items():
            model.version_labels[label] = version
    return request


def test_a_config_by_call_replaces_the_models_until_the_file_changes(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("m", 1)
    others = tmp_path / "elsewhere"
    write_version(others, "n", 3)
    write_version(others, "broken", 1, BROKEN)

    async def act(served: Served) -> None:
        async with grpc.aio.insecure_channel(served.target) as channel:
            models = model_service_pb2_grpc.ModelServiceStub(channel)

            async def reload(request: Any) -> Any:
                return await models.HandleReloadConfigRequest(request, timeout=30)

            async def refused(request: Any) -> tuple[str, str]:
                with pytest.raises(grpc.RpcError) as caught:
                    await reload(request)
                return caught.value.code().name, caught.value.details()

            assert (await reload(config_of(("n", others / "n"), stable=3))).status.error_code == 0
            assert world.served("n") == [3]
            await eventually(lambda: world.served("m") == [])
            await eventually(world.manager.ready)
            assert world.manager.lookup("n", label="stable").predictor.version == 3

            code, result = await refused(config_of(("broken", others / "broken")))
            assert (code, "It is broken" in result) == ("INTERNAL", True)
            await eventually(lambda: world.served("n") == [3])
            code, result = await refused(config_of(("n", others / "n"), stable=4))
            assert (code, "version 4 of model n" in result) == ("FAILED_PRECONDITION", True)
            wrong = (
                config_of(("n", Path("n"))),
                config_of(("n", others / "n"), ("n", others / "n")),
                config_of(("", others / "n")),
                model_management_pb2.ReloadConfigRequest(),
            )
            for request in wrong:
                assert (await refused(request))[0] == "INVALID_ARGUMENT"
            assert world.served("n") == [3]

        text = f'model_config_list {{ config {{ name: "m" base_path: "{world.root}/m" }} }}'
        (world.root / "models.config").write_text(text)
        await world.until("m", [1])
        await eventually(lambda: world.served("n") == [])

    run(world, act)


def test_workers_share_a_config_that_came_by_call(tmp_path: Path) -> None:
    from serving.release.config_file import ModelEntry
    from serving.versions.sources import Sources

    world = World(tmp_path)
    world.write("m", 1)
    write_version(tmp_path, "n", 2)
    shared = tmp_path / "reloaded.json"
    first, second = Sources(world.spec, shared), Sources(world.spec, shared)
    assert [one.name for one in second.look()] == ["m"]
    first.look()
    first.pin({"n": ModelEntry("n", str(tmp_path / "n"), versions=(2,), labels={"stable": 2})})
    (target,) = second.look()
    assert (target.name, target.policy.versions, target.labels) == ("n", (2,), {"stable": 2})
    assert json.loads(shared.read_text())["stamp"] is None
    second.restore(None)
    assert [one.name for one in first.look()] == ["m"]


def test_strangers_may_not_name_folders(tmp_path: Path) -> None:
    world = World(tmp_path, host="0.0.0.0")
    world.write("m", 1)

    async def act(served: Served) -> None:
        async with grpc.aio.insecure_channel(served.target) as channel:
            models = model_service_pb2_grpc.ModelServiceStub(channel)
            with pytest.raises(grpc.RpcError) as caught:
                await models.HandleReloadConfigRequest(config_of(), timeout=10)
            assert caught.value.code() is grpc.StatusCode.PERMISSION_DENIED
            assert "api_key_env" in caught.value.details()
            assert world.served("m") == [1]

    run(world, act)


def test_calls_without_a_model_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.write("m", 1)
    nameless = predict_pb2.PredictRequest()
    nameless.model_spec.signature_name = "x"

    async def act(served: Served) -> None:
        async with grpc.aio.insecure_channel(served.target) as channel:
            predictions = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            models = model_service_pb2_grpc.ModelServiceStub(channel)
            metadata = get_model_metadata_pb2.GetModelMetadataRequest(
                metadata_field=["signature_def"]
            )
            for ask, request, result in (
                (predictions.Predict, predict_pb2.PredictRequest(), "Missing ModelSpec"),
                (predictions.Predict, nameless, "ModelSpec has no name specified."),
                (predictions.GetModelMetadata, metadata, "Missing ModelSpec"),
                (
                    models.GetModelStatus,
                    get_model_status_pb2.GetModelStatusRequest(),
                    "Missing ModelSpec",
                ),
            ):
                with pytest.raises(grpc.RpcError) as caught:
                    await ask(request, timeout=10)
                assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
                assert caught.value.details() == result

    run(world, act)
