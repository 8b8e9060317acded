"""Both kinds of strategy behind one fixture, and what tests of streams and threads need."""

from __future__ import annotations

import sys
import threading
import time
import traceback
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.records.transaction import Compare, Put, Read, Transaction
from tests.consensus.agents import Agents, running
from tests.store.worlds import threads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etcdmeta.consensus.protocol import Strategy, WatchStream
    from etcdmeta.embedded import Cluster
    from etcdmeta.records.transaction import RawEvent, RawKeyValue, RawWatchResponse, TxnResult, Write

SECONDS = 20.0


class Reader:
    """Iterates a stream in a thread and hands its answers on, with a deadline."""

    def __init__(self, stream: WatchStream) -> None:
        self.stream = stream
        self.error: BaseException | None = None
        self._responses: list[RawWatchResponse] = []
        self._changed = threading.Condition()
        self._ended = False
        self.thread = threading.Thread(target=self._run, name="reader")
        self.thread.start()

    def _run(self) -> None:
        try:
            for response in self.stream:
                with self._changed:
                    self._responses.append(response)
                    self._changed.notify_all()
        except BaseException as error:  # noqa: BLE001  (handed to the test)
            self.error = error
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def until(self, enough: Callable[[list[RawWatchResponse]], Any]) -> list[RawWatchResponse]:
        """All answers so far, once that is enough of them or the stream has ended."""
        with self._changed:
            came = self._changed.wait_for(lambda: self._ended or enough(self._responses), SECONDS)
            assert came, f"got {self._responses}\n{stacks()}"
            return list(self._responses)

    def created(self) -> Reader:
        responses = self.until(bool)
        assert responses, self.error
        assert responses[0].created
        return self

    def events(self, count: int) -> list[RawEvent]:
        responses = self.until(lambda got: sum(len(each.events) for each in got) >= count)
        assert self.error is None, self.error
        return [event for response in responses for event in response.events]

    def end(self) -> BaseException | None:
        """Waits for the end of the stream; its error."""
        self.thread.join(SECONDS)
        assert not self.thread.is_alive(), f"the reader has not ended\n{stacks()}"
        return self.error

    def cancel(self) -> None:
        self.stream.cancel()
        assert self.end() is None


@dataclass
class Client:
    """A strategy with deadlines for tests, and a prefix of its own."""

    strategy: Strategy
    prefix: bytes
    readers: list[Reader] = field(default_factory=list)

    def key(self, name: str) -> bytes:
        return self.prefix + name.encode()

    @property
    def span(self) -> tuple[bytes, bytes]:
        return self.prefix, self.prefix[:-1] + b"0"  # what follows "/"

    def soon(self, seconds: float = SECONDS) -> float:
        return time.monotonic() + seconds

    def commit(self, *writes: Write, when: tuple[Compare, ...] = (), otherwise: tuple[Read, ...] = ()) -> TxnResult:
        return self.strategy.transact(Transaction(when, writes, otherwise), deadline=self.soon())

    def put(self, name: str, value: bytes = b"v", lease: int = 0) -> int:
        """The revision that it became."""
        return self.commit(Put(self.key(name), value, lease=lease)).header.revision

    def get(self, name: str, revision: int = 0) -> RawKeyValue | None:
        kvs = self.strategy.read(self.key(name), revision=revision, deadline=self.soon()).kvs
        return kvs[0] if kvs else None

    def names(self, revision: int = 0) -> list[str]:
        start, end = self.span
        result = self.strategy.read(start, range_end=end, revision=revision, deadline=self.soon())
        return [kv.key.removeprefix(self.prefix).decode() for kv in result.kvs]

    def watch(self, from_revision: int, endpoint: str | None = None) -> Reader:
        where = endpoint or self.strategy.endpoints[0]
        reader = Reader(self.strategy.watch(*self.span, from_revision=from_revision, endpoint=where))
        self.readers.append(reader)
        return reader

    def close(self) -> None:
        self.strategy.close()
        for reader in self.readers:
            reader.end()


@dataclass
class World(Client):
    """A client, and what a test does to the cluster behind it."""

    kind: str = ""
    connect: Callable[[], Client] = field(init=False)
    compact: Callable[[int], None] = field(init=False)
    pass_time: Callable[[float], None] = field(init=False)


@pytest.fixture
def open_client(etcd_prefix: str) -> Iterator[Callable[..., Client]]:
    """Makes clients of the test's prefix from a strategy; closes them, and checks that no thread is left."""
    clients: list[Client] = []

    def make(strategy: Strategy, kind: type[Client] = Client) -> Client:
        clients.append(kind(strategy, f"/{etcd_prefix}/".encode()))
        return clients[-1]

    yield make
    for client in clients:
        client.close()

    def left() -> list[str]:
        return sorted(each.name for each in threading.enumerate() if _is_a_clients(each))

    try:
        wait_until(lambda: not left(), "no thread is left")
    except AssertionError as late:
        raise AssertionError(f"left are {left()}\n{stacks()}") from late


@pytest.fixture(params=["local", "etcd"])
def world(request: pytest.FixtureRequest, open_client: Callable[..., Any]) -> World:
    """Each test with it runs on both kinds."""
    made: World
    if request.param == "local":
        local = LocalCluster(clock=lambda: 0.0)
        made = open_client(LocalStrategy(local), World)
        made.connect = lambda: open_client(LocalStrategy(local))
        made.compact, made.pass_time = local.compact, local.advance
    else:
        cluster: Cluster = request.getfixturevalue("etcd_cluster")
        made = open_client(EtcdStrategy(cluster.endpoints), World)
        made.connect = lambda: open_client(EtcdStrategy(cluster.endpoints))
        made.compact = cluster.compact
        made.pass_time = lambda _: None  # it passes by itself
    made.kind = request.param
    return made


@pytest.fixture
def agents() -> Iterator[Agents]:
    """Two, over one cluster in this process."""
    yield from running()


@pytest.fixture
def lone() -> Iterator[Agents]:
    """One agent."""
    yield from running(count=1)


def _is_a_clients(thread: threading.Thread) -> bool:
    """Not pytest's, and not of a proxy or another peer, which end later; see `tests.store.worlds.threads`."""
    return thread in threads() and not (
        thread is threading.main_thread() or thread.name.startswith(("proxy", "peer", "execnet"))
    )


def wait_until(condition: Callable[[], bool], what: str, seconds: float = SECONDS) -> None:
    """For what has no event to wait for: the threads of other people's libraries."""
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        pause.wait(0.01)


def stacks() -> str:
    """Where each thread stands: what hangs is seen rarely, and elsewhere than where it can be looked into."""
    frames = sys._current_frames()
    return "\n".join(
        f"{thread.name}:\n" + "".join(traceback.format_stack(frames[thread.ident])[-8:])
        for thread in threading.enumerate()
        if thread.ident in frames
    )
