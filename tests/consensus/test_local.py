"""What the local kind alone can do: faults on order, and time and restores by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etcdmeta import errors
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.records.transaction import Compare, Put, Transaction

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.consensus.conftest import Client


@pytest.fixture
def cluster() -> LocalCluster:
    return LocalCluster(clock=lambda: 0.0)


@pytest.fixture
def strategy(cluster: LocalCluster) -> LocalStrategy:
    return LocalStrategy(cluster)


@pytest.fixture
def client(strategy: LocalStrategy, open_client: Callable[..., Client]) -> Client:
    return open_client(strategy)


def test_a_lost_answer_was_applied(client: Client, strategy: LocalStrategy) -> None:
    strategy.lose_answer()
    with pytest.raises(Ambiguous):
        client.put("a")
    assert client.names() == ["a"]
    client.put("b")
    assert client.names() == ["a", "b"]


def test_a_lost_request_was_not(client: Client, strategy: LocalStrategy) -> None:
    strategy.lose_request()
    with pytest.raises(Ambiguous):
        client.put("a")
    assert client.names() == []
    assert strategy.release() == ()


def test_a_held_request_lands_later_and_judges_by_what_is_there_then(client: Client, strategy: LocalStrategy) -> None:
    for value in (b"1", b"2"):
        strategy.hold_request()
        with pytest.raises(Ambiguous):
            client.commit(Put(client.key("a"), value), when=(Compare.absent(client.key("a")),))
    assert client.names() == []
    assert [result.succeeded for result in strategy.release()] == [True, False]
    assert client.get("a").value == b"1"  # type: ignore[union-attr]
    assert strategy.release() == ()


def test_faults_come_in_order_and_concern_one_client(
    client: Client, strategy: LocalStrategy, cluster: LocalCluster
) -> None:
    strategy.lose_request()
    strategy.lose_answer()
    LocalStrategy(cluster).transact(Transaction((), (Put(client.key("other"), b""),)), deadline=client.soon())
    for name in ("a", "b"):
        with pytest.raises(Ambiguous):
            client.put(name)
    assert client.names() == ["b", "other"]


def test_what_is_refused_is_definite_and_uses_up_no_fault(client: Client, strategy: LocalStrategy) -> None:
    strategy.lose_request()
    with pytest.raises(errors.InvalidInput):
        client.commit(Put(client.key("a"), b""), Put(client.key("a"), b""))
    with pytest.raises(Ambiguous):
        client.put("a")


def test_a_disconnected_client_is_unavailable_until_it_reconnects(client: Client, strategy: LocalStrategy) -> None:
    reader = client.watch(client.put("a")).created()
    strategy.disconnect()
    assert isinstance(reader.end(), errors.Unavailable)
    with pytest.raises(errors.Unavailable):
        client.put("b")
    with pytest.raises(errors.Unavailable):
        client.names()
    assert isinstance(client.watch(1).end(), errors.Unavailable)
    strategy.reconnect()
    assert client.names() == ["a"]


def test_a_restore_goes_back_and_breaks_watches(client: Client, cluster: LocalCluster) -> None:
    revision = client.put("a")
    backup = cluster.save()
    client.put("b")
    reader = client.watch(revision).created()
    cluster.restore(backup)
    assert isinstance(reader.end(), errors.Unavailable)
    assert client.names() == ["a"]
    assert client.put("c") == revision + 1
    cluster.restore(backup)
    assert client.names() == ["a"]


def test_time_passes_when_told(client: Client, cluster: LocalCluster) -> None:
    lease = client.strategy.grant_lease(10, deadline=client.soon())
    client.put("a", lease=lease)
    cluster.advance(9.9)
    assert client.strategy.keep_alive(lease, deadline=client.soon()) == 10
    cluster.advance(9.9)
    assert client.names() == ["a"]
    cluster.advance(0.1)
    assert client.names() == []


def test_by_default_time_is_the_clocks(open_client: Callable[..., Client]) -> None:
    now = [100.0]
    client = open_client(LocalStrategy(LocalCluster(clock=lambda: now[0])))
    client.put("a", lease=client.strategy.grant_lease(10, deadline=client.soon()))
    now[0] += 10
    assert client.names() == []
