"""The whole picture as messages of bounded size, made in a thread.

Listing 100,000 records takes a good part of a second; each piece some milliseconds. Readers of one picture share its
pieces, and only a few pictures are in memory at a time: who comes when all places are taken waits for one.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor
from contextlib import asynccontextmanager
from typing import Any

from etcdmeta.agent.revisionlog import Tip
from etcdmeta.agent.threads import in_thread
from etcdmeta.errors import TooManyRequests
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.replica.listing import listing
from etcdmeta.wire.pb import agent_pb2 as pb

MOST = 8
"""Pictures in memory as bytes: of 100,000 groups each takes some 30 MB."""
WAIT = 10.0
"""Seconds for a place among them."""
_RECORD_OVERHEAD = 24
"""Bytes of tags and counters, roughly."""


class Picture:
    """The pieces of one snapshot, each the bytes of a message of ``kind`` with nothing but ``records``.

    A piece is made, in a thread, when the first reader comes to it.
    """

    def __init__(self, tip: Tip, keyspace: Keyspace, kind: Any, piece_bytes: int, pool: Executor) -> None:
        self.tip = tip
        self.readers = 0
        self._kind = kind
        self._piece_bytes = piece_bytes
        self._keyspace = keyspace
        self._pool = pool
        self._mutex = threading.Lock()
        self._made: list[bytes] = []
        self._complete = False
        self._source = self._pieces()

    def is_of(self, kind: Any) -> bool:
        """Whether its pieces are messages of that class."""
        return self._kind is kind

    async def pieces(self) -> AsyncIterator[bytes]:
        number = 0
        while True:
            made = self._made
            piece = made[number] if number < len(made) else await in_thread(self._pool, self._piece, number)
            if piece is None:
                return
            yield piece
            number += 1

    def _piece(self, number: int) -> bytes | None:
        with self._mutex:
            while len(self._made) <= number and not self._complete:
                made = next(self._source, None)
                if made is None:
                    self._complete = True
                else:
                    self._made.append(made)
            return self._made[number] if number < len(self._made) else None

    def _pieces(self) -> Iterator[bytes]:
        snapshot = self.tip.snapshot
        mark = snapshot.generation_mark
        records: list[pb.Record] = []
        size = 0
        for key, value, mod, create in listing(snapshot):
            absolute = self._keyspace.absolute(key)
            length = len(absolute) + len(value) + _RECORD_OVERHEAD
            if records and size + length > self._piece_bytes:
                yield self._kind(records=records).SerializeToString()
                records, size = [], 0
            version = mark.version if mark is not None and key == keys.GENERATION else 1
            records.append(
                pb.Record(key=absolute, value=value, create_revision=create, mod_revision=mod, version=version)
            )
            size += length
        if records:
            yield self._kind(records=records).SerializeToString()


class Pictures:
    """Of one agent, on its loop."""

    def __init__(self, keyspace: Keyspace, piece_bytes: int, pool: Executor) -> None:
        self._keyspace = keyspace
        self._piece_bytes = piece_bytes
        self._pool = pool
        self._open: list[Picture] = []
        self._freed = asyncio.Event()

    @asynccontextmanager
    async def read(self, kind: Any, newest: Callable[[], Tip], fits: Callable[[Tip], bool]) -> AsyncIterator[Picture]:
        """One that somebody reads already and that ``fits``, else the newest. ``kind``: the class of its messages.

        Raises `TooManyRequests` where too many others are read for too long, and what ``newest`` raises.
        """
        picture = await self._take(kind, newest, fits)
        picture.readers += 1
        try:
            yield picture
        finally:
            picture.readers -= 1
            if not picture.readers:
                self._open.remove(picture)
                self._freed.set()

    async def _take(self, kind: Any, newest: Callable[[], Tip], fits: Callable[[Tip], bool]) -> Picture:
        deadline = time.monotonic() + WAIT
        while True:
            for picture in reversed(self._open):
                if picture.is_of(kind) and fits(picture.tip):
                    return picture
            if len(self._open) < MOST:
                picture = Picture(newest(), self._keyspace, kind, self._piece_bytes, self._pool)
                self._open.append(picture)
                return picture
            self._freed.clear()
            try:
                await asyncio.wait_for(self._freed.wait(), deadline - time.monotonic())
            except TimeoutError:
                raise TooManyRequests(
                    f"{MOST} pictures are being sent by this agent",
                    value=MOST,
                    rule="a whole picture is large, and only so many are sent at a time",
                    remedy="try again in a moment, or ask another agent",
                ) from None
