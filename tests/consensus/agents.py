"""Two agents over one cluster in this process, each behind a proxy, and stores that go through them."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.store import MetaStore
from etcdmeta.testing.agents import serve_agent
from etcdmeta.testing.proxy import Proxy
from tests.store.worlds import SECONDS, World, threads, wait_live, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etcdmeta.records.transaction import Transaction, TxnResult

QUICK = FollowerConfig(backoff_base=0.05, backoff_cap=0.5, first_jitter=0.01, stalled_after=1.0)


class HeldStrategy(LocalStrategy):
    """One whose transactions can be held up under way: they land when they are let go, whatever happened meanwhile."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.reached = threading.Event()
        self.landed = threading.Event()
        self._gate: threading.Event | None = None
        self._gates: list[threading.Event] = []

    def hold(self) -> threading.Event:
        """The next transaction waits for the event that this gives."""
        self._gate = threading.Event()
        self._gates.append(self._gate)
        return self._gate

    def close(self) -> None:
        """Lets go of what a test has left held."""
        for gate in self._gates:
            gate.set()
        super().close()

    def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
        gate, self._gate = self._gate, None
        if gate is None:
            return super().transact(txn, deadline=deadline)
        self.reached.set()
        assert gate.wait(SECONDS)
        try:
            return self.cluster.transact(txn)
        finally:
            self.landed.set()


class Agents:
    """``stores`` are the agents' own, ``strategies`` their ways to the cluster; ``world`` sees it without agents."""

    def __init__(self, count: int = 2, *, name: str = "prod", **serving: Any) -> None:
        self.cluster = LocalCluster()
        self.world = World("local", name, lambda: LocalStrategy(self.cluster), self.cluster.compact)
        self.strategies: list[HeldStrategy] = []
        self.stores: list[MetaStore] = []
        self.servings: list[Any] = []
        self.proxies: list[Proxy] = []
        self.clients: list[MetaStore] = []
        self._beneath = ExitStack()
        try:
            for _ in range(count):
                self.add(**serving)
        except BaseException:
            self.close()
            raise

    def add(self, **serving: Any) -> int:
        """One more agent; its number."""
        strategy = HeldStrategy(self.cluster)
        store = MetaStore(strategy, cluster=self.world.cluster, timeout=SECONDS, follower=QUICK)
        self._beneath.callback(store.close)
        store.wait_live(SECONDS)
        serving_ = self._beneath.enter_context(serve_agent(store, **serving))
        self.strategies.append(strategy)
        self.stores.append(store)
        self.servings.append(serving_)
        self.proxies.append(self._beneath.enter_context(Proxy(serving_.address)))
        return len(self.stores) - 1

    @property
    def addresses(self) -> list[str]:
        return [proxy.address for proxy in self.proxies]

    def open(self, *numbers: int, wait: bool = True, **options: Any) -> MetaStore:
        """A store over those agents, or all."""
        addresses = [self.addresses[number] for number in numbers] or self.addresses
        options = {"timeout": SECONDS, "follower": QUICK, "cluster": self.world.cluster} | options
        store = MetaStore(AgentStrategy(addresses), **options)
        self.clients.append(store)
        if wait:
            store.wait_live(SECONDS)
        return store

    def followed_by(self, store: MetaStore) -> int:
        """The number of the agent that feeds a store."""
        wait_live(store)
        endpoint = store.freshness().endpoint
        assert endpoint is not None
        return self.addresses.index(endpoint)

    def written_to_by(self, store: MetaStore) -> int:
        """The number of the agent that gets a store's next command."""
        strategy = store.strategy
        assert isinstance(strategy, AgentStrategy)
        return self.addresses.index(strategy._transport.picker.order(0.0)[0])

    def close(self) -> None:
        for client in self.clients:
            client.close()
        self.world.close()
        self._beneath.close()


def in_thread(task: Callable[[], Any]) -> Callable[[], Any]:
    """Runs it; what is returned waits for the result, and raises what it raised."""
    result: list[Any] = []
    error: list[BaseException] = []

    def run() -> None:
        try:
            result.append(task())
        except BaseException as problem:  # noqa: BLE001 - raised again below
            error.append(problem)

    thread = threading.Thread(target=run)
    thread.start()

    def join() -> Any:
        thread.join(2 * SECONDS)
        assert not thread.is_alive(), "it did not end"
        if error:
            raise error[0]
        return result[0]

    return join


def query(name: str) -> CreateContinuousQuery:
    return CreateContinuousQuery(database="warm", name=name, query="select 1")


def committed(agents: Agents, operation_id: str) -> list[bool]:
    """Void or not, of each attempt in the ledger."""
    return [entry.void for entry in agents.world.ledger() if entry.operation_id == operation_id]


def running(**options: Any) -> Iterator[Agents]:
    """Agents over a cluster with the database "warm"; for a fixture. No thread may be left."""
    before = threads()
    made = Agents(**options)
    made.stores[0].init_cluster()
    made.stores[0].create_database("warm")
    yield made
    made.close()
    wait_until(lambda: threads() <= before, "no thread is left")
