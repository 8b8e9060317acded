"""What a store shows that follows through agents: nothing older, an honest age, and a restored etcd as loud as ever."""

from __future__ import annotations

import pytest

from etcdmeta import errors
from etcdmeta.commands.database import CreateDatabase
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.replica.states import FollowerState
from tests.consensus.agents import Agents, query
from tests.store.invariants import check_cache
from tests.store.worlds import SECONDS, caught_up, soon, wait_live, wait_until

# --- nothing older, and an honest age


def test_an_agent_that_is_behind_is_not_taken(agents: Agents) -> None:
    store = agents.open()
    behind = agents.followed_by(store)
    agents.strategies[behind].disconnect()
    seen = agents.stores[1 - behind].create_database("news")
    assert caught_up(store, seen.mod_revision).find_database("news") is not None, "the other is followed by itself"
    agents.proxies[1 - behind].cut()
    # Only the one behind is left: the picture stays, and its age is told.
    wait_until(lambda: store.freshness().state is FollowerState.STALE, "nobody feeds it")
    revision = store.snapshot().revision
    with pytest.raises(errors.WaitTimedOut):
        store.wait_for(lambda snapshot: snapshot.revision < revision, timeout=1.0)
    with pytest.raises(errors.EtcdMetaError):
        store.execute(query("q"), timeout=1.0)
    assert store.snapshot().database("news").name == "news"
    agents.strategies[behind].reconnect()
    wait_live(store)
    assert store.execute(query("q")).changed
    check_cache(agents.world, store)


def test_an_agent_cut_off_from_etcd_hands_its_age_on(lone: Agents) -> None:
    store, own = lone.open(), lone.stores[0]
    lone.strategies[0].disconnect()
    wait_until(lambda: own.freshness().age > 1.5, "the agent's picture ages")
    wait_until(lambda: store.freshness().state is FollowerState.STALE, "the agent says so")
    assert isinstance(store.freshness().problem, errors.Unavailable)
    wait_until(lambda: store.freshness().age > 1.5, "its age is ours")
    late = lone.open(wait=False)
    wait_until(lambda: late._driver.has_picture, "it serves what it has")
    assert late.snapshot().find_database("warm") is not None
    assert late.freshness().age > 1.0, "though it has just been fetched"
    assert late.freshness().state is not FollowerState.LIVE
    strict = lone.open(wait=False, max_age=1.0)
    wait_until(lambda: strict._driver.has_picture, "it serves what it has")
    with pytest.raises(errors.TooStale):
        strict.snapshot()
    lone.strategies[0].reconnect()
    for each in (store, late, strict):
        wait_live(each)
    wait_until(lambda: store.freshness().age < 1.5, "it is young again")
    assert late.execute(query("q")).changed


def test_one_that_follows_is_chosen_over_one_that_is_cut_off(agents: Agents) -> None:
    store = agents.open()
    first = agents.followed_by(store)
    agents.strategies[first].disconnect()
    wait_until(
        lambda: (store.freshness().endpoint, store.freshness().state)
        == (agents.addresses[1 - first], FollowerState.LIVE),
        "the other is followed",
    )
    assert store.execute(query("q")).changed


def test_agents_that_listed_at_other_revisions_feed_alike(agents: Agents) -> None:
    """Revisions move with the ledger and with what is none of ours: a listing stands at any of them."""
    store = agents.open()
    for number in range(3):
        for each in agents.stores:
            agents.world.raw.transact(Transaction((), (Put(b"elsewhere", b"x"),)), deadline=soon())
            each._driver.distrust("to have it listed anew")
        newest = agents.world.revision()
        wait_until(lambda n=newest: agents.stores[1].snapshot().revision >= n, "it is listed anew")
        late = agents.open()
        late.close()
        assert not store.execute(CreateDatabase(name="warm")).changed
        assert store.execute(query(f"q{number}")).changed
        agents.proxies[agents.followed_by(store)].reset()
        wait_live(store)
        wait_until(lambda: store.freshness().age < 5, "its age is known")
    check_cache(agents.world, store)


# --- a restored etcd


def test_a_restored_etcd_is_as_loud_through_agents(agents: Agents) -> None:
    store = agents.open()
    kept = store.create_database("kept")
    backup = agents.cluster.save()
    lost = [store.create_database(f"lost{number}") for number in range(3)]
    lost_generation = store.snapshot().generation
    agents.cluster.restore(backup)
    store.wait_for(lambda snapshot: snapshot.find_database("lost0") is None, timeout=SECONDS)
    assert {database.name for database in store.snapshot().databases()} == {"warm", "kept"}
    assert isinstance(store.freshness().problem, errors.ClusterRestored)
    with pytest.raises(errors.ClusterRestored, match="accept-restore"):
        store.create_database("more")
    outcome = store.accept_restore()
    assert outcome.generation is not None
    assert outcome.generation > lost_generation
    assert store.create_database("more").id > max(database.id for database in lost) > kept.id
    wait_until(lambda: store.freshness().problem is None, "nothing is wrong any more")
    wait_live(store)
    for other in agents.stores:
        other.wait_for(lambda snapshot: snapshot.find_database("more") is not None, timeout=SECONDS)
    check_cache(agents.world, store)


def test_a_restore_while_no_agent_was_reached_is_seen_afterwards(agents: Agents) -> None:
    store = agents.open()
    backup = agents.cluster.save()
    store.create_database("lost")
    for proxy in agents.proxies:
        proxy.cut()
    agents.cluster.restore(backup)
    # It goes past what the client has seen: no revision gives it away.
    for each in agents.stores:
        each.wait_for(lambda snapshot: snapshot.find_database("lost") is None, timeout=SECONDS)
    agents.stores[0].accept_restore()
    for number in range(5):
        agents.stores[0].create_database(f"new{number}")
    for proxy in agents.proxies:
        proxy.heal()
    store.wait_for(lambda snapshot: snapshot.find_database("new4"), timeout=SECONDS)
    assert store.snapshot().find_database("lost") is None
    wait_live(store)
    assert store.create_database("more").name == "more"
    check_cache(agents.world, store)
