"""How the agent is: for its HTTP port, and for systemd's watchdog."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from typing import Any

from etcdmeta.agent.background import in_background
from etcdmeta.agent.exposition import Verdict
from etcdmeta.agent.liveness import LivenessState
from etcdmeta.agent.metrics import Observed
from etcdmeta.agent.systemd import Notifier
from etcdmeta.errors import ClusterProblem, EtcdMetaError, StoreClosed
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.replica.states import FollowerState
from etcdmeta.store.driver import Freshness
from etcdmeta.wire.pb import agent_pb2 as pb

log = logging.getLogger("etcdmeta.agent")

BEAT_SECONDS = 5.0
_MISSED = 3
"""Beats, until the loop counts as one that does not answer."""
_SILENT_FOLLOWER = 60.0
"""Seconds. A picture that is followed is proven current every few of them, by the thread that keeps the time."""


class Vitals:
    """Of one agent. All but `beat` may be called in any thread."""

    def __init__(self, observed: Observed, *, max_age: float | None) -> None:
        self._observed = observed
        self._max_age = max_age
        self.notifier = Notifier()
        self.ready = False
        """The start is over, and the end has not begun."""
        self._beat_at = time.monotonic()
        self._asking: asyncio.Task[bool] | None = None

    # --- the picture

    def snapshot(self) -> Snapshot | None:
        """The picture as it may be used; None where there is none, or it is too old."""
        store = self._observed.store
        try:
            return None if store is None else store.snapshot()
        except EtcdMetaError:
            return None

    @property
    def has_picture(self) -> bool:
        return self.snapshot() is not None

    def _freshness(self) -> Freshness | None:
        """None before there is a store, and when it is closed: the agent is ending then."""
        store = self._observed.store
        try:
            return None if store is None else store.freshness()
        except StoreClosed:
            return None

    # --- the heart beat

    async def beat(self) -> None:
        """For ever. systemd hears of us only while the loop comes here and the threads that follow etcd answer."""
        watchdog = self.notifier.watchdog
        every = BEAT_SECONDS if watchdog is None else watchdog / 2
        while True:
            self._beat_at = time.monotonic()
            if await self._follower_answers(every / 2):
                self.notifier.alive()
            else:
                log.error("the threads that follow the picture do not answer")
            self.notifier.status(self.line())
            await asyncio.sleep(max(0.0, self._beat_at + every - time.monotonic()))

    async def _follower_answers(self, within: float) -> bool:
        if self._observed.store is None:
            return True
        if self._asking is None or self._asking.done():  # else the last question is not answered yet
            self._asking = asyncio.ensure_future(in_background(self._is_followed))
        done, _ = await asyncio.wait((self._asking,), timeout=within)
        return bool(done) and self._asking.result()

    def _is_followed(self) -> bool:
        fresh = self._freshness()
        return fresh is None or fresh.state is not FollowerState.LIVE or fresh.age < _SILENT_FOLLOWER

    def line(self) -> str:
        facts = self.facts()
        age = facts["ageSeconds"]
        told = f"{facts['state']}, generation {facts['generation']}" + (f", {age:.0f} s old" if age else "")
        return f"{told}, {facts['streams']} streams" + (f"; {facts['problem']}" if facts["problem"] else "")

    # --- over HTTP

    def health(self) -> Verdict:
        """Whether there is something that it serves, and nothing in the way: a picture that is stale, though not older
        than it may be, is no reason to end an agent."""
        facts, fresh = self.facts(), self._freshness()
        late = time.monotonic() - self._beat_at
        every = BEAT_SECONDS if self.notifier.watchdog is None else self.notifier.watchdog / 2
        why = None
        if late > _MISSED * every:
            why = f"the agent's loop has not answered for {late:.0f} s"
        elif fresh is not None and isinstance(fresh.problem, ClusterProblem):
            why = str(fresh.problem)
        elif self.snapshot() is None:
            why = facts["problem"] or "there is no picture"
        return Verdict(why is None, {"status": "ok" if why is None else "failing", "why": why, **facts})

    def readiness(self) -> Verdict:
        """Whether to send it anything: it has started, and it has a picture to serve."""
        facts = self.facts()
        well = self.ready and facts["state"] != "closed" and self.snapshot() is not None
        return Verdict(well, {"status": "ready" if well else "not ready", **facts})

    def facts(self) -> dict[str, Any]:
        """As JSON tells it, ids as decimal strings."""
        observed = self._observed
        about: dict[str, Any] = {"state": "closed", "ageSeconds": None, "generation": 0, "revision": 0, "source": None}
        problem, fresh = None, self._freshness()
        if fresh is not None:
            problem = fresh.problem
            about = {
                "state": str(fresh.state),
                "ageSeconds": round(fresh.age, 3) if math.isfinite(fresh.age) else None,
                "generation": fresh.generation,
                "revision": fresh.revision,
                "source": pb.Freshness.Source.Name(observed.facts.source_of(fresh.endpoint)).lower(),
            }
        liveness = observed.liveness
        return {
            **about,
            "problem": None if problem is None else problem.message,
            "node": str(observed.facts.node_id) if observed.facts.node_id else None,
            "live": liveness is not None and liveness.status().state is LivenessState.LIVE,
            "streams": observed.server.streams if observed.server is not None else 0,
            "version": observed.facts.version,
        }
