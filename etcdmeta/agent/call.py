"""One call of a client, as the handlers see it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

import grpc

from etcdmeta.agent.occupancy import Slot
from etcdmeta.wire.via import Relay, relaying

P = ParamSpec("P")
T = TypeVar("T")

MARGIN = 0.1
"""Seconds: an answer leaves so long before its caller gives up. Of a short deadline, a fifth."""


@dataclass(frozen=True, slots=True)
class Call:
    """``who``: the name in the caller's certificate; empty: nobody showed one. ``deadline``: monotonic seconds, None
    where the caller gave none. ``slot`` is None for a stream, and for what is not
    counted. ``via``: the agents that passed it on to this one."""

    method: str
    who: str
    client: str
    context: grpc.aio.ServicerContext
    deadline: float | None
    pool: Executor
    slot: Slot | None
    via: tuple[str, ...] = ()

    def before(self, seconds: float) -> float:
        """The caller's deadline, less what the answer needs for its way; at most so many seconds from now."""
        now = time.monotonic()
        if self.deadline is None:
            return now + seconds
        left = self.deadline - now
        return now + min(seconds, max(0.0, left - min(MARGIN, left / 5)))

    def timeout(self) -> float:
        """What is left for blocking work, in seconds."""
        return self.before(float("inf")) - time.monotonic()

    async def in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Blocking work: it occupies the request's place until it has ended, though the caller may be gone."""

        def done_for_it() -> T:
            deadline = None if self.deadline is None else self.before(float("inf"))
            with relaying(Relay(self.via, deadline)):
                return work(*args, **kwargs)

        if self.slot is None:
            return await asyncio.wrap_future(self.pool.submit(done_for_it))
        slot = self.slot
        slot.hold()
        try:
            future = self.pool.submit(done_for_it)
        except BaseException:
            slot.release()
            raise
        future.add_done_callback(lambda _: slot.release())
        return await asyncio.wrap_future(future)
