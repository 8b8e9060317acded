"""Whether the agent's picture has all that a caller has seen: never is anything older answered.

A position whose revision the picture has reached, in the same epoch, is behind us. For any other, etcd itself is asked:
one linearizable read says which revision it is at (H), and what the newest commit, liveness and progress are. Then

- a position past H is not of this history: etcd was restored. So is one of another epoch, as soon as our picture holds
  all that H shows: it is current, and the caller is told to take it as a whole;
- a position up to H is covered by our picture as soon as that is at H, or nothing below ``state/`` lies between. The
  latter is common: revisions move with the ledger and with everything else that is in etcd, and a caller that has just
  listed stands at such a one.

Where etcd cannot be asked, we wait a moment for the news, and else say who else to ask.
"""

from __future__ import annotations

import asyncio
import time
from concurrent.futures import Executor
from typing import NamedTuple

from etcdmeta.agent.facts import Facts
from etcdmeta.agent.feed import Feed
from etcdmeta.agent.limits import Limits
from etcdmeta.agent.revisionlog import Tip
from etcdmeta.agent.threads import in_thread
from etcdmeta.consensus.protocol import Compacted, FutureRevision
from etcdmeta.errors import AgentBehind, EtcdMetaError
from etcdmeta.model.snapshot import Position, Snapshot
from etcdmeta.records import keys
from etcdmeta.records.transaction import RawKeyValue
from etcdmeta.replica import advisory
from etcdmeta.store import MetaStore

_PAGE = 10_000
_GRACE = 0.1
"""Seconds: news that is on its way arrives by itself, and costs etcd nothing."""


class Placed(NamedTuple):
    """``revision``: what the caller has of our history, in our counting; None: it is of another history."""

    tip: Tip
    revision: int | None


class Evidence(NamedTuple):
    """What etcd said: its revision, that of the newest commit, and what is advisory then."""

    revision: int
    commit: int
    advisory: dict[keys.Kind, list[RawKeyValue]]


class Standing:
    """Of one agent, on its loop."""

    def __init__(self, store: MetaStore, feed: Feed, facts: Facts, limits: Limits, pool: Executor) -> None:
        self._store = store
        self._feed = feed
        self._facts = facts
        self._limits = limits
        self._pool = pool
        self._running: asyncio.Task[Evidence] | None = None
        self._next: asyncio.Task[Evidence] | None = None

    async def place(self, asked: Position | None, deadline: float, *, any_epoch: bool = False) -> Placed:
        """Where a caller stands that has seen ``asked``; returns when our picture has all of that.

        ``any_epoch``: the caller proves by itself whose history it is in. ``deadline``: monotonic seconds. Raises
        `AgentBehind`, and what keeps the store from having a picture.
        """
        began = time.monotonic()
        tip = self._feed.tip()
        if asked is None:
            return Placed(tip, tip.snapshot.revision)
        grace = min(deadline, began + _GRACE)
        while not _has(tip.snapshot, asked, any_epoch):
            same = any_epoch or tip.snapshot.position.epoch == asked.epoch
            if not same or not await self._feed.news(grace):
                return await self._prove(asked, began, deadline, any_epoch)
            tip = self._feed.tip()
        return Placed(tip, asked.revision)

    async def _prove(self, asked: Position, began: float, deadline: float, any_epoch: bool) -> Placed:
        patience = min(deadline, began + self._limits.patience)
        deadline = min(deadline, began + self._limits.catch_up)
        problem: EtcdMetaError | None = None
        while True:
            before = self._feed.tip().snapshot
            try:
                evidence = await self._evidence()
            except EtcdMetaError as error:
                evidence, problem = None, error
            until = patience if evidence is None else deadline
            while True:
                tip = self._feed.tip()
                if _has(tip.snapshot, asked, any_epoch):
                    return Placed(tip, asked.revision)
                if evidence is not None and before.revision > evidence.revision:
                    break  # we ourselves are in a history that etcd has left: the follower will notice
                if evidence is not None and _covers(tip.snapshot, evidence, len(self._store.keyspace.prefix)):
                    same = any_epoch or tip.snapshot.position.epoch == asked.epoch
                    inside = asked.revision <= max(evidence.revision, tip.snapshot.revision)
                    return Placed(tip, min(asked.revision, tip.snapshot.revision) if same and inside else None)
                if not await self._feed.news(until):
                    raise self._behind(asked, tip.snapshot, problem)
            if not await self._feed.news(until):
                raise self._behind(asked, before, problem)

    def _behind(self, asked: Position, snapshot: Snapshot, problem: EtcdMetaError | None) -> AgentBehind:
        others = ", ".join(self._facts.others())
        return AgentBehind(
            f"this agent's picture is at revision {snapshot.revision}, the caller has seen {asked.revision}"
            + (f", and etcd cannot be asked: {problem.message}" if problem else ""),
            value=asked.revision,
            rule="an agent answers nothing older than what its caller has",
            remedy=f"ask another agent: {others}" if others else "ask another agent, or try again",
        )

    async def _evidence(self) -> Evidence:
        """Of a read that begins after this call; those who come meanwhile share the next one."""
        if self._next is None:
            self._next = asyncio.create_task(self._ask(self._running))
            # Whoever asked may be gone when it fails.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._next)

    def close(self) -> None:
        """Nobody waits for a proof any more."""
        for task in (self._running, self._next):
            if task is not None:
                task.cancel()

    async def _ask(self, running: asyncio.Task[Evidence] | None) -> Evidence:
        if running is not None:
            await asyncio.wait([running])
        self._running, self._next = self._next, None
        return await in_thread(self._pool, self._read, time.monotonic() + self._limits.patience)

    def _read(self, deadline: float) -> Evidence:
        """In a thread. A revision that is compacted or gone between two reads is asked for anew."""
        absolute, strategy = self._store.keyspace.absolute, self._store.strategy
        while True:
            newest = strategy.read(absolute(keys.GENERATION), deadline=deadline)
            at = newest.header.revision
            commit = newest.kvs[0].mod_revision if newest.kvs else 0
            try:
                found = {
                    kind: self._list(absolute(start), absolute(end), at, deadline)
                    for kind, (start, end) in advisory.SPANS.items()
                }
            except (Compacted, FutureRevision):
                continue
            return Evidence(at, commit, found)

    def _list(self, start: bytes, end: bytes, revision: int, deadline: float) -> list[RawKeyValue]:
        kvs: list[RawKeyValue] = []
        while True:
            page = self._store.strategy.read(
                start, range_end=end, revision=revision, limit=_PAGE, keys_only=True, deadline=deadline
            )
            kvs += page.kvs
            if not page.more or not page.kvs:
                return kvs
            start = page.kvs[-1].key + b"\0"


def _has(snapshot: Snapshot, asked: Position, any_epoch: bool) -> bool:
    return (any_epoch or snapshot.position.epoch == asked.epoch) and asked.revision <= snapshot.revision


def _covers(snapshot: Snapshot, evidence: Evidence, prefix_length: int) -> bool:
    """Whether a picture holds all that etcd showed."""
    if snapshot.revision >= evidence.revision:
        return True
    mark = snapshot.generation_mark
    return (mark.mod_revision if mark else 0) == evidence.commit and all(
        advisory.divergence(snapshot, kind, kvs, prefix_length) is None for kind, kvs in evidence.advisory.items()
    )
