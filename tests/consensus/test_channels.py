"""A closed channel is gone at once, and its streams: the garbage collector, which may run within gRPC, finds none.

Both have finalisers that wait for locks.
"""

from __future__ import annotations

import gc
import time
import weakref
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from etcdmeta import errors
from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.records.keys import Keyspace
from etcdmeta.testing.proxy import Proxy
from tests.consensus.conftest import Reader, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etcdmeta.embedded import Cluster
    from tests.consensus.agents import Agents

SECONDS = 20.0
START, END = Keyspace("prod").state_range


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[weakref.ref[Any]]]:
    """Those opened since, while the garbage collector rests."""
    opened: list[weakref.ref[Any]] = []
    real = grpc.insecure_channel

    def insecure_channel(*args: Any) -> Any:
        channel = real(*args)
        opened.append(weakref.ref(channel))
        return channel

    monkeypatch.setattr(grpc, "insecure_channel", insecure_channel)
    gc.collect()
    gc.disable()
    yield opened
    gc.set_debug(0)
    gc.garbage.clear()
    gc.enable()


@pytest.fixture(params=["etcd", "agent"])
def connect(request: pytest.FixtureRequest) -> Iterator[tuple[Proxy, Callable[[], Any]]]:
    """The way to one member, or one agent, and what opens a strategy over it."""
    if request.param == "agent":
        agents: Agents = request.getfixturevalue("lone")
        yield agents.proxies[0], lambda: AgentStrategy(agents.addresses)
    else:
        cluster: Cluster = request.getfixturevalue("etcd_cluster")
        with Proxy(cluster.endpoints[0]) as proxy:
            yield proxy, lambda: EtcdStrategy([proxy.address])


def cancelled(strategy: Any, _: Proxy) -> None:
    reader = following(strategy)
    reader.stream.cancel()
    assert ended(reader) is None


def broken(strategy: Any, proxy: Proxy) -> None:
    reader = following(strategy)
    proxy.cut()
    assert isinstance(ended(reader), errors.Unavailable)


def refused(strategy: Any, proxy: Proxy) -> None:
    proxy.cut()
    stream = strategy.watch(START, END, from_revision=1, endpoint=strategy.endpoints[0])
    assert isinstance(ended(Reader(stream)), errors.Unavailable)


def closed_meanwhile(strategy: Any, _: Proxy) -> None:
    reader = following(strategy)
    strategy.close()
    ended(reader)


def listed_in_vain(strategy: Any, proxy: Proxy) -> None:
    proxy.cut()
    with suppress(errors.Unavailable):
        list(strategy.list(START, END, deadline=time.monotonic() + 0.5))


def following(strategy: Any) -> Reader:
    return Reader(strategy.watch(START, END, from_revision=0, endpoint=strategy.endpoints[0])).created()


def ended(reader: Reader) -> BaseException | None:
    """Its error, which it lets go of: the error's frames hold the reader, a cycle of the test's own."""
    error, reader.error = reader.end(), None
    return error


@pytest.mark.parametrize("ending", [cancelled, broken, refused, closed_meanwhile, listed_in_vain])
def test_a_closed_channel_is_gone(
    connect: tuple[Proxy, Callable[[], Any]],
    channels: list[weakref.ref[Any]],
    ending: Callable[[Any, Proxy], None],
) -> None:
    proxy, open_strategy = connect
    with closing(open_strategy()) as strategy:
        ending(strategy, proxy)
    del strategy
    wait_until(lambda: not any(each() for each in channels), "no channel is left")
    assert channels
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    assert [each for each in gc.garbage if type(each).__name__ == "_MultiThreadedRendezvous"] == []
