from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdmeta.commands.group import CreateShardGroup, DeleteShardGroup
from etcdmeta.commands.group_upkeep import PruneShardGroups, TruncateShardGroups
from etcdmeta.commands.node import BeginNodeRemoval, UpdateNode
from etcdmeta.commands.owner import BeginCopy
from etcdmeta.errors import (
    DatabaseNotFound,
    GroupNotFound,
    InvalidTime,
    NodesRequired,
    PolicyNotFound,
    RecordUnreadable,
    TransitionRefused,
)
from etcdmeta.model.durations import DAY, HOUR, WEEK, Duration
from etcdmeta.model.entities import ShardGroup
from etcdmeta.model.owners import NodeState, OwnerStatus
from etcdmeta.model.retention import window
from etcdmeta.model.times import MAX_TIME, MIN_TIME
from etcdmeta.records import keys
from etcdmeta.records.transaction import Compare, Delete, Put

MONDAY = 1_795_392_000 * 10**9  # 2026-11-23T00:00:00Z, a Monday


def create(at: int, database: str = "metrics", policy: str = "autogen") -> CreateShardGroup:
    return CreateShardGroup(database=database, policy=policy, at=at)


def existing(three, start: int, end: int, truncated_at: int | None = None, group_id: int = 900) -> ShardGroup:
    return three.put_group(
        ShardGroup(
            id=group_id,
            database_id=1,
            policy_id=1,
            start=start,
            end=end,
            truncated_at=truncated_at,
            shards=({"id": group_id},),
        )
    )


# --- creation


def test_a_group_has_its_window_its_shards_and_its_owners(three) -> None:
    group = three.add_group(MONDAY + 3 * DAY)
    assert (group.start, group.end) == (MONDAY, MONDAY + WEEK)
    (shard,) = group.shards
    assert [owner.status for owner in shard.owners] == [OwnerStatus.ACTIVE] * 2
    assert [owner.since for owner in shard.owners] == [three.now] * 2


def test_owners_are_dealt_from_the_generation_modulo_the_nodes(three) -> None:
    first = three.snapshot.generation % 3
    group = three.add_group(MONDAY)
    assert [o.node_id for o in group.shards[0].owners] == [first + 1, (first + 1) % 3 + 1]


def test_compares_and_writes_are_those_of_the_protocol(three) -> None:
    snapshot = three.snapshot
    plan = three.plan(create(MONDAY + 1))
    policy, nodes = snapshot.policy("metrics"), snapshot.nodes()
    (put,) = plan.writes
    group_id = plan.result["group_id"]
    assert isinstance(put, Put)
    assert put.key == keys.group(1, 1, MONDAY, group_id)
    owners = {c.key for c in plan.compares if c.key.startswith(b"state/node/")}
    assert set(plan.compares) == {
        Compare.modified(keys.policy_info(1, 1), policy.mod_revision),
        Compare.unchanged_in(*keys.group_range(1, 1, MONDAY, MONDAY + WEEK), snapshot.revision),
        *(Compare.modified(keys.node(n.id), n.mod_revision) for n in nodes if keys.node(n.id) in owners),
    }
    assert len(owners) == 2


def test_the_default_policy_is_compared_where_it_was_looked_up(three) -> None:
    plan = three.plan(create(MONDAY, policy=""))
    database = three.snapshot.database("metrics")
    assert Compare.modified(keys.database_info(1), database.mod_revision) in plan.compares


def test_over_32_owners_all_nodes_are_compared_as_one_range(world) -> None:
    world.add_nodes(33)
    world.add_database(replicas=1)
    plan = world.plan(create(MONDAY))
    assert Compare.unchanged_in(*keys.NODES_SPAN, world.snapshot.revision) in plan.compares
    assert len(plan.compares) == 3


def test_an_existing_group_that_holds_the_time_is_returned_unchanged(three) -> None:
    group = three.add_group(MONDAY)
    plan = three.run(create(MONDAY + WEEK - 1))
    assert (plan.changed, plan.result) == (False, {"group_id": group.id})


def test_of_two_clients_that_plan_on_the_same_picture_one_commits_and_the_other_finds_the_group(
    three,
) -> None:
    before = three.snapshot
    first, second = three.plan(create(MONDAY)), three.plan(create(MONDAY + 2 * DAY), at=before)
    assert three.commit(first)
    assert not three.commit(second)
    assert three.plan(create(MONDAY + 2 * DAY)).result == first.result


def test_creators_of_other_windows_do_not_conflict(three) -> None:
    before = three.snapshot
    assert three.commit(three.plan(create(MONDAY), at=before))
    assert three.commit(three.plan(create(MONDAY + WEEK), at=before))
    assert three.commit(three.plan(create(MONDAY - 1), at=before))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda w: w.alter_policy(replicas=1), id="policy"),
        pytest.param(lambda w: w.alter_policy(group_duration=DAY), id="group duration"),
        pytest.param(lambda w: w.run(UpdateNode(node_id=1, state=NodeState.DRAINING)), id="node drains"),
        pytest.param(lambda w: w.run(BeginNodeRemoval(node_id=1)), id="node goes"),
    ],
)
def test_what_the_plan_relied_on_is_compared(make_world, change) -> None:
    world = make_world()
    world.add_nodes(2)
    world.add_database(replicas=2)
    plan = world.plan(create(MONDAY))
    change(world)
    assert not world.commit(plan)


@pytest.mark.parametrize("drained", [NodeState.DRAINING, NodeState.REMOVING])
def test_only_nodes_that_take_shards_become_owners(three, drained: NodeState) -> None:
    three.run(BeginNodeRemoval(node_id=2) if drained is NodeState.REMOVING else UpdateNode(node_id=2, state=drained))
    group = three.add_group(MONDAY)
    assert {o.node_id for o in group.shards[0].owners} == {1, 3}


def test_unequal_load_fills_up_the_node_that_owns_least(three) -> None:
    for week in range(4):
        three.add_group(MONDAY + week * WEEK)
    (new,) = three.add_nodes(1)
    three.alter_policy(replicas=3)
    group = three.add_group(MONDAY + 10 * WEEK)
    assert group.shards[0].owners[0].node_id == new


def test_no_nodes_no_group(world) -> None:
    world.add_nodes(1)
    world.add_database()
    world.run(UpdateNode(node_id=1, state=NodeState.DRAINING))
    with pytest.raises(NodesRequired, match="node join"):
        world.plan(create(MONDAY))


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (create(MONDAY, database="nope"), DatabaseNotFound),
        (create(MONDAY, policy="nope"), PolicyNotFound),
        (create(MIN_TIME - 1), InvalidTime),
        (create(MAX_TIME + 1), InvalidTime),
        (create(MAX_TIME), InvalidTime),
        (DeleteShardGroup(group_id=99), GroupNotFound),
    ],
)
def test_refusals(three, command, error) -> None:
    with pytest.raises(error):
        three.plan(command)


@pytest.mark.parametrize("at", [MIN_TIME, MAX_TIME - 1])
def test_the_first_and_the_last_window_are_clipped_to_what_can_be_stored(three, at: int) -> None:
    group = three.add_group(at)
    assert MIN_TIME <= group.start <= at < group.end <= MAX_TIME


def test_a_group_that_is_expired_already_is_made_and_said_so(world) -> None:
    world.add_nodes(1)
    world.add_database(duration="30d", group_duration="1d")
    plan = world.run(create(MONDAY - 60 * DAY))
    assert "retention" in plan.notices[0]


# --- clipping


@pytest.mark.parametrize(
    ("neighbours", "at", "span"),
    [
        # a live neighbour of an older, longer grid reaches in from the left
        ([(-3, 2, None)], 4, (2, 7)),
        # … from the right: it starts before the window's end
        ([(5, 12, None)], 4, (0, 5)),
        # both
        ([(-3, 2, None), (5, 12, None)], 4, (2, 5)),
        # a truncated one counts up to where it was truncated
        ([(0, 7, 3)], 4, (3, 7)),
        ([(-3, 6, 1)], 4, (1, 7)),
        # truncated at its own start (it was in the future): its window is free again, from there
        ([(0, 7, 0)], 4, (0, 7)),
        ([(5, 12, 5)], 4, (0, 5)),
        ([(5, 12, 5)], 6, (5, 7)),
        # neighbours that end or start at the window's edges do not reach in
        ([(-7, 0, None), (7, 14, None)], 4, (0, 7)),
        # the nearest ones count
        ([(0, 1, None), (1, 2, None), (5, 6, None), (6, 7, None)], 3, (2, 5)),
    ],
)
def test_clipped_where_a_neighbour_reaches_in(three, neighbours, at, span) -> None:
    for number, (start, end, truncated) in enumerate(neighbours):
        cut = None if truncated is None else MONDAY + truncated * DAY
        existing(three, MONDAY + start * DAY, MONDAY + end * DAY, cut, 900 + number)
    group = three.add_group(MONDAY + at * DAY)
    assert (group.start, group.end) == (MONDAY + span[0] * DAY, MONDAY + span[1] * DAY)
    assert three.snapshot.policy("metrics").group_id_at(MONDAY + at * DAY) == group.id


def test_a_deleted_group_makes_room_for_another(three) -> None:
    first = three.add_group(MONDAY)
    three.run(DeleteShardGroup(group_id=first.id))
    second = three.add_group(MONDAY)
    assert (second.start, second.end) == (first.start, first.end)
    assert second.id != first.id


def test_the_range_begins_at_the_leftmost_group_whose_untruncated_end_passes_the_window(three) -> None:
    left = existing(three, MONDAY - 3 * DAY, MONDAY + 5 * DAY, MONDAY - DAY)
    plan = three.plan(create(MONDAY + DAY))
    (range_compare,) = [c for c in plan.compares if c.range_end is not None]
    assert range_compare.covers(keys.group(1, 1, left.start, left.id))


def test_the_range_begins_at_the_window_even_where_its_first_group_starts_later(three) -> None:
    """Two clients fill the free beginning of a window whose end is taken."""
    existing(three, MONDAY + 3 * DAY, MONDAY + 7 * DAY)
    before = three.snapshot
    first, second = three.plan(create(MONDAY)), three.plan(create(MONDAY + DAY), at=before)
    assert three.commit(first)
    assert not three.commit(second)


def test_an_unreadable_group_that_could_reach_in_stops_creation_and_others_go_on(three) -> None:
    three.write([Put(keys.group(1, 1, MONDAY - DAY, 5), b"\xff")])
    with pytest.raises(RecordUnreadable):
        three.plan(create(MONDAY))
    three.add_group(MONDAY + 2 * WEEK)


# --- the range compare against everything that runs beside it

INSTANT = st.integers(-20, 40)
GRID = st.sampled_from([HOUR * 12, DAY, 3 * DAY, WEEK])
STEP = st.one_of(
    st.tuples(st.just("create"), INSTANT, st.booleans()),
    st.tuples(st.just("late"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("truncate"), INSTANT, st.booleans()),
    st.tuples(st.just("delete"), st.integers(0, 5), st.booleans()),
    st.tuples(st.just("prune"), st.just(0), st.booleans()),
    st.tuples(st.just("alter"), GRID, st.booleans()),
)


@settings(deadline=None)
@given(steps=st.lists(STEP, max_size=25))
def test_live_groups_never_overlap_whatever_was_planned_on_old_pictures(make_world, steps) -> None:
    """Plans are held back and committed later, in any order, past anything else that happened."""
    world = make_world()
    world.add_nodes(2)
    world.add_database()
    held = []
    for what, argument, hold in steps:
        world.now += 1
        groups = list(world.snapshot.policy("metrics").groups())
        if what == "alter":
            world.alter_policy(group_duration=Duration(argument))
            continue
        if what == "late":
            if held:
                world.commit(held.pop(argument % len(held)))
        elif what != "delete" or groups:
            command = {
                "create": lambda argument=argument: create(MONDAY + argument * DAY),
                "truncate": lambda argument=argument: TruncateShardGroups(at=MONDAY + argument * DAY),
                "delete": lambda argument=argument, groups=groups: DeleteShardGroup(
                    group_id=groups[argument % len(groups)].id
                ),
                "prune": lambda: PruneShardGroups(deleted_before=world.now),
            }[what]()
            plan = world.plan(command)
            if hold:
                held.append(plan)
            else:
                world.commit(plan)
        spans = world.spans()
        assert all(end <= start for (_, end), (start, _) in pairwise(spans)), spans


@settings(deadline=None)
@given(at=st.integers(MIN_TIME, MAX_TIME - 1), grid=GRID)
def test_a_lone_group_is_its_window(make_world, at: int, grid: Duration) -> None:
    world = make_world()
    world.add_nodes(1)
    world.add_database()
    world.alter_policy(group_duration=grid)
    group = world.add_group(at)
    assert (group.start, group.end) == window(at, grid)


# --- deletion


def test_deleting_marks_and_compares_the_group(three) -> None:
    group = three.add_group(MONDAY)
    plan = three.run(DeleteShardGroup(group_id=group.id))
    key = keys.group(1, 1, group.start, group.id)
    assert plan.compares == (Compare.modified(key, group.mod_revision),)
    deleted = three.snapshot.group(group.id)
    assert deleted.deleted_at == three.now
    assert deleted.shards == group.shards
    assert three.snapshot.policy("metrics").group_at(MONDAY) is None


def test_deleting_again_keeps_the_first_time(three) -> None:
    group = three.add_group(MONDAY)
    first = three.run(DeleteShardGroup(group_id=group.id))
    three.now += 1
    again = three.run(DeleteShardGroup(group_id=group.id))
    assert not again.changed
    assert again.result == first.result


def test_deleting_ends_the_copies_in_it(three) -> None:
    group = three.add_group(MONDAY)
    (shard,) = group.shards
    (target,) = {1, 2, 3} - {o.node_id for o in shard.owners}
    three.run(BeginCopy(shard_id=shard.id, source=shard.owners[0].node_id, target=target))
    plan = three.run(DeleteShardGroup(group_id=group.id))
    assert Delete(keys.progress(1, 1, shard.id, target)) in plan.writes
    with pytest.raises(TransitionRefused, match="deleted at 2026-11-23"):
        three.plan(BeginCopy(shard_id=shard.id, source=shard.owners[1].node_id, target=target))
