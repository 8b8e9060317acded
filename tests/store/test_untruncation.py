"""The undo of a truncation: where the room is free, and where somebody took it."""

from __future__ import annotations

import pytest

from etcdmeta import errors
from etcdmeta.commands.group import CreateShardGroup, DeleteShardGroup
from etcdmeta.commands.untruncation import GROUPS_A_STEP, UntruncateShardGroups
from etcdmeta.records import keys
from etcdmeta.store import MetaStore
from tests.store.worlds import DAY, NOW, World

STEP = 600 * 10**9
"""Ten minutes: the day of ``NOW`` ends two hours later."""


def truncated(store: MetaStore) -> int:
    """A group that was truncated ten minutes after ``NOW``; its id."""
    store.add_node("a:1")
    store.create_database("metrics", duration="inf", group_duration="1d")
    group = store.create_shard_group("metrics", "autogen", NOW)
    store.truncate_shard_groups(NOW + STEP)
    assert store.snapshot().group(group.id).truncated_at == NOW + STEP
    return group.id


def test_the_end_comes_back(world: World) -> None:
    store = world.open()
    group_id = truncated(store)
    policy = store.snapshot().policy("metrics", "autogen")
    info = policy.mod_revision
    outcome = store.execute(UntruncateShardGroups(group_ids=(group_id,)))
    assert outcome.changed
    assert store.snapshot().group(group_id).truncated_at is None
    grown = store.snapshot().policy("metrics", "autogen")
    assert grown.mod_revision > info, "whoever grows a group writes its policy"
    assert grown.record.model_dump(exclude={"mod_revision"}) == policy.record.model_dump(exclude={"mod_revision"})
    assert grown.group_id_at(NOW + 2 * STEP) == group_id
    assert not store.execute(UntruncateShardGroups(group_ids=(group_id,))).changed


def test_who_took_the_room_is_named(local: World) -> None:
    store = local.open()
    group_id = truncated(store)
    later = store.create_shard_group("metrics", "autogen", NOW + 2 * STEP)
    assert later.start == NOW + STEP
    with pytest.raises(errors.Refused, match=f"shard group {later.id} holds") as caught:
        store.execute(UntruncateShardGroups(database="metrics"))
    assert caught.value.value == later.id
    assert store.snapshot().group(group_id).truncated_at is not None
    store.execute(DeleteShardGroup(group_id=later.id))
    assert store.execute(UntruncateShardGroups(database="metrics", policy="autogen")).changed
    assert store.snapshot().group(group_id).truncated_at is None


def test_of_two_that_want_the_room_one_gets_it(local: World) -> None:
    """Planned on one picture: whoever commits second meets a compare."""
    store = local.open()
    group_id = truncated(store)
    undo = store.plan(UntruncateShardGroups(group_ids=(group_id,)))
    create = store.plan(CreateShardGroup(database="metrics", policy="autogen", at=NOW + 2 * STEP))
    group = store.snapshot().group(group_id)
    info = keys.policy_info(group.database_id, group.policy_id)
    assert any(write.key == info for write in undo.writes if hasattr(write, "key"))
    assert any(getattr(compare, "key", None) == info for compare in create.compares)


def test_many_take_several_steps(local: World) -> None:
    store = local.open()
    store.add_node("a:1")
    store.create_database("metrics", duration="inf", group_duration="1d")
    count = GROUPS_A_STEP + 3
    for number in range(count):
        store.create_shard_group("metrics", "autogen", NOW + number * DAY)
    store.truncate_shard_groups(NOW)
    first = store.execute(UntruncateShardGroups(database="metrics"))
    assert first.more
    assert store.execute(UntruncateShardGroups(database="metrics")).more is False
    assert all(group.truncated_at is None for group in store.snapshot().groups())


def test_what_is_to_be_undone_has_to_be_said(local: World) -> None:
    store = local.open()
    truncated(store)
    with pytest.raises(errors.InvalidInput, match="which truncation"):
        store.execute(UntruncateShardGroups())
    with pytest.raises(errors.GroupNotFound):
        store.execute(UntruncateShardGroups(group_ids=(99,)))
