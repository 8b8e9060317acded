"""Fences: who acts for a service, or as a node, commits only while the lease that it acts under lasts."""

from __future__ import annotations

import pytest

from etcdmeta.commands.database import CreateDatabase
from etcdmeta.errors import DatabaseExists, Fenced
from etcdmeta.records import keys
from etcdmeta.records.transaction import Delete, Put
from etcdmeta.store import Fence, MetaStore, new_operation_id
from tests.store.invariants import check_ledger
from tests.store.worlds import World, at_once, soon

LEAD = keys.lead("tests")


def held(world: World) -> Fence:
    """The lead as it stands now."""
    kvs = world.raw.read(world.keyspace.absolute(LEAD), deadline=soon()).kvs
    return Fence(LEAD, kvs[0].create_revision, "the lead of the tests")


def make(store: MetaStore, name: str, fence: Fence, operation_id: str | None = None) -> None:
    store.execute(CreateDatabase(name=name), fence=fence, operation_id=operation_id)


def test_under_its_lease_it_commits(world: World) -> None:
    store = world.open()
    store.init_cluster()
    world.commit(Put(LEAD, b"me"))
    fence = held(world)
    world.commit(Put(LEAD, b"me, and something new"))  # the same incarnation
    make(store, "a", fence)
    store.execute_all([CreateDatabase(name="b"), CreateDatabase(name="c")], fence=fence)
    assert [database.name for database in store.snapshot().databases()] == ["a", "b", "c"]
    check_ledger(world)


@pytest.mark.parametrize("by", ["nobody", "another"])
def test_a_lost_lead_changes_nothing(world: World, by: str) -> None:
    store = world.open()
    store.init_cluster()
    world.commit(Put(LEAD, b"me"))
    fence = held(world)
    world.commit(Delete(world.keyspace.absolute(LEAD)))
    if by == "another":
        world.commit(Put(LEAD, b"another"))
    before = world.generation()
    operation_id = new_operation_id()
    with pytest.raises(Fenced, match="the lead of the tests was lost"):
        make(store, "a", fence)
    with pytest.raises(Fenced):
        make(store, "a", fence, operation_id)
    with pytest.raises(Fenced):
        store.execute_all([CreateDatabase(name="a"), CreateDatabase(name="b")], fence=fence)
    assert world.generation() == before
    assert store.read_consistent().databases() == ()
    check_ledger(world)


def test_who_waits_beside_a_fenced_one_is_not_held_up(world: World) -> None:
    """Committed together, one fence that is lost must not take the others with it."""
    store = world.open()
    store.init_cluster()
    world.commit(Put(LEAD, b"me"))
    fence = held(world)
    world.commit(Delete(world.keyspace.absolute(LEAD)))
    tasks = [lambda n=n: store.create_database(f"free{n}").name for n in range(8)]
    fenced = [lambda n=n: make(store, f"fenced{n}", fence) for n in range(8)]
    outcomes = at_once([*tasks, *fenced])
    assert outcomes[:8] == [f"free{n}" for n in range(8)]
    assert all(isinstance(outcome, Fenced) for outcome in outcomes[8:]), outcomes
    check_ledger(world)


def test_what_was_done_under_the_lease_is_told_after_it(world: World) -> None:
    """An operation id that is sent again is answered from the ledger, whoever leads by now."""
    store = world.open()
    store.init_cluster()
    world.commit(Put(LEAD, b"me"))
    fence, operation_id = held(world), new_operation_id()
    make(store, "a", fence, operation_id)
    world.commit(Delete(world.keyspace.absolute(LEAD)))
    make(store, "a", fence, operation_id)
    with pytest.raises((Fenced, DatabaseExists)):
        store.execute_all([CreateDatabase(name="a"), CreateDatabase(name="b")], fence=fence)
    assert [database.name for database in store.snapshot().databases()] == ["a"]
