"""Every row of the table of transitions, by every command that takes it; and every step that it has not."""

from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdmeta.commands.node import BeginNodeRemoval, UpdateNode
from etcdmeta.commands.owner import (
    BeginCopy,
    CancelCopy,
    FailOwner,
    FinishCopy,
    RemoveOwner,
    SetOwnerStatus,
)
from etcdmeta.errors import (
    InvalidInput,
    NodeNotFound,
    NodeUnavailable,
    OwnerExists,
    OwnerNotFound,
    Refused,
    ServiceWouldEnd,
    ShardNotFound,
    StaleAttempt,
    TransitionRefused,
)
from etcdmeta.model.entities import ShardGroup, ShardOwner
from etcdmeta.model.owners import SERVING, TRANSITIONS, NodeState, OwnerStatus
from etcdmeta.records import keys
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.records.transaction import Compare, Delete, Put

MONDAY = 1_795_392_000 * 10**9
SHARD = 50
ACTIVE, COPYING, LEAVING, FAILED = OwnerStatus
GROUP_KEY = keys.group(1, 1, MONDAY, 40)


def with_owners(world, *owners: ShardOwner | tuple[int, str], replicas: int = 2, last_attempt: int = 5) -> None:
    """Nodes 1 … 4, and shard 50 of group 40 with those owners; a copying one has its progress."""
    if not world.snapshot.nodes():
        world.add_nodes(4)
        world.add_database(replicas=replicas)
    made = [
        o
        if isinstance(o, ShardOwner)
        else ShardOwner(node_id=o[0], status=o[1], source=9 if o[1] == COPYING else None, attempt=5)
        for o in owners
    ]
    world.put_group(
        ShardGroup(
            id=40,
            database_id=1,
            policy_id=1,
            start=MONDAY,
            end=MONDAY + 10**15,
            shards=({"id": SHARD, "owners": tuple(made), "last_attempt": last_attempt},),
        )
    )
    for owner in made:
        if owner.status == COPYING:
            world.write([Put(progress(owner.node_id), b"")])


def progress(node_id: int) -> bytes:
    return keys.progress(1, 1, SHARD, node_id)


def owner(world, node_id: int) -> ShardOwner | None:
    return world.snapshot.shard(SHARD).owner(node_id)


def mod_group(world) -> Compare:
    return Compare.modified(GROUP_KEY, world.snapshot.group(40).mod_revision)


def mod_policy(world) -> Compare:
    return Compare.modified(keys.policy_info(1, 1), world.snapshot.policy("metrics").mod_revision)


def mod_node(world, node_id: int) -> Compare:
    return Compare.modified(keys.node(node_id), world.snapshot.node(node_id).mod_revision)


# --- the table: with all circumstances right, each row is allowed and nothing else is

ALLOWED = {(row.before, row.after) for row in TRANSITIONS if row.before is not None and row.after is not None}


def word(status: OwnerStatus) -> SetOwnerStatus:
    return SetOwnerStatus(shard_id=SHARD, node_id=3, status=status, source=1 if status == COPYING else None)


@pytest.mark.parametrize(("before", "after"), sorted(ALLOWED))
def test_the_operators_word_follows_the_table(world, before, after) -> None:
    with_owners(world, (1, ACTIVE), (2, ACTIVE), (3, before))
    world.run(word(after))
    changed = owner(world, 3)
    assert (changed.status, changed.since) == (after, world.now)


@pytest.mark.parametrize(
    ("before", "after"),
    [pair for pair in product(OwnerStatus, repeat=2) if pair not in ALLOWED and pair[0] != pair[1]],
)
def test_what_the_table_has_not_is_refused_whatever_the_force(world, before, after) -> None:
    with_owners(world, (1, ACTIVE), (2, ACTIVE), (3, before))
    for command in (word(after), word(after).model_copy(update={"force": True, "reason": "I say so"})):
        with pytest.raises((TransitionRefused, OwnerExists)):
            world.plan(command)


@pytest.mark.parametrize("status", [ACTIVE, LEAVING, FAILED])
def test_the_same_status_again_is_unchanged(world, status) -> None:
    with_owners(world, (1, ACTIVE), (3, status))
    plan = world.run(word(status))
    assert (plan.changed, plan.result) == (False, {"shard_id": SHARD, "node_id": 3, "attempt": 5})


@pytest.mark.parametrize("after", [ACTIVE, LEAVING, FAILED])
def test_only_a_copy_makes_a_new_owner(world, after) -> None:
    with_owners(world, (1, ACTIVE))
    with pytest.raises(OwnerNotFound):
        world.plan(word(after))
    assert world.run(word(COPYING)).result["attempt"] == 6


def test_a_status_of_a_later_version_is_never_left(world) -> None:
    with_owners(world, (1, ACTIVE), (3, "pondering"))
    for command in (
        word(ACTIVE),
        word(FAILED),
        word(COPYING),
        FailOwner(shard_id=SHARD, node_id=3, reason="r"),
        CancelCopy(shard_id=SHARD, node_id=3),
        FinishCopy(shard_id=SHARD, node_id=3, attempt=5),
        RemoveOwner(shard_id=SHARD, node_id=3, force=True, reason="r", allow_last=True),
    ):
        with pytest.raises(TransitionRefused, match="later version"):
            world.plan(command)
    assert owner(world, 3).status == "pondering"


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"status": "best"}, "'active', 'copying', 'leaving' or 'failed'"),
        ({"status": COPYING}, "--source NODE"),
        ({"status": ACTIVE, "source": 1}, "leave the source out"),
        ({"status": FAILED, "force": True}, "needs a reason"),
        ({"status": FAILED, "reason": "x" * 1025}, "at most 1024 bytes"),
        ({"status": FAILED, "reason": "two\nlines"}, "one printable line"),
    ],
)
def test_words_that_cannot_be_meant(world, fields, rule) -> None:
    with_owners(world, (1, ACTIVE), (3, ACTIVE))
    with pytest.raises(InvalidInput, match=rule):
        world.plan(SetOwnerStatus(shard_id=SHARD, node_id=3, **fields))


def test_a_failure_by_hand_keeps_a_reason(world) -> None:
    with_owners(world, (1, ACTIVE), (2, ACTIVE), (3, ACTIVE))
    world.run(word(FAILED))
    assert owner(world, 3).reason == "set by hand"
    world.run(SetOwnerStatus(shard_id=SHARD, node_id=2, status=FAILED, reason="disk full"))
    assert owner(world, 2).reason == "disk full"


# --- – → copying, failed → copying


def test_a_copy_begins(world) -> None:
    with_owners(world, (1, LEAVING))
    compares = {
        mod_group(world),
        mod_node(world, 1),
        mod_node(world, 3),
        Compare.absent(progress(3)),
    }
    plan = world.run(BeginCopy(shard_id=SHARD, source=1, target=3))
    assert set(plan.compares) == compares
    assert plan.result == {"shard_id": SHARD, "node_id": 3, "attempt": 6}
    assert owner(world, 3) == ShardOwner(node_id=3, status=COPYING, source=1, attempt=6, since=world.now)
    assert world.snapshot.shard(SHARD).last_attempt == 6
    report = world.snapshot.progress(SHARD, 3)
    assert (report.attempt, report.bytes_done, report.updated) == (6, None, world.now)


def test_a_failed_owner_copies_again_as_a_new_attempt(world) -> None:
    with_owners(world, (1, ACTIVE), ShardOwner(node_id=3, status=FAILED, source=2, attempt=4, reason="disk full"))
    world.run(BeginCopy(shard_id=SHARD, source=1, target=3))
    assert owner(world, 3) == ShardOwner(node_id=3, status=COPYING, source=1, attempt=6, since=world.now)


def test_the_same_copy_again_is_unchanged_and_has_its_attempt(world) -> None:
    with_owners(world, (1, ACTIVE), (2, ACTIVE))
    first = world.run(BeginCopy(shard_id=SHARD, source=1, target=3))
    again = world.run(BeginCopy(shard_id=SHARD, source=1, target=3))
    assert (again.changed, again.result) == (False, first.result)
    with pytest.raises(OwnerExists, match="cancel the copy first"):
        world.plan(BeginCopy(shard_id=SHARD, source=2, target=3))


@pytest.mark.parametrize(
    ("shard", "source", "target", "error"),
    [
        (99, 1, 3, ShardNotFound),
        (SHARD, 3, 3, InvalidInput),
        (SHARD, 4, 3, OwnerNotFound),
        (SHARD, 1, 99, NodeNotFound),
        (SHARD, 1, 2, OwnerExists),
    ],
)
def test_copies_that_cannot_begin(world, shard, source, target, error) -> None:
    with_owners(world, (1, ACTIVE), (2, ACTIVE))
    with pytest.raises(error):
        world.plan(BeginCopy(shard_id=shard, source=source, target=target))


@pytest.mark.parametrize("status", [COPYING, FAILED])
def test_the_source_serves(world, status) -> None:
    with_owners(world, (1, ACTIVE), (2, status))
    with pytest.raises(TransitionRefused, match=status):
        world.plan(BeginCopy(shard_id=SHARD, source=2, target=3))


@pytest.mark.parametrize("before", [None, FAILED])
@pytest.mark.parametrize("state", [NodeState.DRAINING, NodeState.REMOVING])
def test_the_target_takes_shards(world, before, state) -> None:
    with_owners(world, (1, ACTIVE), *([] if before is None else [(3, before)]))
    plan = world.plan(BeginCopy(shard_id=SHARD, source=1, target=3))
    world.run(BeginNodeRemoval(node_id=3) if state == NodeState.REMOVING else UpdateNode(node_id=3, state=state))
    with pytest.raises(NodeUnavailable, match=state):
        world.plan(BeginCopy(shard_id=SHARD, source=1, target=3))
    assert not world.commit(plan), "a plan from before is refused, too"


def test_a_source_may_drain(world) -> None:
    with_owners(world, (1, ACTIVE))
    world.run(UpdateNode(node_id=1, state=NodeState.DRAINING))
    assert world.run(BeginCopy(shard_id=SHARD, source=1, target=3)).changed


# --- copying → active


def test_a_copy_is_finished_by_its_attempt(world) -> None:
    with_owners(world, (1, ACTIVE))
    attempt = world.run(BeginCopy(shard_id=SHARD, source=1, target=3)).result["attempt"]
    world.now += 1
    compare = mod_group(world)
    plan = world.run(FinishCopy(shard_id=SHARD, node_id=3, attempt=attempt))
    assert plan.compares == (compare,)
    assert Delete(progress(3)) in plan.writes
    assert owner(world, 3) == ShardOwner(node_id=3, status=ACTIVE, attempt=attempt, since=world.now)
    assert not world.run(FinishCopy(shard_id=SHARD, node_id=3, attempt=attempt)).changed


@pytest.mark.parametrize("end", ["cancelled", "failed", "begun anew", "cancelled and begun anew"])
def test_a_late_finisher_is_refused(world, end) -> None:
    with_owners(world, (1, ACTIVE))
    begin = BeginCopy(shard_id=SHARD, source=1, target=3)
    attempt = world.run(begin).result["attempt"]
    late = world.plan(FinishCopy(shard_id=SHARD, node_id=3, attempt=attempt))
    if "cancelled" in end:
        world.run(CancelCopy(shard_id=SHARD, node_id=3))
    else:
        world.run(FailOwner(shard_id=SHARD, node_id=3, reason="connection lost", attempt=attempt))
    if "begun" in end:
        assert world.run(begin).result["attempt"] == attempt + 1
    assert not world.commit(late)
    with pytest.raises(StaleAttempt):
        world.plan(FinishCopy(shard_id=SHARD, node_id=3, attempt=attempt))


def test_a_finisher_whose_owner_is_leaving_by_now_is_done(world) -> None:
    with_owners(world, (1, ACTIVE), (3, LEAVING))
    assert not world.run(FinishCopy(shard_id=SHARD, node_id=3, attempt=5)).changed


@pytest.mark.parametrize(
    ("node", "attempt", "error"), [(3, 0, InvalidInput), (4, 99, OwnerNotFound), (3, 99, StaleAttempt)]
)
def test_finishers_of_nothing(world, node, attempt, error) -> None:
    with_owners(world, (1, ACTIVE), (3, COPYING))
    with pytest.raises(error):
        world.plan(FinishCopy(shard_id=SHARD, node_id=node, attempt=attempt))


# --- → failed


@pytest.mark.parametrize("before", [COPYING, ACTIVE])
def test_an_owner_fails_with_its_reason(world, before) -> None:
    with_owners(world, (1, ACTIVE), (3, before))
    compare = mod_group(world)
    plan = world.run(FailOwner(shard_id=SHARD, node_id=3, reason="disk full"))
    failed = owner(world, 3)
    assert plan.compares == (compare,)
    assert (failed.status, failed.reason, failed.attempt) == (FAILED, "disk full", 5)
    assert (Delete(progress(3)) in plan.writes) == (before == COPYING)
    again = world.run(FailOwner(shard_id=SHARD, node_id=3, reason="other"))
    assert not again.changed
    assert owner(world, 3).reason == "disk full"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"reason": " "}, InvalidInput),
        ({"reason": "r", "attempt": 4}, StaleAttempt),
        ({"reason": "r", "node_id": 4}, OwnerNotFound),
        ({"reason": "r", "shard_id": 99}, ShardNotFound),
    ],
)
def test_failures_that_cannot_be_meant(world, fields, error) -> None:
    with_owners(world, (1, ACTIVE), (3, COPYING))
    with pytest.raises(error):
        world.plan(FailOwner(**{"shard_id": SHARD, "node_id": 3, **fields}))


def test_a_leaving_owner_stays_before_it_fails(world) -> None:
    with_owners(world, (1, ACTIVE), (3, LEAVING))
    with pytest.raises(TransitionRefused):
        world.plan(FailOwner(shard_id=SHARD, node_id=3, reason="r", force=True))


@pytest.mark.parametrize("other", [COPYING, FAILED])
def test_the_last_serving_owner_fails_by_force_only(world, other) -> None:
    with_owners(world, (1, other), (3, ACTIVE))
    by_hand = SetOwnerStatus(shard_id=SHARD, node_id=3, status=FAILED, reason="r")
    for command in (FailOwner(shard_id=SHARD, node_id=3, reason="r"), by_hand):
        with pytest.raises(ServiceWouldEnd):
            world.plan(command)
        assert world.plan(command.model_copy(update={"force": True})).changed


def test_one_that_is_leaving_still_serves(world) -> None:
    with_owners(world, (1, LEAVING), (3, ACTIVE))
    assert world.run(FailOwner(shard_id=SHARD, node_id=3, reason="r")).changed


# --- copying, failed → –


@pytest.mark.parametrize("command", [CancelCopy, RemoveOwner])
@pytest.mark.parametrize("before", [COPYING, FAILED])
def test_an_owner_that_does_not_serve_is_cancelled(world, before, command) -> None:
    with_owners(world, (1, ACTIVE), (3, before))
    compares = {mod_group(world), mod_policy(world)}
    plan = world.run(command(shard_id=SHARD, node_id=3))
    assert set(plan.compares) == compares
    assert owner(world, 3) is None
    assert (Delete(progress(3)) in plan.writes) == (before == COPYING)
    assert world.snapshot.shard(SHARD).last_attempt == 5


@pytest.mark.parametrize("before", [ACTIVE, LEAVING])
def test_one_that_serves_is_not_cancelled(world, before) -> None:
    with_owners(world, (1, ACTIVE), (3, before))
    with pytest.raises(TransitionRefused, match="no copy to cancel"):
        world.plan(CancelCopy(shard_id=SHARD, node_id=3))


@pytest.mark.parametrize("before", [COPYING, FAILED])
def test_only_the_attempt_that_is_meant_is_cancelled(world, before) -> None:
    with_owners(world, (1, ACTIVE), (3, before))
    attempt = owner(world, 3).attempt
    for other in (attempt - 1, attempt + 1):
        with pytest.raises(StaleAttempt):
            world.plan(CancelCopy(shard_id=SHARD, node_id=3, attempt=other))
    assert world.run(CancelCopy(shard_id=SHARD, node_id=3, attempt=attempt)).result["attempt"] == attempt


# --- leaving, active → –

FORCE = {"force": True, "reason": "disk lost"}
LAST = {**FORCE, "allow_last": True}


@pytest.mark.parametrize(
    ("replicas", "others", "before", "needs"),
    [
        # as many active owners remain as the policy wants
        (1, [ACTIVE], ACTIVE, {}),
        (2, [ACTIVE, ACTIVE], LEAVING, {}),
        # fewer do: forced, with a reason
        (2, [ACTIVE], ACTIVE, FORCE),
        (2, [ACTIVE], LEAVING, FORCE),
        (2, [ACTIVE, LEAVING], LEAVING, FORCE),
        (1, [LEAVING], ACTIVE, FORCE),
        # none is left that serves: a second consent
        (1, [], ACTIVE, LAST),
        (1, [], LEAVING, LAST),
        (1, [COPYING], ACTIVE, LAST),
        (1, [FAILED], LEAVING, LAST),
    ],
)
def test_an_owner_goes(world, replicas, others, before, needs) -> None:
    nodes = [1, 2, 4]
    with_owners(world, *zip(nodes, others, strict=False), (3, before), replicas=replicas)
    command = RemoveOwner(shard_id=SHARD, node_id=3)
    for consent in ({}, {"allow_last": True}, FORCE, LAST):
        if needs.items() <= consent.items():
            break
        with pytest.raises(ServiceWouldEnd):
            world.plan(command.model_copy(update=consent))
    compares = {mod_group(world), mod_policy(world)}
    plan = world.run(command.model_copy(update=needs))
    assert set(plan.compares) == compares
    assert owner(world, 3) is None
    assert (not needs) or "disk lost" in plan.summary


def test_force_needs_a_reason(world) -> None:
    with_owners(world, (1, ACTIVE), (3, ACTIVE))
    with pytest.raises(InvalidInput, match="force needs a reason"):
        world.plan(RemoveOwner(shard_id=SHARD, node_id=3, force=True))


def test_a_policy_that_wants_more_meanwhile_stops_the_removal(world) -> None:
    with_owners(world, (1, ACTIVE), (3, ACTIVE), replicas=1)
    plan = world.plan(RemoveOwner(shard_id=SHARD, node_id=3))
    world.alter_policy(replicas=2)
    assert not world.commit(plan)


def test_two_removals_planned_on_one_picture_do_not_both_take_the_service_away(world) -> None:
    with_owners(world, (1, ACTIVE), (3, ACTIVE), replicas=1)
    plans = [world.plan(RemoveOwner(shard_id=SHARD, node_id=node)) for node in (1, 3)]
    assert [world.commit(plan) for plan in plans] == [True, False]


def test_the_last_owner_of_the_last_shard_takes_its_group_along(world) -> None:
    with_owners(world, (3, ACTIVE))
    plan = world.run(RemoveOwner(shard_id=SHARD, node_id=3, **LAST))
    group = world.snapshot.group(40)
    assert group.deleted_at == world.now
    assert "marked deleted" in plan.notices[0]
    assert world.snapshot.policy("metrics").group_at(MONDAY) is None


def test_a_group_with_another_owned_shard_stays(world) -> None:
    with_owners(world, (3, ACTIVE))
    group = world.snapshot.group(40)
    more = world.put_group(
        group.model_copy(update={"shards": (*group.shards, group.shards[0].model_copy(update={"id": SHARD + 1}))})
    )
    assert len(more.shards) == 2
    plan = world.run(RemoveOwner(shard_id=SHARD, node_id=3, **LAST))
    assert not world.snapshot.group(40).is_deleted
    assert plan.notices == (f"shard {SHARD} has no owner left",)


def test_unknown_fields_of_a_newer_version_survive_a_transition(world) -> None:
    """They come before and after the known ones, in the group, the shard and the owner."""
    with_owners(world, (1, ACTIVE), (3, ACTIVE))
    stored = pb.ShardGroup.FromString(world.snapshot.group(40).stored)
    unknown = b"\xfa\x3e\x05hello"  # field 1007
    stored.shards[0].owners[1].MergeFromString(unknown)
    stored.shards[0].MergeFromString(unknown)
    stored.MergeFromString(unknown)
    world.write([Put(GROUP_KEY, stored.SerializeToString())])
    world.run(word(LEAVING))
    assert world.snapshot.group(40).stored.count(unknown) == 3


# --- invariants, whatever the sequence

NODE = st.integers(1, 4)
ATTEMPT = st.integers(1, 8)
COMMAND = st.one_of(
    st.builds(BeginCopy, shard_id=st.just(SHARD), source=NODE, target=NODE),
    st.builds(FinishCopy, shard_id=st.just(SHARD), node_id=NODE, attempt=ATTEMPT),
    st.builds(FailOwner, shard_id=st.just(SHARD), node_id=NODE, reason=st.just("r")),
    st.builds(CancelCopy, shard_id=st.just(SHARD), node_id=NODE),
    st.builds(RemoveOwner, shard_id=st.just(SHARD), node_id=NODE),
    st.builds(SetOwnerStatus, shard_id=st.just(SHARD), node_id=NODE, status=st.sampled_from(OwnerStatus)),
)


@settings(deadline=None)
@given(steps=st.lists(st.tuples(COMMAND, st.booleans()), max_size=30))
def test_unforced_a_shard_always_serves_and_attempts_only_grow(make_world, steps) -> None:
    """Half of the plans are held back and committed after the next one."""
    world = make_world()
    with_owners(world, (1, ACTIVE), (2, ACTIVE), replicas=1)
    held, last = None, 5
    for command, hold in steps:
        try:
            plan = world.plan(command)
        except (Refused, OwnerNotFound, InvalidInput):
            continue
        if hold:
            held = plan
            continue
        assert world.commit(plan)
        if held is not None:
            world.commit(held)
            held = None
        shard = world.snapshot.shard(SHARD)
        nodes = [o.node_id for o in shard.owners]
        assert any(o.status in SERVING for o in shard.owners)
        assert len(set(nodes)) == len(nodes)
        assert shard.last_attempt >= last
        assert all(o.attempt <= shard.last_attempt for o in shard.owners)
        copying = {o.node_id for o in shard.owners if o.status == COPYING}
        assert {node for node in range(1, 5) if progress(node) in world.kvs} == copying
        last = shard.last_attempt
