"""Into an empty cluster ids are kept; into one that holds something they are given anew, and the map is stored."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etcdmeta.commands.importing.idmap import IdMap
from etcdmeta.commands.importing.incoming import IncomingNode
from etcdmeta.commands.importing.selecting import select
from etcdmeta.errors import DatabaseNotFound, InvalidInput, InvalidName
from etcdmeta.store import MetaStore
from etcdmeta.store.importing import read_id_map, run_import
from etcdmeta.testing import local_store
from tests.importing.sources import intake, now, seen, small


@given(st.lists(st.integers(1, 60)), st.integers(1, 2**40))
def test_a_map_keeps_the_order_and_leaves_no_gaps(ids: list[int], first: int) -> None:
    mapped = IdMap(ids, first)
    ours = [mapped[theirs] for theirs in sorted(set(ids))]
    assert ours == [*range(first, first + len(ours))]
    assert sum(run.length for run in mapped.runs) == len(ours)


def test_ids_are_kept_where_nothing_was_ever_made() -> None:
    with local_store() as store:
        incoming = small(databases=2)
        record = run_import(store, intake(incoming), now=now())
        assert ids_of(store) == ids_in(incoming)
        assert record.raised == dict(incoming.highest)
        assert [*read_id_map(store, record.id)] == []
        # What comes next goes on above what the source had ever given out.
        store.create_database("next")
        group = store.create_shard_group("next", "autogen", 0)
        assert group.id == incoming.highest["group"] + 1
        assert store.add_node("later:1").id == incoming.highest["node"] + 1


def test_ids_are_given_anew_where_something_is_there() -> None:
    with local_store() as store:
        store.add_node("mine:1")
        store.create_database("mine")
        mine = store.create_shard_group("mine", "autogen", 0)
        incoming = small(databases=2)
        record = run_import(store, intake(incoming), now=now())
        groups, shards = ids_of(store, without="mine")
        theirs = ids_in(incoming)
        assert groups == [*range(mine.id + 1, mine.id + 1 + len(groups))]
        assert len(shards) == len(theirs[1])
        assert not set(shards) & {shard.id for shard in mine.shards}
        runs = [*read_id_map(store, record.id)]
        mapped = {run.theirs + i: run.ours + i for run in runs if run.kind == "group" for i in range(run.length)}
        assert [mapped[group] for group in theirs[0]] == groups
        mapped = {run.theirs + i: run.ours + i for run in runs if run.kind == "shard" for i in range(run.length)}
        assert [mapped[shard] for shard in theirs[1]] == shards
        # Owners follow their nodes' new ids.
        hosts = {node.id: node.host for node in store.snapshot().nodes()}
        owners = [o.node_id for g in store.snapshot().policy("db0").groups() for s in g.shards for o in s.owners]
        assert {hosts[owner] for owner in owners} == {"n1:8088", "n2:8088"}
        assert record.nodes == {1: 2, 2: 3}


def test_nodes_that_joined_before_leave_the_ids_of_groups_as_they_are() -> None:
    with local_store() as store:
        store.add_node("mine:1")
        incoming = small()
        record = run_import(store, intake(incoming, nodes={1: 1}), now=now())
        assert ids_of(store) == ids_in(incoming)
        assert record.nodes == {1: 1, 2: 2}
        assert record.new_nodes == (2,)
        assert [node.host for node in store.snapshot().nodes()] == ["mine:1", "n2:8088"]


def test_ids_are_new_after_something_was_made_and_dropped() -> None:
    with local_store() as store:
        store.add_node("mine:1")
        store.create_database("mine")
        store.create_shard_group("mine", "autogen", 0)
        store.drop_database("mine")
        assert run_import(store, intake(small()), now=now()).first_group == 2


def test_a_node_of_the_same_address_is_the_same_node_and_that_is_said() -> None:
    with local_store() as store:
        store.add_node("other:1")
        store.add_node("n2:8088")
        record = run_import(store, intake(small()), now=now())
        assert record.nodes == {1: 3, 2: 2}


def test_order_and_odd_names_arrive() -> None:
    with local_store() as store:
        incoming = small(users=3)
        named = replace(incoming.databases[0], name="\udcff/..%=é")
        run_import(store, intake(replace(incoming, databases=(named,))), now=now())
        picture = seen(store)
        (database,) = picture["databases"].values()
        assert [*picture["databases"]] == ["\udcff/..%=é"]
        assert database["default"] == "p1"
        assert [name for name, _ in database["queries"]] == ["z", "a"]
        assert [*database["policies"]] == ["p0", "p1"]
        assert [sub[0] for sub in database["policies"]["p0"][3]] == ["z", "a"]
        assert [name for name, *_ in picture["users"]] == ["user0", "user1", "user2"]


def test_a_removed_node_is_a_tombstone() -> None:
    with local_store() as store:
        incoming = small(nodes=("n1:1",))
        incoming = replace(incoming, nodes=(*incoming.nodes, IncomingNode(5, "", {}, "removed")))
        run_import(store, intake(incoming), now=now())
        snapshot = store.snapshot()
        assert [node.id for node in snapshot.nodes()] == [1]
        assert snapshot.node(5).state == "removed"
        assert store.add_node("n6:1").id == 6


def test_single_databases_come_without_users_and_with_their_owners() -> None:
    incoming = small(databases=3)
    taken = select(incoming, {"db1": "renamed"})
    assert [database.name for database in taken.databases] == ["renamed"]
    assert taken.users == ()
    assert {node.id for node in taken.nodes} == {1, 2}
    with pytest.raises(DatabaseNotFound, match="has no database 'nope'"):
        select(incoming, {"nope": "nope"})
    with pytest.raises(InvalidName):
        select(incoming, {"db1": "a/b"})
    with pytest.raises(InvalidInput, match="one name"):
        select(incoming, {"db1": "x", "db2": "x"})
    with local_store() as store:
        run_import(store, intake(taken), now=now())
        run_import(store, intake(select(incoming, {"db1": "db1"})), now=now())
        assert [database.name for database in store.snapshot().databases()] == ["renamed", "db1"]


def ids_in(incoming: object) -> tuple[list[int], list[int]]:
    groups = [g for d in incoming.databases for p in d.policies for g in p.groups]  # type: ignore[attr-defined]
    return sorted(g.id for g in groups), sorted(s.id for g in groups for s in g.shards)


def ids_of(store: MetaStore, *, without: str = "") -> tuple[list[int], list[int]]:
    databases = [database for database in store.snapshot().databases() if database.name != without]
    groups = [g for d in databases for p in d.policies() for g in p.groups()]
    return sorted(g.id for g in groups), sorted(s.id for g in groups for s in g.shards)
