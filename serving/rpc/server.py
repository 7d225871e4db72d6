"""The gRPC server of one process, on the event loop that answers REST."""

from __future__ import annotations

import grpc
from grpc_health.v1 import health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from contracts.errors import EnvironmentProblem
from serving.config import ServingSpec
from serving.http.metrics import Metrics
from serving.rpc.health import HealthService
from serving.rpc.services import Services
from serving.versions.manager import ModelManager


class RpcServer:
    """TensorFlow Serving's gRPC services, and the health service.

    Attributes:
      port: Where it listens, once it has started.

    Args:
      manager: What lends versions.
      spec: The server's config; its `grpc_port` is set.
      metrics: Where to count.
    """

    def __init__(self, manager: ModelManager, spec: ServingSpec, metrics: Metrics) -> None:
        self._manager = manager
        self._spec = spec
        self._metrics = metrics
        self._server: grpc.aio.Server | None = None
        self._health = HealthService(manager.ready)
        self.port = 0

    async def start(self) -> None:
        """Begins to listen.

        Raises:
          EnvironmentProblem: the port cannot be listened on.
        """
        spec = self._spec
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", spec.limits.body_bytes),
                ("grpc.max_send_message_length", spec.limits.inflated_bytes),
                # Workers share a port; another server must not.
                ("grpc.so_reuseport", int(spec.workers > 1)),
            ],
            maximum_concurrent_rpcs=spec.limits.concurrency,
        )
        services = Services(self._manager, spec, self._metrics)
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, self._server)
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, self._server)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        host = f"[{spec.host}]" if ":" in spec.host else spec.host
        try:
            address = f"{host}:{spec.grpc_port}"
            if spec.tls is None:
                self.port = self._server.add_insecure_port(address)
            else:
                credentials = spec.tls.grpc_credentials()
                self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError as error:
            raise EnvironmentProblem(
                "This address cannot be listened on.",
                where=f"{spec.host}:{spec.grpc_port}",
                expected="a free port of this machine",
                received=str(error),
                fix="stop what listens there, or choose another with --grpc-port",
            ) from error
        await self._health.start()
        await self._server.start()

    async def stop(self) -> None:
        """Takes no new call, and lets those in flight finish."""
        if self._server is not None:
            await self._health.stop()
            await self._server.stop(self._spec.shutdown.drain_s)
