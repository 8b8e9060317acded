"""A member is frozen with the transaction of a command queued in it. When it thaws, it brings it to the vote, long
after the outcome was settled through the others: it must not happen then, neither again nor after "not committed".

That this was seen is counted by the member itself (its metric of handled transactions), and by an unguarded write that
was queued in it in the same way, and that lands.
"""

from __future__ import annotations

import threading
import time
import urllib.request
from typing import TYPE_CHECKING

from etcdmeta import errors
from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.store import MetaStore, new_operation_id
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import SECONDS, World, etcd_world, soon

if TYPE_CHECKING:
    from collections.abc import Callable

    from etcdmeta.embedded import Cluster
    from etcdmeta.testing.plugin import ClusterFactory
    from etcdmeta.testing.proxy import Proxy


def query(name: str) -> CreateContinuousQuery:
    return CreateContinuousQuery(database="warm", name=name, query="select 1")


TRIES = 6


def test_a_frozen_follower_brings_the_transaction_too_late(
    etcd_cluster_factory: ClusterFactory, etcd_prefix: str, proxy_factory: Callable[[str], Proxy]
) -> None:
    cluster = etcd_cluster_factory(3)
    world = etcd_world(cluster, etcd_prefix)
    late = []
    try:
        for turn in range(TRIES):
            frozen = (cluster.leader() + 1) % 3
            late.append(freeze_once(cluster, world, proxy_factory, frozen, refused=turn % 2 == 1))
            if sum(late) == 2:
                break
    finally:
        world.close()
    assert sum(late) == 2, f"in {TRIES} tries only {sum(late)} transactions landed late: that was to be tested"


def test_a_frozen_leader_may_bring_it_too_late(
    etcd_cluster_factory: ClusterFactory, etcd_prefix: str, proxy_factory: Callable[[str], Proxy]
) -> None:
    """Whether it does is up to the election; either way nothing happens twice."""
    cluster = etcd_cluster_factory(3)
    world = etcd_world(cluster, etcd_prefix)
    try:
        freeze_once(cluster, world, proxy_factory, cluster.leader(), refused=False)
    finally:
        world.close()


def freeze_once(
    cluster: Cluster, world: World, proxy_factory: Callable[[str], Proxy], frozen: int, *, refused: bool
) -> bool:
    """A member freezes with a command in it, and thaws when that is settled through the others.

    ``refused``: the way is taken by somebody else meanwhile, so that the command ends as not committed. True: the
    member brought the command's first transaction to the vote after that.
    """
    endpoint = cluster.endpoints[frozen]
    others = [each for each in cluster.endpoints if each != endpoint]
    steady = world.open(EtcdStrategy(others))
    steady.init_cluster()
    steady.create_database("warm")
    name = new_operation_id()
    proxies = [proxy_factory(endpoint), proxy_factory(endpoint)]
    store = followed_elsewhere(world, proxies[0], others)
    unguarded = EtcdStrategy(proxies[1].address)
    unguarded.read(b"warm up", deadline=soon())
    before = handled_transactions(endpoint)
    cluster.freeze(frozen)
    try:
        marker = world.keyspace.absolute(f"marker/{name}".encode())
        raw = Transaction((), (Put(marker, b"x" * 1000),))
        put = queue(proxies[1], lambda: unguarded.transact(raw, deadline=soon(1.0)))
        command = queue(proxies[0], lambda: store.execute(query(name), timeout=4.0))
        if refused:
            steady.execute(CreateContinuousQuery(database="warm", name=name, query="another"))
        answer = command()
        assert isinstance(put(), Ambiguous)
        assert steady.read_consistent().database("warm").query(name).query == ("another" if refused else "select 1")
        steady.drop_continuous_query("warm", name)
        assert world.raw.read(marker, deadline=soon()).kvs == []
    finally:
        cluster.thaw(frozen)
    cluster.wait_until_serving(frozen)
    late = landed(endpoint, before + 2)
    unguarded.close()
    if late:
        assert world.raw.read(marker, deadline=soon()).kvs, "what nobody guards does land late"
    snapshot = steady.read_consistent()
    assert snapshot.database("warm").find_query(name) is None, "the command has happened after all"
    done = [entry for entry in world.ledger() if entry.summary.startswith(f"created continuous query {name!r}")]
    assert len(done) == 1, "by the one, or by the other"
    if refused:
        assert isinstance(answer, errors.QueryExists), answer
    else:
        assert not isinstance(answer, BaseException), answer
        (first, second) = steady.history(operation_id=done[0].operation_id)
        assert (first.void, second.void) == (True, False)
    check_cache(world, steady)
    check_ledger(world)
    return late


def followed_elsewhere(world: World, proxy: Proxy, others: list[str]) -> MetaStore:
    """A store that follows another member than the one it writes through: that one is about to freeze."""
    for _ in range(50):
        store = world.open(EtcdStrategy([proxy.address, *others]))
        if store.freshness().endpoint != proxy.address:
            transport = store._strategy._transport  # type: ignore[attr-defined]
            store._strategy.read(b"warm up", deadline=soon(), endpoint=proxy.address)
            transport.picker.mark_good(proxy.address, time.monotonic())
            return store
        store.close()
    raise AssertionError("followed where it should not be, 50 times in a row")


def queue(proxy: Proxy, call: Callable[[], object]) -> Callable[[], object]:
    """Sends through the proxy, and loses whatever follows the request: so the frozen member learns of no cancel.

    Gives a function for the call's result, or its error.
    """
    known = proxy.seen.to_server
    result: list[object] = []

    def run() -> None:
        try:
            result.append(call())
        except (Ambiguous, errors.EtcdMetaError) as error:
            result.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    proxy.wait_for(lambda now: now.to_server > known + 400, SECONDS)  # more than pings are
    proxy.drop_requests()

    def join() -> object:
        thread.join(SECONDS)
        return result[0]

    return join


def handled_transactions(endpoint: str) -> int:
    """How many transactions a member has brought to the vote and answered since it started, by its own count."""
    with urllib.request.urlopen(f"http://{endpoint}/metrics", timeout=SECONDS) as answer:
        lines = answer.read().decode().splitlines()
    found = [line for line in lines if line.startswith("grpc_server_handled_total{") and 'grpc_method="Txn"' in line]
    return sum(int(float(line.rpartition(" ")[2])) for line in found if 'grpc_code="OK"' in line)


def landed(endpoint: str, count: int) -> bool:
    """Whether the member gets to that many transactions soon after it has thawed."""
    deadline = soon(4.0)
    while handled_transactions(endpoint) < count:
        if time.monotonic() >= deadline:
            return False
    return True
