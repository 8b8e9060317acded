"""Several stores, each with several threads, at the same things at the same moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from etcdmeta import errors
from etcdmeta.commands.database import CreateDatabase
from etcdmeta.commands.query import CreateContinuousQuery
from etcdmeta.model.entities import Node, ShardGroup
from etcdmeta.model.owners import NodeState
from etcdmeta.store import Outcome
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import HOUR, NOW, World, at_once, with_nodes

if TYPE_CHECKING:
    import pytest


def test_32_clients_make_the_group_of_one_window_once(world: World) -> None:
    stores = [world.open() for _ in range(4)]
    with_nodes(stores[0])
    stores[0].create_database("metrics", duration="30d", replicas=2)
    for window in range(3):
        at = NOW + window * 48 * HOUR
        groups = at_once(
            lambda n=n, at=at: stores[n % 4].create_shard_group("metrics", "autogen", at=at) for n in range(32)
        )
        assert all(isinstance(group, ShardGroup) for group in groups), groups
        assert len({group.id for group in groups if isinstance(group, ShardGroup)}) == 1
    assert len(list(stores[0].read_consistent().groups())) == 3
    check_cache(world, stores[0])
    check_ledger(world)


def test_50_nodes_join_at_once(world: World) -> None:
    stores = [world.open() for _ in range(5)]
    nodes = at_once(lambda n=n: stores[n % 5].add_node(f"host{n}:1") for n in range(50))
    assert all(isinstance(node, Node) for node in nodes), nodes
    assert len({node.id for node in nodes if isinstance(node, Node)}) == 50
    pictures = [store.read_consistent() for store in stores]
    assert len({snapshot.cluster.cluster_id for snapshot in pictures if snapshot.cluster is not None}) == 1
    assert len(pictures[0].nodes()) == 50
    check_cache(world, stores[0])
    check_ledger(world)


def test_no_node_goes_while_groups_are_made_on_it(world: World) -> None:
    """A creator that planned on the node before its removal began must lose, and plan anew without it."""
    makers, remover = [world.open() for _ in range(2)], world.open()
    nodes = with_nodes(remover, 4)
    remover.create_database("metrics", duration="30d", replicas=2, group_duration="1h")

    def remove() -> Node:
        return remover.remove_node(nodes[0], force=True, reason="gone")

    def make(number: int) -> ShardGroup:
        return makers[number % 2].create_shard_group("metrics", "", at=NOW + number * HOUR)

    results = at_once([remove, *(lambda n=n: make(n) for n in range(24))])
    refused = [result for result in results if isinstance(result, errors.EtcdMetaError)]
    assert not refused, refused
    snapshot = makers[0].read_consistent()
    assert snapshot.node(nodes[0]).state == NodeState.REMOVED
    assert list(snapshot.shards_of(nodes[0])) == []
    assert len(list(snapshot.groups())) == 24
    check_cache(world, makers[0])
    check_ledger(world)


def test_ids_are_exact_for_one_writer_and_never_used_again(world: World) -> None:
    store = world.open()
    with_nodes(store, 3)
    assert [node.id for node in store.snapshot().nodes()] == [1, 2, 3]
    ids = []
    for number in range(5):
        ids.append(store.create_database(f"db{number}").id)
        store.drop_database(f"db{number}")
    assert ids == [1, 2, 3, 4, 5]
    again = world.open()
    assert again.create_database("more").id == 6
    assert again.add_node("n9:1").id == 4
    # 3 nodes, then 4, of one replica: a shard on each (InfluxDB).
    assert store.create_database("last").id == 7
    group = store.create_shard_group("last", "", at=NOW)
    assert (group.id, [shard.id for shard in group.shards]) == (1, [1, 2, 3, 4])


def test_16_threads_commit_together_each_with_its_own_outcome(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Among them one that is refused, one that finds its work done, and two at the same name."""
    store, other = world.open(), world.open()
    store.init_cluster()
    store.create_database("metrics")
    sent = []
    transact = store._strategy.transact
    monkeypatch.setattr(
        store._strategy, "transact", lambda txn, *, deadline: (sent.append(txn), transact(txn, deadline=deadline))[1]
    )

    def query(name: str, text: str = "select 1") -> Outcome:
        return store.execute(CreateContinuousQuery(database="metrics", name=name, query=text))

    rounds = 6
    for turn in range(rounds):
        # Meanwhile another store takes one of the names, with another text.
        results = at_once(
            [
                *(lambda n=n, turn=turn: query(f"{turn}-{n}") for n in range(12)),
                lambda: store.execute(CreateContinuousQuery(database="none", name="x", query="x")),
                lambda: store.execute(CreateDatabase(name="metrics")),
                lambda turn=turn: query(f"{turn}-same", "one"),
                lambda turn=turn: query(f"{turn}-same", "two"),
                lambda turn=turn: other.execute(
                    CreateContinuousQuery(database="metrics", name=f"{turn}-0", query="other")
                ),
            ]
        )
        independent, refused, unchanged, same, raced = (
            results[1:12],
            results[12],
            results[13],
            results[14:16],
            (results[0], results[16]),
        )
        assert all(isinstance(outcome, Outcome) and outcome.changed for outcome in independent), independent
        assert isinstance(refused, errors.DatabaseNotFound)
        assert isinstance(unchanged, Outcome)
        assert not unchanged.changed
        for pair in (same, raced):
            assert sorted(type(each).__name__ for each in pair) == ["Outcome", "QueryExists"]
    database = store.read_consistent().database("metrics")
    assert len(database.queries()) == rounds * 13
    assert len(sent) < rounds * 16, "threads that wait at the same moment are committed together"
    check_cache(world, store)
    check_ledger(world)


def test_commands_on_one_key_of_many_threads_all_get_through(world: World) -> None:
    stores = [world.open() for _ in range(3)]
    stores[0].init_cluster()
    stores[0].create_database("metrics")

    def alter(number: int) -> None:
        for turn in range(4):
            stores[number % 3].alter_policy("metrics", "autogen", replicas=1 + number * 4 + turn)

    with ThreadPoolExecutor(12) as pool:
        list(pool.map(alter, range(12)))
    assert stores[0].read_consistent().policy("metrics").replicas <= 48
    check_cache(world, stores[0])
    check_ledger(world)
