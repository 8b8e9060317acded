"""Sending what many share: gRPC's flow control holds who sends, and nothing is queued for who does not read.

A watch needs no more than that: it holds one message, and a peer that is gone is noticed by pings. A picture is held by
who sends it, and there are places for a few: its reader has to go on reading.
"""

from __future__ import annotations

import asyncio

import grpc

from etcdmeta.errors import Unavailable

STALLED = 60.0
"""Seconds that one piece may take, until its reader is given up."""


class Stalled(Exception):
    """Internal: gRPC says nothing else on a stream before what is pending on it was read, so `settle` waits for that;
    the memory that many share is free by then."""

    def __init__(self, pending: asyncio.Task[None]) -> None:
        super().__init__("nobody reads")
        self._pending = pending

    async def settle(self) -> Unavailable:
        """What to tell the reader, when it reads again. One that is gone is noticed by pings, and ends this."""
        await self._pending
        return Unavailable(
            f"nothing was read of this stream for {STALLED:g} s",
            rule="a picture holds memory at the agent while it is sent, so it ends where nobody reads it",
            remedy="ask again",
        )


async def send_piece(context: grpc.aio.ServicerContext, message: bytes) -> None:
    """Returns when gRPC has taken it. Raises `Stalled`."""
    pending = asyncio.ensure_future(context.write(message))
    try:
        done, _ = await asyncio.wait({pending}, timeout=STALLED)
    except asyncio.CancelledError:
        pending.cancel()
        raise
    if not done:
        raise Stalled(pending)
    await pending
