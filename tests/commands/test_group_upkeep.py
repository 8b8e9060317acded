from itertools import pairwise

import pytest

from etcdmeta.commands import group_upkeep
from etcdmeta.commands.group import CreateShardGroup, DeleteShardGroup
from etcdmeta.commands.group_upkeep import PrecreateShardGroups, PruneShardGroups, TruncateShardGroups
from etcdmeta.commands.node import UpdateNode
from etcdmeta.errors import DatabaseNotFound, InvalidInput, InvalidTime, NodesRequired, PolicyNotFound
from etcdmeta.model.durations import DAY, HOUR, WEEK
from etcdmeta.model.entities import ShardGroup
from etcdmeta.model.owners import NodeState
from etcdmeta.model.times import MAX_TIME, MIN_TIME
from etcdmeta.records import keys
from etcdmeta.records.transaction import Compare, Delete, Put

MONDAY = 1_795_392_000 * 10**9  # 2026-11-23T00:00:00Z, a Monday; the world's now


def days(*spans: tuple[int, int]) -> list[tuple[int, int]]:
    return [(MONDAY + start * DAY, MONDAY + end * DAY) for start, end in spans]


# --- precreation


def test_the_group_that_follows_is_made_once(three) -> None:
    three.add_group(MONDAY)
    plan = three.run(PrecreateShardGroups(until=MONDAY + WEEK + 1))
    assert three.spans() == days((0, 7), (7, 14))
    assert (len(plan.result["group_ids"]), plan.more) == (1, False)
    again = three.run(PrecreateShardGroups(until=MONDAY + WEEK + 1))
    assert (again.changed, again.result) == (False, {"group_ids": []})


def test_only_groups_that_end_before_the_advance_are_followed(three) -> None:
    three.add_group(MONDAY)
    assert not three.run(PrecreateShardGroups(until=MONDAY + WEEK)).changed


def test_it_goes_on_until_the_advance_is_covered(three) -> None:
    three.add_group(MONDAY)
    plans = three.run_all(PrecreateShardGroups(until=MONDAY + 30 * DAY))
    assert [plan.more for plan in plans] == [True, True, True, False]
    assert three.spans() == days((0, 7), (7, 14), (14, 21), (21, 28), (28, 35))


def test_a_policy_without_groups_gets_none(three) -> None:
    assert not three.run(PrecreateShardGroups(until=MONDAY + 30 * DAY)).changed


def test_a_follower_that_would_lie_wholly_in_the_past_is_left_out(three) -> None:
    three.add_group(MONDAY - 50 * WEEK)
    assert not three.run(PrecreateShardGroups(until=MONDAY + DAY)).changed
    three.add_group(MONDAY - 1)  # what follows holds now
    assert three.run(PrecreateShardGroups(until=MONDAY + DAY)).changed
    assert three.snapshot.policy("metrics").group_at(MONDAY) is not None


def test_so_is_one_whose_window_is_over_though_its_group_ended_within_the_last_window(three) -> None:
    three.put_group(ShardGroup(id=900, database_id=1, policy_id=1, start=MONDAY - 10 * DAY, end=MONDAY - 5 * DAY))
    assert not three.run(PrecreateShardGroups(until=MONDAY + DAY)).changed


def test_deleted_groups_are_not_followed(three) -> None:
    group = three.add_group(MONDAY)
    three.run(DeleteShardGroup(group_id=group.id))
    assert not three.run(PrecreateShardGroups(until=MONDAY + 2 * WEEK)).changed


def test_a_gap_is_filled_up_to_the_next_group(three) -> None:
    three.add_group(MONDAY)
    three.put_group(ShardGroup(id=900, database_id=1, policy_id=1, start=MONDAY + 10 * DAY, end=MONDAY + 14 * DAY))
    three.run(PrecreateShardGroups(until=MONDAY + 8 * DAY))
    assert three.spans() == days((0, 7), (7, 10), (10, 14))


def test_all_policies_or_those_of_one_database(world) -> None:
    world.add_nodes(1)
    for name in ("a", "b"):
        world.add_database(name, group_duration="1d")
        world.add_group(MONDAY, name)
    assert len(world.run(PrecreateShardGroups(until=MONDAY + DAY + 1, database="a")).result["group_ids"]) == 1
    assert len(world.run(PrecreateShardGroups(until=MONDAY + DAY + 1)).result["group_ids"]) == 1
    assert [len(list(d.policies()[0].groups())) for d in world.snapshot.databases()] == [2, 2]


def test_one_step_spreads_its_groups_over_the_nodes(world) -> None:
    world.add_nodes(4)
    for n in range(4):
        world.add_database(f"d{n}", replicas=3, group_duration="1d")
        world.add_group(MONDAY, f"d{n}")
    world.run(PrecreateShardGroups(until=MONDAY + DAY + 1))
    counts = world.snapshot.owner_counts().values()
    assert max(counts) - min(counts) <= 1


def test_many_policies_take_several_steps(world) -> None:
    world.add_nodes(35)
    for n in range(group_upkeep.POLICIES_A_STEP + 2):
        world.add_database(f"d{n}", replicas=35)
        world.add_group(MONDAY, f"d{n}")
    plans = world.run_all(PrecreateShardGroups(until=MONDAY + WEEK + 1))
    assert [len(plan.result["group_ids"]) for plan in plans] == [group_upkeep.POLICIES_A_STEP, 2]


def test_a_writer_that_was_first_makes_the_step_plan_again(three) -> None:
    three.add_group(MONDAY)
    plan = three.plan(PrecreateShardGroups(until=MONDAY + WEEK + 1))
    three.add_group(MONDAY + WEEK)
    assert not three.commit(plan)
    assert not three.plan(PrecreateShardGroups(until=MONDAY + WEEK + 1)).changed


def test_a_policy_with_an_unreadable_group_is_left_out_and_named(three) -> None:
    three.add_group(MONDAY)
    three.write([Put(keys.group(1, 1, MONDAY + WEEK, 77), b"\xff")])
    plan = three.run(PrecreateShardGroups(until=MONDAY + WEEK + 1))
    assert not plan.changed
    assert "metrics.autogen" in plan.notices[0]


@pytest.mark.parametrize(
    ("until", "database", "error"),
    [
        (MONDAY + 367 * DAY, None, InvalidTime),
        (MAX_TIME + 1, None, InvalidTime),
        (MONDAY, "nope", DatabaseNotFound),
    ],
)
def test_precreation_refuses(three, until, database, error) -> None:
    with pytest.raises(error):
        three.plan(PrecreateShardGroups(until=until, database=database))


def test_precreation_needs_nodes_only_where_something_is_due(world) -> None:
    world.add_nodes(1)
    world.add_database()
    world.add_group(MONDAY)
    world.run(UpdateNode(node_id=1, state=NodeState.DRAINING))
    assert not world.run(PrecreateShardGroups(until=MONDAY + DAY)).changed
    with pytest.raises(NodesRequired):
        world.plan(PrecreateShardGroups(until=MONDAY + 8 * DAY))


# --- truncation: InfluxDB's rule, one case each


@pytest.mark.parametrize(
    ("start", "end", "truncated", "deleted", "after"),
    [
        pytest.param(-7, -1, None, False, None, id="ends before t: left"),
        pytest.param(-7, 0, None, False, None, id="ends at t: left"),
        pytest.param(-3, 4, None, True, None, id="deleted: left"),
        pytest.param(-3, 4, -1, False, -1, id="truncated earlier: left"),
        pytest.param(-3, 4, 0, False, 0, id="truncated at t: left"),
        pytest.param(-3, 4, 2, False, 0, id="truncated later: at t"),
        pytest.param(-3, 4, None, False, 0, id="around t: at t"),
        pytest.param(0, 7, None, False, 0, id="starts at t: at its own start"),
        pytest.param(7, 14, None, False, 7, id="in the future: at its own start"),
        pytest.param(7, 14, 9, False, 7, id="in the future, truncated later: at its own start"),
    ],
)
def test_truncation(three, start, end, truncated, deleted, after) -> None:
    group = three.put_group(
        ShardGroup(
            id=900,
            database_id=1,
            policy_id=1,
            start=MONDAY + start * DAY,
            end=MONDAY + end * DAY,
            truncated_at=None if truncated is None else MONDAY + truncated * DAY,
            deleted_at=1 if deleted else None,
        )
    )
    plan = three.run(TruncateShardGroups(at=MONDAY))
    expected = None if after is None else MONDAY + after * DAY
    changed = three.snapshot.group(900)
    assert (changed.truncated_at, changed.start, changed.end) == (expected, group.start, group.end)
    assert plan.changed == (group.truncated_at != expected)
    assert plan.result["group_ids"] == ([900] if plan.changed else [])


def test_truncation_compares_each_group_and_writes_no_policy(three) -> None:
    groups = [three.add_group(MONDAY), three.add_group(MONDAY + WEEK)]
    plan = three.plan(TruncateShardGroups(at=MONDAY + DAY))
    group_keys = [keys.group(1, 1, g.start, g.id) for g in groups]
    assert list(plan.compares) == [Compare.modified(k, g.mod_revision) for k, g in zip(group_keys, groups, strict=True)]
    assert [w.key for w in plan.writes] == group_keys


def test_after_a_truncation_new_groups_take_the_rest_and_the_same_again_is_unchanged(three) -> None:
    three.add_group(MONDAY)
    three.add_group(MONDAY + WEEK)
    three.run(TruncateShardGroups(at=MONDAY + DAY))
    assert not three.run(TruncateShardGroups(at=MONDAY + DAY)).changed
    three.add_group(MONDAY + 3 * DAY)
    three.add_group(MONDAY + 8 * DAY)
    assert three.spans() == days((0, 1), (1, 7), (7, 14))


@pytest.mark.parametrize(("database", "policy", "changed"), [(None, None, 2), ("a", None, 1), ("a", "autogen", 1)])
def test_truncation_of_all_of_a_database_or_a_policy(world, database, policy, changed) -> None:
    world.add_nodes(1)
    for name in ("a", "b"):
        world.add_database(name)
        world.add_group(MONDAY, name)
    plan = world.run(TruncateShardGroups(at=MONDAY + 1, database=database, policy=policy))
    assert len(plan.result["group_ids"]) == changed


def test_groups_made_between_the_steps_are_not_truncated(world) -> None:
    """They look like groups in the future: they start where the truncated ones now end."""
    world.add_nodes(1)
    world.add_database(group_duration="1h")
    for hour in range(group_upkeep.GROUPS_A_STEP + 5):
        world.add_group(MONDAY + hour * HOUR)
    command = TruncateShardGroups(at=MONDAY + 1)
    first = world.run(command)
    assert first.more
    new = world.add_group(MONDAY + 2 * HOUR)
    second = world.run(command.following(first.result))
    assert (len(second.result["group_ids"]), second.more) == (5, False)
    assert world.snapshot.group(new.id).truncated_at is None


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (TruncateShardGroups(at=MIN_TIME - 1), InvalidTime),
        (TruncateShardGroups(at=MONDAY, policy="autogen"), InvalidInput),
        (TruncateShardGroups(at=MONDAY, database="nope"), DatabaseNotFound),
        (TruncateShardGroups(at=MONDAY, database="metrics", policy="nope"), PolicyNotFound),
    ],
)
def test_truncation_refuses(three, command, error) -> None:
    with pytest.raises(error):
        three.plan(command)


def test_truncation_leaves_unreadable_groups_and_says_so(three) -> None:
    three.add_group(MONDAY)
    three.write([Put(keys.group(1, 1, MONDAY + WEEK, 77), b"\xff")])
    plan = three.run(TruncateShardGroups(at=MONDAY + 1))
    assert len(plan.result["group_ids"]) == 1
    assert plan.notices == ("left out 1 unreadable groups of metrics.autogen",)


# --- pruning


def test_pruning_deletes_the_records_of_groups_deleted_before(three) -> None:
    old, young, live = (three.add_group(MONDAY + week * WEEK) for week in range(3))
    three.run(DeleteShardGroup(group_id=old.id))
    three.now += DAY
    three.run(DeleteShardGroup(group_id=young.id))
    mod = three.snapshot.group(old.id).mod_revision
    plan = three.run(PruneShardGroups(deleted_before=three.now))
    key = keys.group(1, 1, old.start, old.id)
    assert plan.compares == (Compare.modified(key, mod),)
    assert plan.writes == (Delete(key),)
    kept = list(three.snapshot.policy("metrics").groups(include_deleted=True))
    assert [g.id for g in kept] == [young.id, live.id]
    assert not three.run(PruneShardGroups(deleted_before=three.now)).changed


def test_pruning_many_takes_several_steps(world) -> None:
    world.add_nodes(1)
    world.add_database(group_duration="1h")
    for hour in range(group_upkeep.GROUPS_A_STEP + 5):
        group = world.add_group(MONDAY + hour * HOUR)
        world.run(DeleteShardGroup(group_id=group.id))
    plans = world.run_all(PruneShardGroups(deleted_before=MONDAY + 1))
    assert [len(plan.result["group_ids"]) for plan in plans] == [group_upkeep.GROUPS_A_STEP, 5]
    assert list(world.snapshot.policy("metrics").groups(include_deleted=True)) == []


def test_a_creator_that_still_saw_a_pruned_group_alive_overlaps_nothing(three) -> None:
    """Law 1: the range compare cannot see the delete, and need not."""
    three.put_group(ShardGroup(id=900, database_id=1, policy_id=1, start=MONDAY + 3 * DAY, end=MONDAY + 7 * DAY))
    late = three.plan(CreateShardGroup(database="metrics", policy="autogen", at=MONDAY))
    three.run(DeleteShardGroup(group_id=900))
    three.run(PruneShardGroups(deleted_before=three.now + 1))
    three.commit(late)
    three.add_group(MONDAY + 5 * DAY)
    spans = three.spans()
    assert all(end <= start for (_, end), (start, _) in pairwise(spans))


def test_steps_are_cut_by_size_too(world, monkeypatch) -> None:
    monkeypatch.setattr(group_upkeep, "BYTES_A_STEP", 100)
    world.add_nodes(1)
    world.add_database()
    for week in range(3):
        world.add_group(MONDAY + week * WEEK)
    plans = world.run_all(TruncateShardGroups(at=MONDAY))
    assert sum(len(plan.result["group_ids"]) for plan in plans) == 3
    assert len(plans) > 1
