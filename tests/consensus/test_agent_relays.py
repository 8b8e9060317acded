"""Agents that delegate to each other: calls that nobody can serve end, everywhere, and say why."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING

import pytest

from etcdmeta import MetaStore, errors
from etcdmeta.agent.gate import Anybody
from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.testing.agents import serve_agent
from etcdmeta.wire.via import MOST_HOPS, Relay, read_way, relayed, relaying, way_on
from tests.consensus.agents import QUICK, query
from tests.store.worlds import SECONDS, soon, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import grpc

    from etcdmeta.testing.agents import Serving

PATIENCE = 3.0
"""Seconds that the client gives its command."""


class Counting(Anybody):
    """Lets everybody in, and counts the calls of each method, refused ones too."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def check(self, method: str, context: grpc.aio.ServicerContext) -> str:
        self.calls[method] += 1
        return super().check(method, context)


class Circle:
    """``near`` reaches the metadata; ``delegates`` reach it and each other."""

    def __init__(self, beneath: ExitStack) -> None:
        self._beneath = beneath
        store = self._store(LocalStrategy(LocalCluster()))
        store.init_cluster()
        store.create_database("warm")
        self.near = beneath.enter_context(serve_agent(store))
        addresses = _free(2)
        self.counts = [Counting() for _ in addresses]
        self.delegates: list[Serving] = []
        for address, counting in zip(addresses, self.counts, strict=True):
            others = [self.near.address, *(each for each in addresses if each != address)]
            delegating = self._store(AgentStrategy(others, own=lambda address=address: address))  # type: ignore[misc]
            self.delegates.append(beneath.enter_context(serve_agent(delegating, listen=address, authorise=counting)))

    def _store(self, strategy: AgentStrategy | LocalStrategy) -> MetaStore:
        store = self._beneath.enter_context(MetaStore(strategy, cluster="prod", timeout=SECONDS, follower=QUICK))
        store.wait_live(SECONDS)
        return store

    def client(self, addresses: Sequence[str] = ()) -> MetaStore:
        return self._store(AgentStrategy(addresses or [each.address for each in self.delegates]))

    def executions(self) -> int:
        return sum(each.calls["Execute"] for each in self.counts)

    def requests(self) -> int:
        return sum(each.server.requests for each in self.delegates)


def _free(count: int) -> list[str]:
    """Addresses on which nobody listens."""
    with ExitStack() as held:
        made = [held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in made]


@pytest.fixture
def circle() -> Iterator[Circle]:
    with ExitStack() as beneath:
        yield Circle(beneath)


@pytest.mark.parametrize("known", [1, 2])
def test_a_command_that_goes_in_a_circle_ends_with_its_caller(circle: Circle, known: int) -> None:
    """Whether the client knows one of the delegates, or both."""
    client = circle.client([each.address for each in circle.delegates[:known]])
    assert client.execute(query("before")).changed
    circle.near.stop()
    before = circle.executions()
    began = time.monotonic()
    with pytest.raises((errors.Unavailable, errors.OutcomeUnknown)) as caught:
        client.execute(query("q"), timeout=PATIENCE)
    # An answer may have been lost with the agent: then a sure one is waited for a little longer.
    assert time.monotonic() - began < PATIENCE + 12
    assert not isinstance(caught.value, errors.LimitReached)
    assert caught.value.remedy
    client.close()
    wait_until(lambda: circle.requests() == 0, "no request is left at the delegates")
    ended, took = circle.executions(), time.monotonic() - began
    # The client repeats it after up to half a second, at the second delegate where it knows both, and each passes it on
    # once: four in a round of a quarter of a second on average, and more at first, when the pauses are still short.
    assert 0 < ended - before < 60 + 20 * took, f"{ended - before} in {took:.1f} s"
    pause, until = threading.Event(), time.monotonic() + 1.0
    while time.monotonic() < until:
        assert circle.requests() <= 4, "no more than what the followers ask of each other"
        pause.wait(0.02)
    assert circle.executions() == ended, "nobody works for a caller that is gone"


def test_each_agent_executes_another_s_call_once_at_most(circle: Circle) -> None:
    """However often it has failed before: a round goes to each agent, and not back to who passed it on."""
    client = circle.client([circle.delegates[0].address])
    circle.near.stop()
    for rounds in range(1, 6):
        with relaying(Relay((), None)), pytest.raises((errors.Unavailable, errors.OutcomeUnknown)) as caught:
            client.execute(query(f"q{rounds}"), timeout=SECONDS)
        assert not isinstance(caught.value, errors.LimitReached)
        first, second = (each.calls["Execute"] for each in circle.counts)
        # gRPC may refuse for a second to connect to the second, which had not yet listened when the first one looked.
        assert (first, second <= rounds) == (rounds, True), (first, second)


def test_leases_and_reads_end_as_well(circle: Circle) -> None:
    strategy = AgentStrategy(circle.delegates[0].address)
    circle.near.stop()
    try:
        for ask in (
            lambda: strategy.grant_lease(60, deadline=soon(1)),
            lambda: strategy.read(b"/prod/state/x", deadline=soon(1)),
        ):
            with pytest.raises(errors.EtcdMetaError) as caught:
                ask()
            assert not isinstance(caught.value, errors.LimitReached)
    finally:
        strategy.close()
    wait_until(lambda: circle.requests() == 0, "no request is left at the delegates")
    assert sum(each.calls["Lease"] for each in circle.counts) < 60


def test_an_agent_refuses_what_it_has_passed_on_itself(circle: Circle) -> None:
    first, second = circle.delegates
    strategy = AgentStrategy(first.address)
    try:
        with relaying(Relay((first.address,), None)), pytest.raises(errors.Unavailable, match="circle") as caught:
            strategy.grant_lease(60, deadline=soon())
        assert first.address in caught.value.message
        assert caught.value.remedy
        too_far = Relay(("h1:1", "h2:1"), None)
        with relaying(too_far), pytest.raises(errors.Unavailable, match="passed on by 2 agents"):
            strategy.grant_lease(60, deadline=soon())
        with relaying(Relay((second.address,), None)):
            assert strategy.grant_lease(60, deadline=soon())
    finally:
        strategy.close()


def test_who_reaches_the_metadata_serves_the_last_hop(circle: Circle) -> None:
    strategy = AgentStrategy(circle.near.address)
    try:
        with relaying(Relay(("h1:1", "h2:1"), None)):
            assert strategy.grant_lease(60, deadline=soon())
        with relaying(Relay(("h1:1", "h2:1", "h3:1"), None)), pytest.raises(errors.Unavailable, match="3 agents"):
            strategy.grant_lease(60, deadline=soon())
    finally:
        strategy.close()


def test_no_hop_asks_for_more_time_than_its_caller_has() -> None:
    """And what is told is why it failed before."""
    (nobody,) = _free(1)
    strategy = AgentStrategy(nobody)
    try:
        with relaying(Relay((), None)), pytest.raises(errors.Unavailable, match="refused the connection"):
            strategy.grant_lease(60, deadline=soon())  # one round: it does not take all the time
        with relaying(Relay((), time.monotonic() - 1)), pytest.raises(errors.Unavailable) as caught:
            strategy.grant_lease(60, deadline=soon())
        assert "no time was left" in caught.value.message
        assert "refused the connection" in caught.value.message
        assert caught.value.remedy == "is an agent running there?"
        with pytest.raises(errors.Unavailable, match="refused the connection"):
            strategy.grant_lease(60, deadline=time.monotonic() - 1)
    finally:
        strategy.close()


def test_a_command_that_was_never_sent_says_that_nothing_was_done(circle: Circle) -> None:
    client = circle.client([circle.near.address])
    circle.near.stop()
    with suppress(errors.OutcomeUnknown, errors.Unavailable):
        client.execute(query("q1"), timeout=0.5)  # it may be lost with the connection
    with pytest.raises(errors.Unavailable, match=r"refused the connection.*nothing was done") as caught:
        client.execute(query("q2"), timeout=1)
    assert caught.value.remedy


def test_the_way_is_written_and_read() -> None:
    assert way_on("") == ()
    assert relayed() is None
    assert way_on("h1:1") == (("etcdmeta-via", "h1:1"),)
    with relaying(Relay(("h1:1",), None)):
        assert way_on("") == (("etcdmeta-via", "h1:1"),)
        assert read_way(way_on("h2:1")) == ("h1:1", "h2:1")
        assert way_on("hé:1")[0][1].isascii()
    assert relayed() is None
    assert read_way(None) == read_way([("other", "x"), ("etcdmeta-via", " , ")]) == ()
    assert MOST_HOPS < len(read_way([("etcdmeta-via", "x," * 100)])) < 10
