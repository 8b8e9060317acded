"""From the store's thread to everybody who waits on the loop: one log, and one wake-up for all.

The store tells of each picture in its own thread; there it is encoded and logged, and the loop is told, once, however
much follows until it has time. Then those who wait for a revision are woken at once, and the watches together after a
moment, so that what happens close together goes out in one message.
"""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable

from etcdmeta.agent.facts import Facts
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.revisionlog import RevisionLog, Tip
from etcdmeta.errors import ClusterDestroyed, EtcdMetaError, SchemaTooNew, StoreClosed, Unavailable
from etcdmeta.replica.states import FollowerState
from etcdmeta.store import MetaStore
from etcdmeta.store.listeners import Publication
from etcdmeta.wire.pb import agent_pb2 as pb

log = logging.getLogger("etcdmeta.agent")

_GIVEN_UP = (SchemaTooNew, ClusterDestroyed, StoreClosed)
FEW_STREAMS = 16
"""Up to so many, watches are woken as soon as the loop comes to it."""


class Feed:
    """All but `_publish` belongs to the loop that `start` was called on."""

    def __init__(self, store: MetaStore, facts: Facts, limits: Limits) -> None:
        self.log = RevisionLog(max_bytes=limits.log_bytes, max_entries=limits.log_entries, run_bytes=limits.piece_bytes)
        self.streams = 0
        """Watches that are woken together; each counts itself."""
        self.closing = False
        self.on_news: Callable[[], None] = lambda: None
        """Called on the loop after every publication, and at every beat."""
        self._store = store
        self._facts = facts
        self._limits = limits
        self._signalled = False
        self._given_up: EtcdMetaError | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._listening: list[asyncio.Future[None]] = []
        self._due: asyncio.TimerHandle | None = None
        self._beat: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end_tap: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to follow the store; on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._end_tap = self._store.tap(self._publish)
        self._on_beat()

    def close(self) -> None:
        """Everybody who waits wakes, for good, and finds `closing`."""
        self.closing = True
        if self._end_tap is not None:
            self._end_tap()
        for timer in (self._due, self._beat):
            if timer is not None:
                timer.cancel()
        _wake(self._waiting)
        _wake(self._listening)

    def check_open(self) -> None:
        """Raises `Unavailable` while the agent shuts down: what waits here goes elsewhere."""
        if self.closing:
            raise Unavailable(
                "the agent is shutting down",
                value=self._facts.address or None,
                rule="a stream ends with its agent, and goes on at another from the position it has",
                remedy="ask another agent: " + ", ".join(self._facts.others()) if self._facts.others() else None,
            )

    def check_readable(self) -> None:
        """Raises what the store's follower has given up for, as of the last beat: then readers of ours are to hear of
        it, keep what they have, and perhaps ask a newer agent."""
        if self._given_up is not None:
            raise self._given_up

    # --- the picture

    def tip(self) -> Tip:
        """The newest picture, and the place behind it. Raises what keeps the store from having one."""
        self.check_open()
        self.check_readable()
        tip = self.log.tip
        if tip is None:
            self._store.snapshot()  # says why not
            raise Unavailable("there is no picture yet", remedy="try again in a moment, or ask another agent")
        return tip

    def require_fresh(self) -> None:
        """Raises `TooStale` where the store was given a greatest age, and what else keeps it from being read."""
        self._store.snapshot()

    def freshness(self) -> pb.Freshness:
        """How old the picture is, now."""
        freshness = self._store.freshness()
        return pb.Freshness(
            age=freshness.age if math.isfinite(freshness.age) else None,
            live=freshness.state is FollowerState.LIVE,
            source=self._facts.source_of(freshness.endpoint),
            source_address=self._facts.source_address(freshness.endpoint),
        )

    # --- waiting

    async def news(self, deadline: float) -> bool:
        """Until something is published, or a beat has passed; False: the deadline (monotonic seconds) has."""
        left = deadline - time.monotonic()
        if left <= 0:
            return False
        waiter = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        timer = asyncio.get_running_loop().call_later(left, _wake, [waiter])
        try:
            await waiter
        finally:
            timer.cancel()
        return True

    async def wake_up(self) -> None:
        """Until the watches are woken: something was published, or a beat has passed."""
        waiter = asyncio.get_running_loop().create_future()
        self._listening.append(waiter)
        await waiter

    def _publish(self, publication: Publication) -> None:
        """In the store's thread, under the lock that orders publications: what waits for it waits for etcd's news."""
        try:
            self.log.take(publication)
        except Exception:
            log.exception("a picture could not be handed on")
            self.log.cut(publication.snapshot)
        if not self._signalled and self._loop is not None:
            self._signalled = True
            try:
                self._loop.call_soon_threadsafe(self._on_news)
            except RuntimeError:
                return  # the loop has ended, and nobody listens any more

    def _on_news(self) -> None:
        # First: what is published from here on signals again.
        self._signalled = False
        _wake(self._waiting)
        self.on_news()
        if self._due is None and self._loop is not None and not self.closing:
            delay = self._limits.combine if self.streams > FEW_STREAMS else 0.0
            self._due = self._loop.call_later(delay, self._wake_streams)

    def _wake_streams(self) -> None:
        self._due = None
        _wake(self._listening)

    def _on_beat(self) -> None:
        assert self._loop is not None
        try:
            problem = self._store.freshness().problem
        except StoreClosed as closed:
            problem = closed
        self._given_up = problem if isinstance(problem, _GIVEN_UP) else None
        self._beat = self._loop.call_later(self._limits.heartbeat / 2, self._on_beat)
        self.on_news()
        _wake(self._waiting)
        _wake(self._listening)


def _wake(waiters: list[asyncio.Future[None]]) -> None:
    for waiter in waiters:
        if not waiter.done():
            waiter.set_result(None)
    waiters.clear()
