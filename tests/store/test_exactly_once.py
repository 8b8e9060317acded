"""A lost answer, a lost request, and a transaction that lands after everybody has given it up: never twice, never
after "not committed".

On ``local`` the faults are ordered one by one, of a store's own transactions, or of those of the agent that commits for
it. On the real etcd a proxy swallows what passes. `test_frozen_member` has
what lands late there.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from etcdmeta import errors
from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.consensus.agent import AgentStrategy
from etcdmeta.consensus.etcd import EtcdStrategy
from etcdmeta.consensus.local import LocalStrategy
from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.records.transaction import Transaction
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.store import MetaStore, new_operation_id
from etcdmeta.testing.agents import serve_agent
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import SECONDS, World, at_once, etcd_world, soon

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from etcdmeta.embedded import Cluster
    from etcdmeta.testing.proxy import Proxy

# --- local: each fault by itself


@pytest.fixture(params=["local", "agent"])
def faulty(request: pytest.FixtureRequest, local: World) -> tuple[MetaStore, LocalStrategy]:
    """A store, and the strategy whose transactions go wrong."""
    strategy = local.connect()
    assert isinstance(strategy, LocalStrategy)
    quick = FollowerConfig(backoff_base=0.05)
    if request.param == "local":
        store = local.open(strategy, follower=quick)
    else:
        own = MetaStore(strategy, cluster=local.cluster, timeout=SECONDS, follower=quick)
        local.beneath.callback(own.close)
        own.wait_live()
        address = local.beneath.enter_context(serve_agent(own)).address
        store = local.open(AgentStrategy(address), follower=quick)
    store.init_cluster()
    store.create_database("warm")  # ids are reserved by a transaction of their own: not the one to be lost
    return store, strategy


def query(name: str) -> CreateContinuousQuery:
    return CreateContinuousQuery(database="warm", name=name, query="select 1")


def test_a_lost_answer_is_found_in_the_ledger(local: World, faulty: tuple[MetaStore, LocalStrategy]) -> None:
    store, strategy = faulty
    strategy.lose_answer()
    outcome = store.execute(query("q"))
    assert (outcome.changed, outcome.generation) == (True, 3)
    assert store.snapshot().database("warm").query("q").mod_revision == outcome.revision
    assert not any(entry.void for entry in local.ledger())
    check_ledger(local)


def test_a_lost_request_is_void_and_sent_anew(local: World, faulty: tuple[MetaStore, LocalStrategy]) -> None:
    store, strategy = faulty
    strategy.lose_request()
    outcome = store.execute(query("q"))
    entries = store.history(operation_id=outcome.operation_id)
    assert [entry.void for entry in entries] == [True, False]
    assert store.outcome(outcome.operation_id) == outcome
    check_ledger(local)


def test_a_request_that_lands_after_its_void_does_nothing(
    local: World, faulty: tuple[MetaStore, LocalStrategy]
) -> None:
    store, strategy = faulty
    strategy.hold_request()
    outcome = store.execute(query("q"))
    (late,) = strategy.release()
    assert not late.succeeded
    assert [entry.void for entry in store.history(operation_id=outcome.operation_id)] == [True, False]
    # What it would have done can be undone for good.
    store.drop_continuous_query("warm", "q")
    strategy.hold_request()
    store.execute(query("q"))
    store.drop_continuous_query("warm", "q")
    assert not strategy.release()[0].succeeded
    check_cache(local, store)
    assert store.snapshot().database("warm").find_query("q") is None
    check_ledger(local)


@pytest.mark.parametrize("fate", ["lose_answer", "lose_request", "hold_request"])
def test_resolving_may_be_lost_as_well(local: World, faulty: tuple[MetaStore, LocalStrategy], fate: str) -> None:
    store, strategy = faulty
    strategy.hold_request()
    for _ in range(4):
        getattr(strategy, fate)()
    outcome = store.execute(query("q"))
    strategy.release()
    assert store.outcome(outcome.operation_id) == outcome
    check_cache(local, store)
    check_ledger(local)


def test_with_etcd_away_the_outcome_is_unknown_and_told_later(
    local: World, faulty: tuple[MetaStore, LocalStrategy]
) -> None:
    store, strategy = faulty
    operation_id = new_operation_id()
    transact = strategy.transact

    def applied_then_gone(txn: Transaction, *, deadline: float) -> Any:
        transact(txn, deadline=deadline)
        strategy.disconnect()
        raise Ambiguous("gone")

    strategy.transact = applied_then_gone  # type: ignore[method-assign]
    with pytest.raises(errors.OutcomeUnknown) as caught:
        store.execute(query("q"), operation_id=operation_id, timeout=0.2)
    assert caught.value.operation_id == operation_id
    strategy.transact = transact  # type: ignore[method-assign]
    with pytest.raises(errors.Unavailable):
        store.outcome(operation_id, timeout=0.1)
    strategy.reconnect()
    outcome = store.outcome(operation_id)
    assert outcome is not None
    assert outcome.changed
    assert store.execute(query("q"), operation_id=operation_id) == outcome
    check_ledger(local)


def test_an_outcome_is_not_told_from_the_first_void_alone(
    local: World, faulty: tuple[MetaStore, LocalStrategy]
) -> None:
    """The first attempt is void, the second is on its way: "not committed, for ever" would be a lie."""
    store, strategy = faulty
    operation_id = new_operation_id()
    transact = strategy.transact
    seen: list[Transaction] = []

    def first_void_then_gone(txn: Transaction, *, deadline: float) -> Any:
        seen.append(txn)
        if len(seen) == 1:
            raise Ambiguous("lost")
        if len(seen) == 2:
            return transact(txn, deadline=deadline)  # the void
        strategy.disconnect()
        raise Ambiguous("queued somewhere")

    strategy.transact = first_void_then_gone  # type: ignore[method-assign]
    with pytest.raises(errors.OutcomeUnknown):
        store.execute(query("q"), operation_id=operation_id, timeout=0.2)
    strategy.transact = transact  # type: ignore[method-assign]
    strategy.reconnect()
    told = store.outcome(operation_id)
    landed = transact(seen[2], deadline=soon()).succeeded
    assert (told is not None) == landed
    check_ledger(local)


def test_a_lost_answer_of_a_group_is_settled_for_each(local: World, faulty: tuple[MetaStore, LocalStrategy]) -> None:
    store, strategy = faulty
    for turn, fate in enumerate(["lose_answer", "lose_request", "hold_request"] * 2):
        for _ in range(2):
            getattr(strategy, fate)()
        outcomes = at_once(lambda n=n, turn=turn: store.execute(query(f"{turn}-{n}")) for n in range(16))
        assert not [each for each in outcomes if isinstance(each, errors.EtcdMetaError)], outcomes
        strategy.release()
    assert len(store.snapshot().database("warm").queries()) == 6 * 16
    check_cache(local, store)
    check_ledger(local)


def test_a_lost_answer_of_a_batch_is_settled_as_a_whole(local: World, faulty: tuple[MetaStore, LocalStrategy]) -> None:
    store, strategy = faulty
    for fate in ("lose_answer", "lose_request", "hold_request"):
        with store.batch() as batch:
            batch.execute(CreateDatabase(name="a"))
            batch.execute(CreateContinuousQuery(database="a", name="q", query="x"))
        assert len({outcome.revision for outcome in batch.outcomes}) == 1
        getattr(strategy, fate)()
        with store.batch() as batch:
            batch.execute(DropDatabase(name="a"))
            batch.execute(query(fate))
        strategy.release()
        assert store.read_consistent().find_database("a") is None
    check_cache(local, store)
    check_ledger(local)


# --- the real etcd, behind a proxy


@pytest.fixture
def behind_proxies(
    etcd_cluster: Cluster, etcd_prefix: str, proxy_factory: Callable[[str], Proxy]
) -> Iterator[tuple[World, MetaStore, list[Proxy]]]:
    """A store that reaches each member through a proxy, and a world that does not."""
    world = etcd_world(etcd_cluster, etcd_prefix)
    proxies = [proxy_factory(endpoint) for endpoint in etcd_cluster.endpoints]
    store = world.open(EtcdStrategy([proxy.address for proxy in proxies]), timeout=4.0)
    store.init_cluster()
    store.create_database("warm")
    yield world, store, proxies
    for proxy in proxies:
        proxy.heal()
    world.close()


def used_by_writes(store: MetaStore, proxies: list[Proxy]) -> Proxy:
    """The proxy that the store's next transaction goes through."""
    before = [proxy.seen.to_server for proxy in proxies]
    store.execute(query(new_operation_id()))
    picked = store._strategy._transport.picker.proven(time.monotonic())  # type: ignore[attr-defined]
    proxy = next(proxy for proxy in proxies if proxy.address == picked)
    assert proxy.seen.to_server > before[proxies.index(proxy)]
    return proxy


def test_the_answer_is_swallowed_after_etcd_has_applied(
    behind_proxies: tuple[World, MetaStore, list[Proxy]],
) -> None:
    world, store, proxies = behind_proxies
    proxy = used_by_writes(store, proxies)
    proxy.drop_answers()
    outcome = store.execute(query("q"))
    entries = store.history(operation_id=outcome.operation_id)
    assert [entry.void for entry in entries] == [False], "committed at once: found, not done again"
    proxy.heal()
    check_cache(world, store)
    check_ledger(world)


def test_the_request_is_swallowed_before_etcd_has_it(
    behind_proxies: tuple[World, MetaStore, list[Proxy]],
) -> None:
    world, store, proxies = behind_proxies
    proxy = used_by_writes(store, proxies)
    proxy.drop_requests()
    outcome = store.execute(query("q"))
    entries = store.history(operation_id=outcome.operation_id)
    assert [entry.void for entry in entries] == [True, False], "proven void, then done through another member"
    proxy.heal()
    check_cache(world, store)
    check_ledger(world)


def test_with_no_member_to_settle_through_the_outcome_is_unknown(
    behind_proxies: tuple[World, MetaStore, list[Proxy]],
) -> None:
    world, store, proxies = behind_proxies
    used_by_writes(store, proxies)
    for proxy in proxies:
        proxy.drop_answers()
    with pytest.raises(errors.OutcomeUnknown) as caught:
        store.execute(query("q"), timeout=0.5)
    operation_id = caught.value.operation_id
    for proxy in proxies:
        proxy.heal()
    assert world.generation() == 4
    outcome = store.outcome(operation_id, timeout=SECONDS)
    assert outcome is not None
    assert outcome.generation == 4
    assert store.execute(query("q"), operation_id=operation_id, timeout=SECONDS) == outcome
    check_cache(world, store)
    check_ledger(world)
