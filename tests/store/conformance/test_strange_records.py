"""Records that this version did not write, or cannot read: kept, shown, and in nobody's way."""

from __future__ import annotations

import pytest

from etcdmeta import errors
from etcdmeta.commands.database import CreateDatabase
from etcdmeta.commands.guard import SetReadOnly
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.records import keys
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.records.transaction import Put
from etcdmeta.store import MetaStore, new_operation_id
from tests.store.worlds import HOUR, NOW, World, caught_up, wait_until, with_nodes

GARBAGE = b"\xff\xff no protobuf"


def test_an_unreadable_record_stops_those_who_rely_on_it_and_nobody_else(world: World) -> None:
    store = world.open()
    with_nodes(store)
    store.create_database("metrics", group_duration="1h", duration="30d")
    store.create_database("other", group_duration="1h", duration="30d")
    group = store.create_shard_group("metrics", "", at=NOW)
    shard = group.shards[0].id
    key = keys.group(group.database_id, group.policy_id, group.start, group.id)
    good = world.value(key)
    snapshot = caught_up(store, world.forge(key, GARBAGE))
    assert list(snapshot.unreadable) == [key]
    late = world.open()
    assert list(late.snapshot().unreadable) == [key], "a listing quarantines it, too"
    records, ledger = world.records(), len(world.ledger())
    for each in (store, late):
        with pytest.raises(errors.RecordUnreadable) as caught:
            each.create_shard_group("metrics", "", at=NOW)
        assert caught.value.remedy is not None
        with pytest.raises((errors.RecordUnreadable, errors.GroupNotFound)):
            each.delete_shard_group(group.id)
        with pytest.raises((errors.RecordUnreadable, errors.ShardNotFound)):
            each.begin_copy(shard, 1, 2)
    assert (world.records(), len(world.ledger())) == (records, ledger)
    for each in (store, late):
        with pytest.raises(errors.RecordUnreadable):
            each.remove_node(1)  # the group may name it: the removal is begun, and not finished
    assert not any(entry.command == "finish node removal" for entry in store.history())
    # The rest goes on.
    store.create_shard_group("metrics", "", at=NOW + 48 * HOUR)
    store.create_shard_group("other", "", at=NOW)
    store.create_continuous_query("metrics", "q", "select 1")
    assert world.value(key) == GARBAGE
    # Mended, it is read again.
    assert good is not None
    caught_up(late, world.forge(key, good))
    assert late.snapshot().unreadable == {}
    assert late.create_shard_group("metrics", "", at=NOW).id == group.id


def test_an_unreadable_name_is_not_taken_for_a_free_one(world: World) -> None:
    store = world.open()
    store.init_cluster()
    store.create_database("metrics")
    key = keys.database_name("metrics")
    caught_up(store, world.forge(key, GARBAGE))
    for refused in (
        lambda: store.create_database("metrics"),
        lambda: store.drop_database("metrics"),
        lambda: store.create_continuous_query("metrics", "q", "select 1"),
    ):
        with pytest.raises((errors.RecordUnreadable, errors.DatabaseNotFound)):
            refused()
    with pytest.raises(errors.RecordUnreadable):
        store.create_database("metrics")
    assert world.value(key) == GARBAGE
    store.create_database("another")


def test_an_unreadable_database_is_not_taken_for_a_missing_one(world: World) -> None:
    store = world.open()
    store.init_cluster()
    database = store.create_database("metrics")
    caught_up(store, world.forge(keys.database_info(database.id), GARBAGE))
    for refused in (
        lambda: store.create_database("metrics"),
        lambda: store.create_continuous_query("metrics", "q", "select 1"),
    ):
        with pytest.raises(errors.RecordUnreadable):
            refused()
    store.create_database("another")


def test_what_a_later_version_wrote_survives_a_rewrite(world: World) -> None:
    store = world.open()
    with_nodes(store)
    store.create_database("metrics", replicas=2)
    group = store.create_shard_group("metrics", "", at=NOW)
    shard = group.shards[0]
    key = keys.group(group.database_id, group.policy_id, group.start, group.id)
    later = pb.ShardGroup.FromString(world.value(key) or b"")
    later.shards[0].owners[0].status = "resting"
    unknown = b"\xfa\x7f\x05later"  # field 2047, five bytes
    caught_up(store, world.forge(key, later.SerializeToString() + unknown))
    owner = store.snapshot().shard(shard.id).owners[0]
    assert owner.status == "resting"
    assert not owner.serves
    with pytest.raises(errors.TransitionRefused):
        store.set_owner_status(shard.id, owner.node_id, OwnerStatus.ACTIVE)
    free = next(n for n in (1, 2, 3) if shard.owner(n) is None)
    store.begin_copy(shard.id, shard.owners[1].node_id, free)
    written = world.value(key) or b""
    assert b"later" in written
    assert pb.ShardGroup.FromString(written).shards[0].owners[0].status == "resting"
    assert store.snapshot().shard(shard.id).owners[0].status == "resting"


def test_kinds_of_a_later_version_are_kept_and_copied(world: World) -> None:
    store = world.open()
    store.init_cluster()
    key = b"state/plan/0000000000000001"
    caught_up(store, world.forge(key, b"a later kind"))
    store.create_database("metrics")
    assert world.value(key) == b"a later kind"
    assert world.open().snapshot().tables.others.get(key) is not None


def guard(world: World) -> pb.Cluster:
    return pb.Cluster.FromString(world.value(keys.CLUSTER) or b"")


def test_a_schema_for_newer_writers_is_read_and_not_written(world: World) -> None:
    store = world.open()
    store.init_cluster()
    newer = guard(world)
    newer.oldest_writer = 2
    caught_up(store, world.forge(keys.CLUSTER, newer.SerializeToString()))
    late = world.open()
    records, ledger = world.records(), len(world.ledger())
    for each in (store, late):
        with pytest.raises(errors.SchemaTooNew) as caught:
            each.create_database("metrics")
        assert caught.value.value == 2
        assert caught.value.remedy is not None
        with pytest.raises(errors.SchemaTooNew), each.batch() as batch:
            batch.execute(CreateDatabase(name="metrics"))
    assert (world.records(), len(world.ledger())) == (records, ledger)


def test_a_schema_for_newer_readers_ends_the_following(world: World) -> None:
    store = world.open()
    store.init_cluster()
    before = store.snapshot()
    newer = guard(world)
    newer.oldest_reader = newer.oldest_writer = 2
    world.forge(keys.CLUSTER, newer.SerializeToString())
    wait_until(lambda: isinstance(store.freshness().problem, errors.SchemaTooNew), "the store sees the schema")
    assert store.snapshot() is before, "the last picture stays"
    revision = world.revision()
    with pytest.raises(errors.SchemaTooNew):
        store.create_database("metrics")
    late = MetaStore(world.connect(), cluster=world.cluster, timeout=5)
    world.stores.append(late)
    with pytest.raises(errors.SchemaTooNew) as caught:
        late.wait_live()
    assert caught.value.remedy is not None
    with pytest.raises(errors.SchemaTooNew):
        late.snapshot()
    assert world.revision() == revision


def test_a_read_only_cluster_takes_no_command(world: World) -> None:
    store = world.open()
    store.init_cluster()
    flagged = guard(world)
    flagged.read_only = True
    # A writer that has not seen the flag yet compares the guard, and loses.
    world.forge(keys.CLUSTER, flagged.SerializeToString())
    records = world.records()
    for _ in range(2):
        with pytest.raises(errors.ReadOnly):
            store.create_database("metrics")
    assert world.records() == records
    assert store.set_read_only(False).changed, "but the one that undoes it"
    store.create_database("metrics")
    other = world.open()
    assert other.set_read_only(True).changed
    assert not other.set_read_only(True).changed
    with pytest.raises(errors.ReadOnly) as caught:
        store.create_database("more")
    assert caught.value.remedy is not None
    with pytest.raises(errors.ReadOnly):  # a preview shows what would happen
        store.plan(CreateDatabase(name="more"))
    assert store.plan(SetReadOnly(read_only=False)).writes


def test_what_is_no_ledger_entry_hides_no_other(world: World) -> None:
    store = world.open()
    store.init_cluster()
    operation_id = new_operation_id()
    world.commit(Put(keys.ledger(operation_id), GARBAGE))
    store.create_database("metrics")
    first, strange, last = store.history()
    assert [first.command, last.command] == ["init cluster", "create database"]
    assert (strange.operation_id, strange.command) == (operation_id, "")
    assert "unreadable" in strange.summary
    for asked in (
        lambda: store.outcome(operation_id),
        lambda: store.execute(CreateDatabase(name="other"), operation_id=operation_id),
    ):
        with pytest.raises(errors.RecordUnreadable) as caught:
            asked()
        assert caught.value.remedy is not None


def test_an_unreadable_counter_of_ids_hands_out_none(world: World) -> None:
    store = world.open()
    store.init_cluster()
    store.create_database("metrics")
    world.commit(Put(keys.ids("database"), GARBAGE))
    for each in (store, world.open()):
        for refused in (lambda s: s.create_database("other"), lambda s: s.plan(CreateDatabase(name="other"))):
            with pytest.raises(errors.RecordUnreadable) as caught:
                refused(each)
            assert caught.value.remedy is not None
        each.create_continuous_query("metrics", "q", "select 1")
    assert world.value(keys.ids("database")) == GARBAGE
