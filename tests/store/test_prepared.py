"""Plans that callers make while another's transaction is under way: used where they hold, made anew where not."""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.errors import QueryExists
from etcdmeta.records import keys
from tests.store.worlds import SECONDS, World, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etcdmeta.commands.plan import Context, Plan
    from etcdmeta.records.transaction import Transaction, TxnResult
    from etcdmeta.store import MetaStore, Outcome


class Gate(LocalStrategy):
    """Holds the commits of commands while it is shut, and counts them."""

    def __init__(self, cluster: LocalCluster) -> None:
        super().__init__(cluster)
        self.open = threading.Event()
        self.open.set()
        self.commits = 0

    def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
        if any(getattr(write, "key", b"").endswith(keys.GENERATION) for write in txn.writes):
            self.commits += 1
            assert self.open.wait(SECONDS)
        return super().transact(txn, deadline=deadline)


class Observed(CreateContinuousQuery):
    """Tells which thread plans it."""

    def plan(self, context: Context) -> Plan:
        PLANNERS.append((self.name, threading.get_ident()))
        return super().plan(context)


PLANNERS: list[tuple[str, int]] = []


class Queue:
    """A store with a shut gate: the first command is under way, and the others wait in order."""

    def __init__(self, world: World, strategy: Gate) -> None:
        self._strategy = strategy
        self.store: MetaStore = world.open(strategy)
        self.store.init_cluster()
        self.store.create_database("metrics")
        self._pool = ThreadPoolExecutor(8)
        self._waiting = 0
        strategy.commits = 0
        strategy.open.clear()

    @property
    def commits(self) -> int:
        return self._strategy.commits

    def send(self, name: str, text: str) -> Future[tuple[int, Outcome]]:
        """The planning thread's own number comes back with the outcome."""

        def execute() -> tuple[int, Outcome]:
            command = Observed(database="metrics", name=name, query=text)
            return threading.get_ident(), self.store.execute(command, timeout=SECONDS)

        first = self._strategy.commits == 0
        future = self._pool.submit(execute)
        if first:
            wait_until(lambda: self._strategy.commits == 1, "the first is under way")
        else:
            self._waiting += 1
            turns = self.store._commits._turns
            wait_until(lambda: len(turns._queue) == self._waiting, "the others wait")
        return future

    def release(self) -> None:
        self._strategy.open.set()

    def close(self) -> None:
        self.release()
        self._pool.shutdown()


@pytest.fixture
def queue(etcd_prefix: str) -> Iterator[Queue]:
    PLANNERS.clear()
    shared = LocalCluster()
    world = World("local", etcd_prefix, lambda: LocalStrategy(shared), shared.compact)
    queue = Queue(world, Gate(shared))
    yield queue
    queue.close()
    world.close()


def test_each_plans_for_itself_and_all_that_wait_commit_together(queue: Queue) -> None:
    sent = {name: queue.send(name, "select 1") for name in ("a", "b", "c", "d")}
    queue.release()
    threads, outcomes = zip(*(future.result(SECONDS) for future in sent.values()), strict=True)
    assert list(zip(sent, threads, strict=True)) == PLANNERS, "planned once, in the caller's own thread"
    assert queue.commits == 2
    assert len({outcome.generation for outcome in outcomes[1:]}) == 1


def test_what_a_commit_has_overtaken_is_planned_anew(queue: Queue) -> None:
    first = queue.send("q", "select 1")
    second = queue.send("q", "select 2")
    queue.release()
    assert first.result(SECONDS)[1].changed
    with pytest.raises(QueryExists):
        second.result(SECONDS)
    assert queue.commits == 1, "known to be overtaken, so not even sent"
    assert queue.store._driver.counters()["distrust"] == 0


def test_what_does_not_fit_beside_the_others_keeps_its_plan(queue: Queue) -> None:
    large = "select " + "x" * 600_000
    sent = {name: queue.send(name, large) for name in ("a", "b", "c", "d")}
    queue.release()
    threads = [future.result(SECONDS)[0] for future in sent.values()]
    assert sorted(zip(sent, threads, strict=True)) == sorted(PLANNERS), "planned once, in the caller's own thread"
    assert queue.commits == 4
