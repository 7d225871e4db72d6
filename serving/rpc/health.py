"""The standard gRPC health service, which load balancers and orchestrators ask."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from grpc_health.v1 import health, health_pb2

# The server as a whole, and the names that TensorFlow Serving gives.
SERVICES = ("", "ModelService", "PredictionService")

_LOOK_S = 0.1
_STATUS = health_pb2.HealthCheckResponse.ServingStatus


class HealthService(health.aio.HealthServicer):
    """Says of the server, and of each service, whether `/readyz` would answer 200.

    Args:
      is_ready: Whether the server is ready; must return at once.
    """

    def __init__(self, is_ready: Callable[[], bool]) -> None:
        super().__init__()
        self._is_ready = is_ready
        self._was_ready: bool | None = None
        self._ended = asyncio.Event()
        self._looking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to look, so that who watches hears of a change."""
        await self._refresh()
        self._looking = asyncio.create_task(self._look(), name="kelp-health")

    async def stop(self) -> None:
        """Says that nothing is served any more, and lets go of those who watch."""
        if self._looking is not None:
            self._looking.cancel()
        await self.enter_graceful_shutdown()
        self._ended.set()

    async def Check(self, request: Any, context: Any) -> Any:  # noqa: N802 (the service's name)
        """Answers how it is now."""
        await self._refresh()
        return await super().Check(request, context)

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802
        """Answers how it is, and again whenever that changes, until the server goes."""
        watching = asyncio.ensure_future(super().Watch(request, context))
        ending = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((watching, ending), return_when=asyncio.FIRST_COMPLETED)
            # One turn more, in which the last change is written.
            await asyncio.sleep(0)
        finally:
            ending.cancel()
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            await self._refresh()

    async def _refresh(self) -> None:
        ready = self._is_ready()
        if ready == self._was_ready:
            return
        self._was_ready = ready
        for service in SERVICES:
            await self.set(service, _STATUS.SERVING if ready else _STATUS.NOT_SERVING)
