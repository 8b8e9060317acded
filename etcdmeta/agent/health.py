"""gRPC's standard health service, for load balancers, ``grpc_health_probe`` and orchestrators.

Our own, since the library's for asyncio forgets all who watch a service as soon as one of them leaves.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

_Status = health_pb2.HealthCheckResponse


class Health(health_pb2_grpc.HealthServicer):  # type: ignore[misc]  # grpc has no types
    """One answer for the server as a whole ("") and for each service named."""

    def __init__(self, *services: str) -> None:
        self._services = frozenset({"", *services})
        self._serving = False
        self._changed = asyncio.Event()

    @property
    def serving(self) -> bool:
        return self._serving

    def set(self, serving: bool) -> None:
        """Those who watch are told."""
        if serving != self._serving:
            self._serving = serving
            self._changed.set()
            self._changed = asyncio.Event()

    async def Check(self, request: Any, context: grpc.aio.ServicerContext) -> Any:  # noqa: N802 - the protocol's name
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        return _Status(status=self._status(request.service))

    async def Watch(self, request: Any, context: grpc.aio.ServicerContext) -> None:  # noqa: N802 - as above
        while True:
            changed = self._changed
            await context.write(_Status(status=self._status(request.service)))
            if request.service not in self._services:
                changed = asyncio.Event()  # it may never come, and the protocol says to wait for it
            await changed.wait()

    def _status(self, service: str) -> Any:
        if service not in self._services:
            return _Status.SERVICE_UNKNOWN
        return _Status.SERVING if self._serving else _Status.NOT_SERVING
