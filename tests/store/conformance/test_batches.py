"""Several commands, one transaction: all of them or none, each on the picture that the one before leaves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from etcdmeta import errors
from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.commands.group import CreateShardGroup, DeleteShardGroup
from etcdmeta.commands.node import AddNode
from etcdmeta.commands.policy import AlterPolicy, CreatePolicy, DropPolicy
from etcdmeta.commands.query import CreateContinuousQuery, DropContinuousQuery
from etcdmeta.commands.user import CreateUser, DropUser, GrantPrivilege
from etcdmeta.model.durations import Duration
from etcdmeta.model.owners import Privilege
from etcdmeta.store.passwords import hash_password
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import DAY, HOUR, NOW, World, with_nodes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etcdmeta.commands.plan import Command
    from etcdmeta.store import MetaStore
    from etcdmeta.store.batch import Batch


def query(database: str, name: str) -> Command:
    return CreateContinuousQuery(database=database, name=name, query="select 1")


def commit(store: MetaStore, commands: Iterable[Command]) -> Batch:
    with store.batch() as batch:
        for command in commands:
            batch.execute(command)
    return batch


def test_a_batch_is_one_generation_and_one_revision(world: World) -> None:
    store, other = world.open(), world.open()
    store.init_cluster()
    with store.batch() as batch:
        batch.execute(CreateDatabase(name="metrics"))
        batch.execute(CreatePolicy(database="metrics", name="p", duration=Duration(DAY), replicas=2))
        batch.execute(query("metrics", "q"))
    assert [outcome.generation for outcome in batch.outcomes] == [2, 2, 2]
    assert len({outcome.revision for outcome in batch.outcomes}) == 1
    assert len({outcome.operation_id for outcome in batch.outcomes}) == 3
    assert store.snapshot().policy("metrics", "p").replicas == 2
    assert [entry.command for entry in store.history()][1:] == [
        "create database",
        "create policy",
        "create continuous query",
    ]
    assert other.read_consistent().database("metrics").query("q").query == "select 1"
    check_cache(world, store)
    check_ledger(world)


def test_a_cluster_its_node_and_all_below_begin_in_one_batch(world: World) -> None:
    store = world.open()
    with store.batch() as batch:
        batch.execute(AddNode(host="a:1", cluster_id=7, epoch=8))
        batch.execute(AddNode(host="b:1", cluster_id=9, epoch=10))
        batch.execute(CreateDatabase(name="metrics", replicas=2))
        batch.execute(CreateShardGroup(database="metrics", at=NOW))
    guard = store.snapshot().cluster
    assert guard is not None
    assert (guard.cluster_id, guard.epoch, store.snapshot().generation) == (7, 8, 1)
    group = store.snapshot().policy("metrics").group_at(NOW)
    assert group is not None
    assert {owner.node_id for owner in group.shards[0].owners} == {1, 2}
    check_cache(world, store)
    check_ledger(world)


@pytest.mark.parametrize("refused_at", [0, 1, 2])
def test_one_refusal_undoes_all(world: World, refused_at: int) -> None:
    store = world.open()
    store.init_cluster()
    commands = [CreateDatabase(name="one"), query("one", "q"), CreateDatabase(name="two")]
    commands[refused_at:refused_at] = [DropDatabase(name="none")]
    records, ledger = world.records(), world.ledger()
    with pytest.raises(errors.DatabaseNotFound):
        commit(store, commands)
    assert world.records() == records
    assert world.ledger() == ledger


def test_an_error_in_the_block_commits_nothing(world: World) -> None:
    store = world.open()
    store.init_cluster()
    records = world.records()
    batch = store.batch()

    def fail() -> None:
        with batch:
            batch.execute(CreateDatabase(name="one"))
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert world.records() == records
    with pytest.raises(errors.Defect):
        _ = batch.outcomes


def test_what_a_batch_makes_it_can_drop(world: World) -> None:
    store = world.open()
    with_nodes(store)
    before = {record[0] for record in world.records()}
    with store.batch() as batch:
        batch.execute(CreateDatabase(name="metrics"))
        batch.execute(CreateShardGroup(database="metrics", at=NOW))
        batch.execute(query("metrics", "q"))
        batch.execute(DropContinuousQuery(database="metrics", name="q"))
        batch.execute(CreatePolicy(database="metrics", name="p", duration=Duration(DAY), replicas=1))
        batch.execute(DropPolicy(database="metrics", name="p"))
        batch.execute(DropDatabase(name="metrics"))
    assert all(outcome.changed for outcome in batch.outcomes)
    assert {record[0] for record in world.records()} == before
    check_cache(world, store)
    check_ledger(world)


def test_what_a_batch_drops_it_can_make_again(world: World) -> None:
    store = world.open()
    with_nodes(store)
    store.create_database("metrics", duration="1d")
    store.create_shard_group("metrics", "", at=NOW)
    old = store.snapshot().database("metrics").id
    with store.batch() as batch:
        batch.execute(DropDatabase(name="metrics"))
        batch.execute(CreateDatabase(name="metrics", replicas=2))
        batch.execute(AlterPolicy(database="metrics", name="autogen", new_name="p"))
        batch.execute(CreatePolicy(database="metrics", name="autogen", duration=Duration(DAY), replicas=1))
        batch.execute(CreateUser(name="bob", password_hash=hash_password("x")))
        batch.execute(GrantPrivilege(user="bob", database="metrics", privilege=Privilege.READ))
        batch.execute(DropUser(name="bob"))
        batch.execute(CreateUser(name="bob", password_hash=hash_password("x")))
    database = store.snapshot().database("metrics")
    assert database.id != old
    assert {policy.name: policy.replicas for policy in database.policies()} == {"p": 2, "autogen": 1}
    assert not store.snapshot().allows("bob", Privilege.READ, "metrics")
    assert list(store.snapshot().groups()) == []
    check_cache(world, store)
    check_ledger(world)


def test_groups_of_one_batch_do_not_overlap(world: World) -> None:
    store = world.open()
    with_nodes(store)
    store.create_database("metrics", duration="1d", group_duration="1h")
    with store.batch() as batch:
        first = CreateShardGroup(database="metrics", at=NOW)
        batch.execute(first)
        batch.execute(first)
        batch.execute(CreateShardGroup(database="metrics", at=NOW + HOUR))
    one, again, two = batch.outcomes
    assert one.result == again.result != two.result
    assert (one.changed, again.changed) == (True, False)
    with store.batch() as batch:
        batch.execute(DeleteShardGroup(group_id=one.result["group_id"]))
        batch.execute(first)
    assert batch.outcomes[1].result["group_id"] not in {one.result["group_id"], two.result["group_id"]}
    check_cache(world, store)
    check_ledger(world)


def test_a_batch_of_nothing_is_nothing(world: World) -> None:
    store = world.open()
    store.init_cluster()
    revision = world.revision()
    with store.batch() as batch:
        pass
    assert batch.outcomes == ()
    with store.batch() as batch:
        batch.execute(CreateDatabase(name="metrics"))
        batch.execute(CreateDatabase(name="metrics"))
    assert [outcome.changed for outcome in batch.outcomes] == [True, False]
    with store.batch() as batch:
        batch.execute(CreateDatabase(name="metrics"))
    assert [outcome.changed for outcome in batch.outcomes] == [False]
    assert store.snapshot().generation == 2
    assert world.revision() <= revision + 3


def test_a_batch_past_a_transaction_is_refused_whole(world: World) -> None:
    store = world.open()
    store.init_cluster()
    store.create_database("metrics")
    records = world.records()
    with pytest.raises(errors.CommandTooLarge) as caught:
        commit(store, (query("metrics", f"q{number}") for number in range(120)))
    assert caught.value.rule is not None
    large = [CreateContinuousQuery(database="metrics", name=f"q{n}", query="x" * 400_000) for n in range(4)]
    with pytest.raises(errors.CommandTooLarge):
        commit(store, large)
    assert world.records() == records
    commit(store, (query("metrics", f"q{number}") for number in range(40)))
    assert len(store.snapshot().database("metrics").queries()) == 40
    check_cache(world, store)
