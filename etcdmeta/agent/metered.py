"""The context of a stream, counting what is sent on it."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

import grpc

from etcdmeta.agent.occupancy import Occupancy


class Metered:
    """A ``grpc.aio.ServicerContext`` to all who use it."""

    __slots__ = ("_context", "_occupancy")

    def __init__(self, context: grpc.aio.ServicerContext, occupancy: Occupancy) -> None:
        self._context = context
        self._occupancy = occupancy

    def write(self, message: bytes) -> Awaitable[None]:
        """The context's own, without another coroutine around it: there are tens of thousands in a second."""
        self._occupancy.bytes_sent += len(message)
        written: Awaitable[None] = self._context.write(message)
        return written

    def __getattr__(self, name: str) -> Any:
        return getattr(self._context, name)
