"""An interrupt at each place at which it can leave a lock of gRPC's held: other threads go on."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.consensus.etcd.interrupts import Interruptible
from etcdmeta.records.keys import Keyspace
from tests.consensus.conftest import Reader

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etcdmeta.embedded import Cluster
    from tests.consensus.agents import Agents

T = TypeVar("T")
SECONDS = 20.0
START, END = Keyspace("prod").state_range


class Interrupts:
    """Raises `KeyboardInterrupt` in this thread, once: at a place of ``with condition`` where it can be raised."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._thread = threading.get_ident()
        self._left: int | None = None
        real_enter, real_exit = threading.Condition.__enter__, threading.Condition.__exit__

        interrupts = self

        def enter(self: threading.Condition) -> bool:  # named as in the frames of the real ones
            taken = real_enter(self)
            interrupts._pass()
            return taken

        def leave(self: threading.Condition, *error: Any) -> None:
            interrupts._pass()
            real_exit(self, *error)

        monkeypatch.setattr(threading.Condition, "__enter__", enter)
        monkeypatch.setattr(threading.Condition, "__exit__", leave)

    def _pass(self) -> None:
        if self._left is not None and threading.get_ident() == self._thread:
            self._left -= 1
            if self._left < 0:
                self._left = None
                raise KeyboardInterrupt

    def each(self, prepare: Callable[[], T], act: Callable[[T], Any]) -> Iterator[T]:
        """Interrupts ``act`` at its first place, then, prepared anew, at its second, and so on until it is not."""
        for place in range(100):
            prepared = prepare()
            self._left = place
            try:
                act(prepared)
            except KeyboardInterrupt:
                yield prepared
            else:
                assert place, "it was never interrupted"
                return
            finally:
                self._left = None
        raise AssertionError("it has no end")


@pytest.fixture
def interrupts(monkeypatch: pytest.MonkeyPatch) -> Interrupts:
    return Interrupts(monkeypatch)


@pytest.fixture(params=["etcd", "agent"])
def connect(request: pytest.FixtureRequest) -> Callable[[], Any]:
    """Opens a strategy over one member, or one agent."""
    if request.param == "agent":
        agents: Agents = request.getfixturevalue("lone")
        return lambda: AgentStrategy(agents.addresses)
    cluster: Cluster = request.getfixturevalue("etcd_cluster")
    return lambda: EtcdStrategy(cluster.endpoints[:1])


def read(strategy: Any) -> Any:
    return strategy.read(START, range_end=END, limit=1, deadline=time.monotonic() + SECONDS)


def test_other_threads_go_on_on_the_same_channel(connect: Callable[[], Any], interrupts: Interrupts) -> None:
    with ThreadPoolExecutor(1) as pool, closing(connect()) as strategy:
        for _ in interrupts.each(lambda: strategy, read):
            pool.submit(read, strategy).result(SECONDS)


def test_an_interrupted_close_leaves_nothing_held(connect: Callable[[], Any], interrupts: Interrupts) -> None:
    def connected() -> tuple[Any, list[Any]]:
        strategy = connect()
        read(strategy)
        return strategy, [line.channel for line in strategy._transport._lines.values()]

    with ThreadPoolExecutor(1) as pool:
        for _, channels in interrupts.each(connected, lambda made: made[0].close()):
            for channel in channels:
                pool.submit(channel.close).result(SECONDS)


def test_an_interrupted_cancel_does_not_hold_the_reader(connect: Callable[[], Any], interrupts: Interrupts) -> None:
    with closing(connect()) as strategy:

        def watching() -> Reader:
            return Reader(strategy.watch(START, END, from_revision=0, endpoint=strategy.endpoints[0])).created()

        readers = []
        for reader in interrupts.each(watching, lambda reader: (readers.append(reader), reader.stream.cancel())):
            reader.stream.cancel()
        for reader in readers:
            assert reader.end() is None


def test_only_what_this_thread_took_is_given_back() -> None:
    own, others, plain = threading.Condition(), threading.Condition(), threading.Condition(threading.Lock())
    taken, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        with others:
            taken.set()
            let_go.wait(SECONDS)

    class Raising(threading.Condition):
        def through(self, *more: threading.Condition) -> None:
            self.acquire()
            if more:
                Raising.through(*more)
            raise KeyboardInterrupt

    with ThreadPoolExecutor(1) as pool:
        holding = pool.submit(hold)
        assert taken.wait(SECONDS)
        others.acquire = lambda: True  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt), Interruptible():
            Raising.through(own, own, others, plain)  # type: ignore[arg-type]
        assert not holding.done()
        let_go.set()
        holding.result(SECONDS)
        assert pool.submit(own.acquire, blocking=False).result(SECONDS), "as often as it was taken"
        assert not plain.acquire(blocking=False), "nobody can say whose that is"
