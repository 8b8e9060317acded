"""`MetaStore`: the cluster's metadata in memory, and the one way to change it."""

from __future__ import annotations

import getpass
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from etcdmeta.commands.guard import AcceptRestore, SetReadOnly
from etcdmeta.commands.plan import Command, Plan
from etcdmeta.consensus.protocol import Strategy
from etcdmeta.errors import EtcdMetaError, LimitReached, TooStale, Unavailable, WaitTimedOut
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.keys import Keyspace
from etcdmeta.replica.changes import Change, Lagged
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.replica.states import FollowerState
from etcdmeta.store.batch import Batch
from etcdmeta.store.clock import Clock, SystemClock
from etcdmeta.store.driver import Driver, Freshness
from etcdmeta.store.listeners import Listener, Publication
from etcdmeta.store.looking import Looking
from etcdmeta.store.opening import open_commits, open_strategy
from etcdmeta.store.operations import Fence, Operation, Outcome, new_operation_id, operation_time
from etcdmeta.store.pruning import Pruned
from etcdmeta.store.restore import acceptance, read_counters
from etcdmeta.store.shortcuts import Shortcuts

T = TypeVar("T")


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such variable, and the user is not in the password database
        return f"uid {os.getuid()}"


class MetaStore(Shortcuts, Looking):
    """A node's own copy of the cluster's metadata, kept current, and its way to write.

    Reading is free: `snapshot` is an immutable picture in memory, which any thread may use without a lock. Writing
    commits a command as one etcd transaction and returns when the own picture shows it. Every call has a deadline
    (``timeout`` seconds, the store's by default) and raises errors of `etcdmeta.errors` only.

    Thread-safe: any thread may call anything at any time. Commands of several threads that wait at the same moment are
    committed together. Not fork-safe: a child gets `ForkedProcess` and opens its own. Close it, or use it in ``with``;
    closing leaves no thread.
    """

    def __init__(
        self,
        strategy: Strategy,
        *,
        cluster: str = "default",
        timeout: float = 5.0,
        actor: str | None = None,
        max_age: float | None = None,
        clock: Clock | None = None,
        follower: FollowerConfig | None = None,
        cache_file: str | Path | None = None,
    ) -> None:
        """Over a strategy of the caller's, which the store closes. `open` is the usual way in."""
        keyspace = Keyspace(cluster)
        self._clock = clock or SystemClock()
        self._timeout = timeout
        self._max_age = max_age
        self._actor = actor or f"{_login()}@{platform.node()}"
        self._strategy = strategy
        self._keyspace = keyspace
        cache = None if cache_file is None else Path(cache_file)
        self._driver = Driver(strategy, keyspace, follower, cache)
        self._commits = open_commits(strategy, keyspace, self._driver, self._clock)
        self._driver.start()

    @classmethod
    def open(
        cls,
        endpoints: str | Iterable[str] = "localhost:2379",
        *,
        cluster: str = "default",
        timeout: float = 5.0,
        user: str | None = None,
        password: str | None = None,
        cacert: str | None = None,
        cert: str | None = None,
        key: str | None = None,
        actor: str | None = None,
        max_age: float | None = None,
        cache_file: str | Path | None = None,
        wait: bool = True,
    ) -> Self:
        """Connect, and wait until the picture is there.

        ``endpoints``: ``host:port`` of etcd members, several parted by commas, ``https://`` for TLS; or agents that
        follow and commit for this store, ``agent://host:port,…`` (``agents://``: TLS); or ``local://``, a cluster
        of its own in this process. ``cluster``: which metadata, by name. ``user``, ``password``: etcd's. ``cacert``,
        ``cert``, ``key``: PEM files. ``actor``: who is named in the history. ``max_age``: seconds beyond which
        `snapshot` refuses. ``cache_file``: keeps the picture on disk, so that the store opens, stale, while etcd is
        away. ``wait`` False: return at once; `wait_live` waits, `freshness` tells.

        Raises `InvalidAddress`, `InvalidName`, `Unavailable`, `AccessRefused`, `SchemaTooNew`, `ClusterDestroyed`.
        """
        strategy = open_strategy(endpoints, user=user, password=password, cacert=cacert, cert=cert, key=key)
        try:
            store = cls(strategy, cluster=cluster, timeout=timeout, actor=actor, max_age=max_age, cache_file=cache_file)
        except BaseException:
            strategy.close()
            raise
        try:
            if wait:
                store.wait_usable(timeout)
        except BaseException:
            store.close()
            raise
        return store

    def close(self) -> None:
        """End all threads and connections. What is being committed is settled first, or given up as unknown."""
        self._commits.close()
        self._driver.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<MetaStore {self._keyspace.cluster!r} at {','.join(self._strategy.endpoints)}>"

    # --- reading

    @property
    def cluster_name(self) -> str:
        return self._keyspace.cluster

    @property
    def keyspace(self) -> Keyspace:
        """Where the cluster's keys are."""
        return self._keyspace

    @property
    def actor(self) -> str:
        """Who is named in the history."""
        return self._actor

    @property
    def strategy(self) -> Strategy:
        """The way to etcd, for who serves it to others; the store closes it."""
        return self._strategy

    def counters(self) -> dict[str, int]:
        """What the follower met, by name, since the start."""
        return self._driver.counters()

    def snapshot(self) -> Snapshot:
        """The newest picture that this store has: from memory, immutable, as old as `freshness` says.

        Raises `TooStale` beyond ``max_age``, `StoreClosed`, `ForkedProcess`.
        """
        snapshot = self._driver.snapshot()
        if self._max_age is not None:
            age = self._driver.freshness().age
            if age > self._max_age:
                raise TooStale(
                    f"the picture is {age:.1f} s old",
                    value=age,
                    rule=f"at most {self._max_age:g} s were allowed",
                    remedy="see why etcd cannot be followed: `etcdmeta health`",
                )
        return snapshot

    def read_consistent(self, timeout: float | None = None) -> Snapshot:
        """A picture with everything that was committed before the call: one read of etcd, then the own cache.

        It promises the records, not liveness and progress, which are advisory. Raises `WaitTimedOut`, `Unavailable`.
        """
        return self._driver.prove(self.deadline(timeout))

    def wait_for(self, predicate: Callable[[Snapshot], T], timeout: float | None = None) -> T:
        """The first true value of ``predicate(snapshot)``, asked again at each new picture. Raises `WaitTimedOut`.

        The predicate runs in the caller's thread and should be quick: a new picture is not waited for meanwhile.
        """
        deadline = self.deadline(timeout)
        while True:
            snapshot = self._driver.snapshot()
            value = predicate(snapshot)
            if value:
                return value
            if not self._driver.wait_beyond(snapshot, deadline):
                self._driver.check_open()
                raise WaitTimedOut("what was waited for did not come true in time", remedy="wait longer")

    def wait_usable(self, timeout: float | None = None) -> None:
        """Like `wait_live`, but content with the stale picture of the cache file where etcd is away."""
        try:
            self.wait_live(timeout)
        except (Unavailable, LimitReached):
            if not self._driver.has_picture:
                raise

    def wait_live(self, timeout: float | None = None) -> None:
        """Until the picture is current and followed. Raises what keeps it from being so, past the deadline."""
        deadline = self.deadline(timeout)
        final: list[EtcdMetaError] = []

        def settled() -> bool:
            freshness = self._driver.freshness()
            if freshness.problem is not None and not isinstance(freshness.problem, Unavailable | LimitReached):
                final.append(freshness.problem)
                return True
            return freshness.state is FollowerState.LIVE

        live = self._driver.wait_until(settled, deadline)
        if final:
            raise final[-1]
        if not live:
            problem = self._driver.freshness().problem
            endpoints = ", ".join(self._strategy.endpoints)
            if problem is not None and type(problem) is not Unavailable:
                raise problem
            raise Unavailable(
                f"etcd could not be followed at {endpoints} in time" + (f": {problem.message}" if problem else ""),
                value=endpoints,
                rule=problem.rule if problem else None,
                remedy=(problem and problem.remedy) or "check the endpoints and that a majority of the members runs",
            )

    def freshness(self) -> Freshness:
        """State, age, generation, revision and endpoint of the picture, and what is wrong with it, if anything."""
        return self._driver.freshness()

    def changes(self, since: Snapshot | None = None, *, timeout: float | None = None) -> Iterator[Change | Lagged]:
        """What others, and this store, did, in order; first what came after ``since``, then as it happens.

        A reader that is too slow gets one `Lagged` with the picture to go on from. Ends when the store is closed, or
        when nothing came for ``timeout`` seconds (None: never). What a new listing had to bridge is ``joined``; what an
        import loads before anybody sees it is ``is_hidden``.
        """
        self._driver.check_open()
        listener, missed = self._driver.listeners.subscribe(since)
        return self._listen(listener, missed, timeout)

    def tap(self, callback: Callable[[Publication], None]) -> Callable[[], None]:
        """Hear of each new picture with the raw events that led to it, from the current one on; what ends it.

        For who hands the picture on. The callback runs in the thread that publishes, under the lock that orders
        publications: it must be quick, and raise nothing.
        """
        self._driver.check_open()
        return self._driver.listeners.tap(callback)

    def _listen(self, listener: Listener, missed: Sequence[Change], timeout: float | None) -> Iterator[Change | Lagged]:
        try:
            yield from missed
            while not listener.closed:
                item = listener.take(float("inf") if timeout is None else time.monotonic() + timeout)
                if item is None:
                    return
                yield item
        finally:
            self._driver.listeners.unsubscribe(listener)

    # --- writing

    def execute(
        self,
        command: Command,
        *,
        timeout: float | None = None,
        operation_id: str | None = None,
        fence: Fence | None = None,
    ) -> Outcome:
        """Commit one command; returns when the own picture shows it.

        ``operation_id``: a UUIDv7 (`etcdmeta.new_operation_id`) that makes the call repeatable: sent again, it is
        answered from the ledger and not done twice. Raises the command's refusals, which are final: they were
        proven on a current picture. `OutcomeUnknown` where etcd did not say, with the id to ask by: see `outcome`.
        ``fence``: commit only while that incarnation of a lead, or of a node's liveness, lasts; else `Fenced`.
        """
        return self._run((command,), timeout, operation_id, fence)[0]

    def submit(self, operations: Sequence[Operation], *, timeout: float | None = None) -> tuple[Outcome, ...]:
        """Commit somebody else's operations, with their ids and actors, in one transaction.

        Those that are ``external`` are looked up in the ledger first. Raises what `execute` raises.
        """
        self._driver.check_open()
        for operation in operations:
            operation_time(operation.id)
        return self._commits.run(operations, self.deadline(timeout)) if operations else ()

    def execute_all(
        self, commands: Sequence[Command], *, timeout: float | None = None, fence: Fence | None = None
    ) -> tuple[Outcome, ...]:
        """Several commands in one transaction, each on the picture that the one before leaves: all or nothing.

        They become one generation. Raises `CommandTooLarge` past a transaction's limits.
        """
        return self._run(tuple(commands), timeout, None, fence) if commands else ()

    def batch(self) -> Batch:
        """``with store.batch() as batch: batch.execute(…)``: all in one transaction at the end, or nothing."""
        return Batch(self.execute_all)

    def plan(self, command: Command, *, timeout: float | None = None) -> Plan:
        """What a command would check and write now, on a picture proven current; nothing is written.

        Ids in it are those that would come next: none are reserved. Raises the command's refusals.
        """
        deadline = self.deadline(timeout)
        operation = Operation(new_operation_id(), command, self._actor, self._clock.now())
        return self._commits.preview(operation, self._driver.prove(deadline), deadline)

    def outcome(self, operation_id: str, *, timeout: float | None = None) -> Outcome | None:
        """How an operation ended; None: whatever was sent of it until now is proven not committed, for ever.

        To be asked when the call that executed it has ended. Raises `OutcomeUnknown` where the ledger has nothing of
        it: it may still be on its way.
        """
        operation_time(operation_id)
        return self._commits.outcome(operation_id, self.deadline(timeout))

    def verify_password(self, name: str, password: str, *, timeout: float | None = None) -> bool:
        """Whether that is the user's password: one linearizable read of its hash, which no cache holds.

        An unknown user takes as long as a known one, and is False. Raises `Unavailable`.
        """
        return self._commits.verify_password(name, password, self.deadline(timeout))

    # --- upkeep and repairs

    def prune_ledger(
        self, *, timeout: float | None = None, fence: Fence | None = None, now: int | None = None
    ) -> Pruned:
        """Forget old operations. What is younger than 30 days, among the newest 50,000, lasting, or unreadable, stays.

        First the floor in the guard is raised, then the entries go, oldest first: interrupted, the same call goes on.
        ``now``: what they are old by, ns; the own clock (an agent's, where it does it), if it is not given.
        """
        return self._commits.prune(self._actor, self.deadline(timeout), fence, now)

    def accept_restore(self, *, id_margin: int = 0, generation: int = 0, timeout: float | None = None) -> Outcome:
        """Take what a restored etcd holds as the world from now on: a new epoch, and writes are allowed again.

        See `acceptance` for the arguments. Every store sees the new epoch, and writes again.
        """
        command = self.acceptance(id_margin=id_margin, generation=generation, timeout=timeout)
        outcome = self.execute(command, timeout=timeout)
        return replace(outcome, generation=self._driver.snapshot().generation)  # counted from the new base

    def acceptance(self, *, id_margin: int = 0, generation: int = 0, timeout: float | None = None) -> AcceptRestore:
        """The command that accepts a restore.

        Ids go on above all that this store has seen, in the lost part, too, plus ``id_margin`` for what it has not
        seen; the generation above what it has seen, and above ``generation``. A store that was opened after the restore
        has seen nothing of the lost part: give it both.
        """
        counters = read_counters(self._strategy, self._keyspace, self.deadline(timeout))
        return acceptance(self._driver.snapshot(), self._driver.abandoned(), counters, id_margin, generation)

    def set_read_only(self, read_only: bool, *, timeout: float | None = None) -> Outcome:
        """Refuse, or allow again, all writes of everybody, for maintenance."""
        return self.execute(SetReadOnly(read_only=read_only), timeout=timeout)

    # --- for the shortcuts

    def _run(
        self, commands: Sequence[Command], timeout: float | None, operation_id: str | None, fence: Fence | None = None
    ) -> tuple[Outcome, ...]:
        now = self._clock.now()
        # In order: they are committed at one revision, and the history goes by revision and id.
        ids = sorted(new_operation_id() for _ in commands) if operation_id is None else [operation_id]
        operations = [
            Operation(own_id, command, self._actor, now, operation_id is not None, fence=fence)
            for own_id, command in zip(ids, commands, strict=True)
        ]
        return self.submit(operations, timeout=timeout)

    def latest(self) -> Snapshot:
        """Like `snapshot`, however old it is."""
        return self._driver.snapshot()

    def deadline(self, timeout: float | None) -> float:
        """In seconds of ``time.monotonic()``, ``timeout`` seconds from now, the store's own by default."""
        return time.monotonic() + (self._timeout if timeout is None else timeout)
