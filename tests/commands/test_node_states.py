"""A node drains, takes shards again, and is labelled."""

import pytest

from etcdmeta.commands.labelling import LabelNode
from etcdmeta.commands.moveplan import AbortPlan, CreatePlan, PausePlan, StartPlan
from etcdmeta.commands.node import BeginNodeRemoval, FinishNodeRemoval, UpdateNode
from etcdmeta.commands.node_states import DrainNode, UndrainNode
from etcdmeta.errors import InvalidInput, NodeNotFound, PlanConflict, RecordUnreadable, TransitionRefused
from etcdmeta.model.moveplans import Move, PlanKind
from etcdmeta.model.owners import NodeState
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_moves
from etcdmeta.records.transaction import Compare, Put

SHARD = 1


def emptying(*subjects: int, remove: bool = False) -> CreatePlan:
    moves = [Move(SHARD, subjects[0], 3)]
    return CreatePlan(
        kind=PlanKind.DECOMMISSION, total=1, moves=encode_moves(moves), subjects=subjects, remove_subjects=remove
    )


@pytest.fixture
def sharded(three):
    three.add_group(three.now)
    return three


def remove_node(world, node_id: int) -> None:
    world.run(BeginNodeRemoval(node_id=node_id))
    world.run(FinishNodeRemoval(node_id=node_id))


# --- draining


def test_a_node_drains_and_takes_shards_again(three) -> None:
    mod = three.snapshot.node(1).mod_revision
    drained = three.run(DrainNode(node_id=1, reason="new disks"))
    assert drained.compares == (Compare.modified(keys.node(1), mod),)
    assert drained.summary == "node 1 (h1:8088) is draining and takes no new shards: new disks"
    assert three.snapshot.node(1).state == NodeState.DRAINING
    again = three.run(DrainNode(node_id=1))
    assert (again.changed, again.result) == (False, {"node_id": 1})
    back = three.run(UndrainNode(node_id=1))
    assert three.snapshot.node(1).state == NodeState.JOINED
    assert back.summary == "node 1 (h1:8088) is joined and takes shards; it was draining"
    assert not three.run(UndrainNode(node_id=1)).changed


def test_undraining_calls_a_removal_off(three) -> None:
    three.run(BeginNodeRemoval(node_id=1))
    assert three.run(UndrainNode(node_id=1)).summary.endswith("it was being removed")
    with pytest.raises(TransitionRefused):
        three.plan(FinishNodeRemoval(node_id=1))


def test_draining_does_not_call_a_removal_off(three) -> None:
    three.run(BeginNodeRemoval(node_id=1))
    with pytest.raises(TransitionRefused, match="is removing") as refusal:
        three.plan(DrainNode(node_id=1))
    assert "undrain 1" in str(refusal.value.remedy)


@pytest.mark.parametrize("kind", [DrainNode, UndrainNode, LabelNode])
def test_a_node_that_is_not_there(three, kind) -> None:
    remove_node(three, 1)
    for node_id in (1, 9):
        with pytest.raises(NodeNotFound):
            three.plan(kind(node_id=node_id))


@pytest.mark.parametrize("kind", [DrainNode, UndrainNode])
def test_a_reason_is_one_line(three, kind) -> None:
    with pytest.raises(InvalidInput):
        three.plan(kind(node_id=1, reason="two\nlines"))


def test_a_state_of_a_later_version_is_left(three) -> None:
    three.put(keys.node(1), three.snapshot.node(1).model_copy(update={"state": "resting"}))
    for kind in (DrainNode, UndrainNode):
        with pytest.raises(TransitionRefused, match="resting"):
            three.plan(kind(node_id=1))


# --- and plans


@pytest.mark.parametrize("remove", [False, True])
@pytest.mark.parametrize("paused", [False, True])
def test_a_plan_that_empties_the_node_holds_it(sharded, remove: bool, paused: bool) -> None:
    sharded.run(emptying(1, remove=remove))
    sharded.run(StartPlan(plan_id=1))
    if paused:
        sharded.run(PausePlan(plan_id=1))
    with pytest.raises(PlanConflict, match=r"plan 1 .* takes everything off node 1") as refusal:
        sharded.plan(UndrainNode(node_id=1))
    assert refusal.value.value == 1
    sharded.run(AbortPlan(plan_id=1))
    sharded.run(UndrainNode(node_id=1))
    assert sharded.snapshot.node(1).state == NodeState.JOINED


def test_a_plan_that_has_not_begun_does_not_hold_it(sharded) -> None:
    sharded.run(DrainNode(node_id=1))
    sharded.run(emptying(1))
    assert sharded.run(UndrainNode(node_id=1)).changed


def test_a_plan_for_other_nodes_does_not_hold_it(sharded) -> None:
    sharded.run(DrainNode(node_id=2))
    sharded.run(emptying(1))
    sharded.run(StartPlan(plan_id=1))
    assert sharded.run(UndrainNode(node_id=2)).changed


def test_undraining_and_the_start_of_a_plan_never_both_win(sharded) -> None:
    """The plan starts on a node that drains already, so that the node's own record does not change by it."""
    sharded.run(DrainNode(node_id=1))
    sharded.run(emptying(1))
    before = sharded.snapshot
    start, back = StartPlan(plan_id=1), UndrainNode(node_id=1)
    late_back, late_start = sharded.plan(back, at=before), sharded.plan(start, at=before)
    sharded.run(start)
    assert not sharded.commit(late_back)
    sharded.run(AbortPlan(plan_id=1))
    sharded.run(back)
    assert not sharded.commit(late_start)


def test_a_plan_that_nobody_can_read_may_hold_it(sharded) -> None:
    sharded.run(DrainNode(node_id=1))
    sharded.write([Put(keys.plan(7), b"\xff")])
    with pytest.raises(RecordUnreadable):
        sharded.plan(UndrainNode(node_id=1))


# --- labels


def test_single_labels_change(three) -> None:
    three.run(UpdateNode(node_id=1, labels={"zone": "a", "disk": "ssd"}))
    mod = three.snapshot.node(1).mod_revision
    plan = three.run(LabelNode(node_id=1, labels={"zone": "b", "rack": "7"}, without=("disk", "gpu")))
    assert plan.compares == (Compare.modified(keys.node(1), mod),)
    assert plan.summary == "labelled node 1 (h1:8088): zone=b rack=7 disk-"
    assert dict(three.snapshot.node(1).labels) == {"zone": "b", "rack": "7"}
    again = three.run(LabelNode(node_id=1, labels={"zone": "b"}, without=("disk",)))
    assert (again.changed, again.result) == (False, {"node_id": 1})
    assert three.snapshot.node(1).state == NodeState.JOINED


def test_who_labels_at_the_same_time_loses_nothing(three) -> None:
    before = three.snapshot
    zone, rack = LabelNode(node_id=1, labels={"zone": "a"}), LabelNode(node_id=1, labels={"rack": "7"})
    plans = [three.plan(command, at=before) for command in (zone, rack)]
    assert [three.commit(plan) for plan in plans] == [True, False]
    three.run(rack)
    assert dict(three.snapshot.node(1).labels) == {"zone": "a", "rack": "7"}


def test_a_draining_node_can_be_labelled(three) -> None:
    three.run(DrainNode(node_id=1))
    three.run(LabelNode(node_id=1, labels={"zone": "a"}))
    assert three.snapshot.node(1).state == NodeState.DRAINING


@pytest.mark.parametrize(
    "fields",
    [
        {"labels": {"zone": "a"}, "without": ("zone",)},
        {"labels": {"": "a"}},
        {"labels": {"zone": "a\n"}},
        {"labels": {f"l{n}": "" for n in range(64)}},  # with the one that is there too many
    ],
)
def test_labels_that_cannot_be(three, fields) -> None:
    three.put(keys.node(1), three.snapshot.node(1).model_copy(update={"labels": {"old": "x"}}))
    with pytest.raises(InvalidInput):
        three.plan(LabelNode(node_id=1, **fields))


def test_few_of_many_labels_are_named(three) -> None:
    plan = three.run(LabelNode(node_id=1, labels={f"l{n}": "" for n in range(64)}))
    assert plan.summary.endswith("l7= and 56 more")
    assert len(encode(three.snapshot.node(1))) > 64
