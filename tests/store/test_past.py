"""Pictures of the past, on all kinds of strategy, and what is said where etcd has compacted them."""

from __future__ import annotations

import pytest

from etcdmeta import MetaStore, errors
from etcdmeta.consensus.local import LocalCluster, LocalStrategy
from etcdmeta.replica.listing import listing
from tests.store.worlds import DAY, NOW, World


def filled(store: MetaStore) -> int:
    """Two nodes, a database and a group with a shard that two nodes own in the end; the shard."""
    store.add_node("a:1")
    store.add_node("b:1")
    store.create_database("metrics", duration="inf")
    shard = store.create_shard_group("metrics", "autogen", NOW).shards[0]
    (owner,) = shard.owners
    other = 3 - owner.node_id
    store.begin_copy(shard.id, owner.node_id, other)
    store.finish_copy(shard.id, other, store.snapshot().shard(shard.id).last_attempt)
    store.create_user("ann", "secret")
    store.drop_user("ann")
    return shard.id


def test_every_generation_can_be_seen_again(world: World) -> None:
    store = world.open()
    pictures = {}
    for step in (
        lambda: store.add_node("a:1"),
        lambda: store.create_database("metrics", duration="inf"),
        lambda: store.create_shard_group("metrics", "autogen", NOW),
        lambda: store.create_shard_group("metrics", "autogen", NOW + 30 * DAY),
        lambda: store.drop_database("metrics"),
        lambda: store.create_database("again"),
    ):
        step()
        snapshot = store.snapshot()
        pictures[snapshot.generation] = snapshot
    assert len(pictures) == 6
    for generation, seen in pictures.items():
        past = store.snapshot_at(generation)
        assert past.generation == generation
        assert past.revision == seen.generation_mark.mod_revision
        assert listing(past) == listing(seen)
        assert store.generation_time(past) is not None


def test_what_is_not_there_is_refused(world: World) -> None:
    store = world.open()
    filled(store)
    newest = store.snapshot().generation
    for wrong in (0, -1, newest + 1):
        with pytest.raises(errors.InvalidInput, match=f"from 1 to {newest}"):
            store.snapshot_at(wrong)


def test_beyond_the_compaction_the_oldest_is_named(world: World) -> None:
    store = world.open()
    filled(store)
    newest = store.snapshot().generation
    oldest = newest - 3
    world.compact(store.snapshot_at(oldest).revision)
    assert store.snapshot_at(oldest).generation == oldest
    assert store.snapshot_at(newest).generation == newest
    for gone in range(1, oldest):
        with pytest.raises(errors.HistoryCompacted, match=f"back to generation {oldest}") as caught:
            store.snapshot_at(gone)
        assert "etcdmeta history" in str(caught.value)
    world.compact(world.revision())
    assert store.snapshot_at(newest).generation == newest
    with pytest.raises(errors.HistoryCompacted, match=f"back to generation {newest}"):
        store.snapshot_at(newest - 1)


def test_an_owners_life_is_told(world: World) -> None:
    store = world.open()
    shard_id = filled(store)
    events = store.owner_history(shard_id)
    assert [event.command for event in events] == ["create shard group", "begin copy", "finish copy"]
    assert [event.owners and [str(owner.status) for owner in event.owners] for event in events] == [
        ["active"],
        ["active", "copying"],
        ["active", "active"],
    ]
    assert [event.generation for event in events] == [4, 5, 6]
    world.compact(events[-1].revision)
    events = store.owner_history(shard_id)
    assert [event.owners is None for event in events] == [True, True, False]
    with pytest.raises(errors.ShardNotFound):
        store.owner_history(99)


def test_an_accepted_restore_leaves_a_gap_in_the_numbers() -> None:
    cluster = LocalCluster()
    with MetaStore(LocalStrategy(cluster), cluster="prod") as store:
        store.wait_live(30)
        store.add_node("a:1")
        store.create_database("kept")
        kept = store.snapshot()
        backup = cluster.save()
        for number in range(5):
            store.create_database(f"lost{number}")
        lost = store.snapshot().generation
        cluster.restore(backup)
        store.wait_for(lambda snapshot: snapshot.find_database("lost0") is None, timeout=30)
        accepted = store.accept_restore().generation
        store.create_database("later")
        assert accepted is not None
        assert accepted > lost
        assert listing(store.snapshot_at(kept.generation)) == listing(kept)
        assert store.snapshot_at(accepted).generation == accepted
        assert store.snapshot_at(accepted).find_database("later") is None
        with pytest.raises(errors.NotFound, match=f"no generation {lost}"):
            store.snapshot_at(lost)
        by_command = {entry.summary: entry.generation for entry in store.history()}
        assert list(by_command.values())[:2] == [1, kept.generation]
