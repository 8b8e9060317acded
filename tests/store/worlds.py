"""A cluster's metadata that several stores share, and what tests do to it: in one process, on a real etcd, or in one
process behind agents."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.errors import EtcdMetaError
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.replica.states import FollowerState
from etcdmeta.store import MetaStore, new_operation_id
from etcdmeta.store.clock import Clock, SystemClock
from etcdmeta.store.ledger import LedgerEntry, decode_entry, encode_generation
from etcdmeta.testing.agents import serve_agent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from etcdmeta.consensus.protocol import Strategy
    from etcdmeta.embedded import Cluster
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.records.transaction import TxnResult, Write

SECONDS = 20.0
HOUR = 3600 * 10**9
DAY = 24 * HOUR
NOW = 1_700_000_000 * 10**9
"""A time like today's, in ns; what tests ask for groups at."""

T = TypeVar("T")


@dataclass
class AgentClock:
    """What time it is for all agents of a world."""

    source: Clock = field(default_factory=SystemClock)

    def now(self) -> int:
        return self.source.now()


@dataclass
class World:
    """``connect`` makes one more client; ``raw`` is one that writes past all rules, straight to the cluster."""

    kind: str
    cluster: str
    connect: Callable[[], Strategy]
    compact: Callable[[int], None]
    connect_raw: Callable[[], Strategy] | None = None
    """Where it is not ``connect``."""
    clock: AgentClock | None = None
    """By which agents plan: what a store's own clock says does not count there."""
    raw: Strategy = field(init=False)
    stores: list[MetaStore] = field(default_factory=list)
    beneath: ExitStack = field(default_factory=ExitStack)
    """What is to be closed after the stores."""

    def __post_init__(self) -> None:
        self.raw = (self.connect_raw or self.connect)()
        self.keyspace = Keyspace(self.cluster)

    def rename(self, cluster: str) -> None:
        """Other metadata from now on."""
        self.cluster = cluster
        self.keyspace = Keyspace(cluster)

    def open(self, strategy: Strategy | None = None, *, timeout: float = SECONDS, **options: Any) -> MetaStore:
        """One more store on the same metadata, followed and current."""
        if self.clock is not None and "clock" in options:
            self.clock.source = options["clock"]
        store = MetaStore(strategy or self.connect(), cluster=self.cluster, timeout=timeout, **options)
        self.stores.append(store)
        store.wait_live(SECONDS)
        return store

    def close(self) -> None:
        for store in self.stores:
            store.close()
        self.raw.close()
        self.beneath.close()

    # --- past all rules

    def commit(self, *writes: Write) -> TxnResult:
        """A raw transaction; keys are relative to the cluster's prefix."""
        moved = tuple(Put(self.keyspace.absolute(w.key), w.value, w.lease) if isinstance(w, Put) else w for w in writes)
        return self.raw.transact(Transaction((), moved), deadline=soon())

    def forge(self, key: bytes, value: bytes) -> int:
        """Puts a value as if etcdmeta had: with the generation. The revision that it became."""
        generation = Put(keys.GENERATION, encode_generation(1, [new_operation_id()]))
        return self.commit(Put(key, value), generation).header.revision

    def revision(self) -> int:
        return self.raw.read(b"any key", deadline=soon()).header.revision

    def value(self, key: bytes) -> bytes | None:
        kvs = self.raw.read(self.keyspace.absolute(key), deadline=soon()).kvs
        return kvs[0].value if kvs else None

    # --- what stands in etcd

    def records(self, revision: int = 0) -> list[tuple[bytes, bytes, int, int]]:
        """Every record below ``state/``: (relative key, value, mod, create), sorted; as `listing` gives them."""
        start, end = self.keyspace.state_range
        pages = self.raw.list(start, end, revision=revision, deadline=soon())
        relative = self.keyspace.relative
        return [(relative(kv.key), kv.value, kv.mod_revision, kv.create_revision) for page in pages for kv in page.kvs]

    def ledger(self) -> list[LedgerEntry]:
        start, end = (self.keyspace.absolute(key) for key in keys.LEDGER_SPAN)
        return [decode_entry(kv) for page in self.raw.list(start, end, deadline=soon()) for kv in page.kvs]

    def generation(self) -> int:
        kvs = self.raw.read(self.keyspace.absolute(keys.GENERATION), deadline=soon()).kvs
        return kvs[0].version if kvs else 0


def local_world(cluster: str) -> World:
    shared = LocalCluster()
    return World("local", cluster, lambda: LocalStrategy(shared), shared.compact)


def etcd_world(etcd: Cluster, cluster: str) -> World:
    return World("etcd", cluster, lambda: EtcdStrategy(etcd.endpoints), etcd.compact)


def agent_world(cluster: str, agents: int = 2) -> World:
    """Metadata in this process, and agents over it, through which all stores go."""
    shared, clock, addresses = LocalCluster(), AgentClock(), []
    with ExitStack() as begun:  # closes what runs already, where one does not begin
        for _ in range(agents):
            store = begun.enter_context(MetaStore(LocalStrategy(shared), cluster=cluster, timeout=SECONDS, clock=clock))
            store.wait_live(SECONDS)
            addresses.append(begun.enter_context(serve_agent(store)).address)
        beneath = begun.pop_all()
    return World(
        "agent",
        cluster,
        lambda: AgentStrategy(addresses),
        shared.compact,
        lambda: LocalStrategy(shared),
        clock,
        beneath=beneath,
    )


def soon(seconds: float = SECONDS) -> float:
    """A deadline."""
    return time.monotonic() + seconds


def with_nodes(store: MetaStore, count: int = 3) -> list[int]:
    """Makes nodes n0:1 … and gives their ids."""
    return [store.add_node(f"n{index}:1").id for index in range(count)]


def at_once(tasks: Iterable[Callable[[], T]]) -> list[T | EtcdMetaError]:
    """Runs all of them at the same moment, each in a thread of its own; what each gave, or its typed error."""
    tasks = list(tasks)
    gate = threading.Barrier(len(tasks))

    def run(task: Callable[[], T]) -> T | EtcdMetaError:
        gate.wait(SECONDS)
        try:
            return task()
        except EtcdMetaError as error:
            return error

    with ThreadPoolExecutor(len(tasks)) as pool:
        return list(pool.map(run, tasks, timeout=3 * SECONDS))


def wait_until(condition: Callable[[], Any], what: str, seconds: float = SECONDS) -> None:
    """For what has no event to wait for."""
    deadline, pause = soon(seconds), threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        pause.wait(0.01)


def threads(*, of_agents: bool = True) -> set[threading.Thread]:
    """All but the one by which gRPC's asyncio side waits for its events: that ends when the garbage collector has found
    the last of what was served by it. ``of_agents`` False: without those in which agents work for others.

    Nor do dummies count: threads of gRPC's own that called some Python once, as for a server's certificate. Python
    never learns when they end.
    """
    names = ("_poll_wrapper",) if of_agents else ("_poll_wrapper", "etcdmeta-request", "etcdmeta-picture")
    return {
        thread
        for thread in threading.enumerate()
        if not any(name in thread.name for name in names) and not isinstance(thread, threading._DummyThread)
    }


def wait_live(store: MetaStore, seconds: float = SECONDS) -> None:
    """Until the store follows again; what was published by then is current."""
    wait_until(lambda: store.freshness().state is FollowerState.LIVE, "the store follows etcd", seconds)


def caught_up(store: MetaStore, revision: int) -> Snapshot:
    """The picture, once it is at or past that revision."""
    found = store.wait_for(lambda snapshot: snapshot if snapshot.revision >= revision else None, SECONDS)
    assert found is not None
    return found
