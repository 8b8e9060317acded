import pytest

from etcdmeta.commands.group import CreateShardGroup, DeleteShardGroup
from etcdmeta.commands.node import AddNode, BeginNodeRemoval, FinishNodeRemoval, InitCluster, UpdateNode
from etcdmeta.commands.owner import RemoveOwner
from etcdmeta.errors import (
    InvalidAddress,
    InvalidInput,
    NodeExists,
    NodeNotFound,
    NodeOwnsShards,
    PrefixNotEmpty,
    RecordUnreadable,
    TransitionRefused,
)
from etcdmeta.model.durations import WEEK
from etcdmeta.model.owners import NodeState
from etcdmeta.records import keys
from etcdmeta.records.transaction import Compare, Delete, Put

MONDAY = 1_795_392_000 * 10**9


def join(host: str = "h1:8088", **fields) -> AddNode:
    return AddNode(host=host, cluster_id=7, epoch=9, **fields)


# --- the guard


def test_the_first_node_makes_the_cluster_with_its_candidates(world) -> None:
    plan = world.run(join())
    assert plan.result == {"node_id": 1, "cluster_id": 7}
    assert Compare.absent(keys.CLUSTER) in plan.compares
    cluster = world.snapshot.cluster
    assert (cluster.cluster_id, cluster.epoch, cluster.oldest_reader, cluster.read_only) == (7, 9, 1, False)


def test_later_candidates_are_ignored(world) -> None:
    world.run(join())
    plan = world.run(AddNode(host="h2:8088", cluster_id=1000, epoch=1000))
    assert plan.result == {"node_id": 2, "cluster_id": 7}
    assert world.snapshot.cluster.epoch == 9


def test_of_many_first_nodes_one_makes_the_cluster_and_the_others_join_it(world) -> None:
    empty = world.snapshot
    plans = [world.plan(AddNode(host=f"h{n}:8088", cluster_id=n, epoch=n), at=empty) for n in range(1, 5)]
    assert [world.commit(plan) for plan in plans] == [True, False, False, False]
    assert world.run(AddNode(host="h2:8088", cluster_id=2, epoch=2)).result["cluster_id"] == 1


def test_init_cluster_without_a_node(world) -> None:
    plan = world.run(InitCluster(cluster_id=7, epoch=9))
    assert plan.result == {"cluster_id": 7}
    again = world.run(InitCluster(cluster_id=8, epoch=10))
    assert (again.changed, again.result) == (False, {"cluster_id": 7})
    assert world.snapshot.nodes() == ()


@pytest.mark.parametrize("candidates", [(0, 9), (7, 0), (2**64, 9), (7, -1)])
def test_candidates_are_64_random_bits(world, candidates) -> None:
    with pytest.raises(InvalidInput):
        world.plan(InitCluster(cluster_id=candidates[0], epoch=candidates[1]))


def test_a_deleted_guard_is_not_made_anew_over_old_records(world) -> None:
    world.run(join())
    world.write([Delete(keys.CLUSTER)])
    with pytest.raises(PrefixNotEmpty):
        world.plan(join("h2:8088"))
    with pytest.raises(PrefixNotEmpty):
        world.plan(InitCluster(cluster_id=7, epoch=9))


def test_nor_over_records_that_appear_meanwhile(world) -> None:
    plan = world.plan(InitCluster(cluster_id=7, epoch=9))
    world.write([Put(b"state/later/thing", b"")])
    assert not world.commit(plan)


def test_candidates_are_chance_and_not_part_of_the_command(world) -> None:
    assert join().fingerprint() == AddNode(host="h1:8088", cluster_id=8, epoch=10).fingerprint()
    assert InitCluster(cluster_id=1, epoch=2).fingerprint() == InitCluster(cluster_id=3, epoch=4).fingerprint()
    assert join().fingerprint() != join("h2:8088").fingerprint()


# --- joining


def test_a_node_has_its_host_and_labels_and_an_id_that_is_never_used_again(world) -> None:
    world.run(join(labels={"zone": "a"}, identity_hash=b"\xff" * 32))
    plan = world.run(join("h2:8088"))
    assert plan.result["node_id"] == 2
    assert {w.key for w in plan.writes} == {keys.node(2), keys.host_name("h2:8088")}
    assert set(plan.compares) == {Compare.absent(keys.node(2)), Compare.absent(keys.host_name("h2:8088"))}
    node = world.snapshot.node("h1:8088")
    assert (node.id, dict(node.labels), node.state) == (1, {"zone": "a"}, NodeState.JOINED)


@pytest.mark.parametrize("again", [{}, {"labels": {"zone": "a"}}, {"identity_hash": b"i"}])
def test_the_same_host_again_has_the_old_id(world, again) -> None:
    world.run(join(labels={"zone": "a"}, identity_hash=b"i"))
    plan = world.run(join(**again))
    assert (plan.changed, plan.result) == (False, {"node_id": 1, "cluster_id": 7})


@pytest.mark.parametrize("again", [{"labels": {"zone": "b"}}, {"identity_hash": b"j"}])
def test_another_node_under_the_same_host_is_refused(world, again) -> None:
    world.run(join(labels={"zone": "a"}, identity_hash=b"i"))
    with pytest.raises(NodeExists, match="h1:8088 is node 1"):
        world.plan(join(**again))


def test_a_draining_node_joins_again_and_is_told(world) -> None:
    world.run(join())
    world.run(UpdateNode(node_id=1, state=NodeState.DRAINING))
    assert world.run(join()).notices == ("node 1 is draining and takes no new shards",)


@pytest.mark.parametrize("host", ["", "h1", "h1:", ":8088", "h1:0", "h1:65536", "h 1:8088", "h1:8088\0", "é:8088"])
def test_hosts_that_are_none(world, host) -> None:
    with pytest.raises(InvalidAddress):
        world.plan(join(host))


@pytest.mark.parametrize(
    "labels",
    [{"": "a"}, {"a=b": "c"}, {"zone": "a\n"}, {"zone\0": "a"}, {"z" * 256: "a"}, {"z": "\udcff"},
     {f"l{n}": "" for n in range(65)}],
)  # fmt: skip
def test_labels_that_are_none(world, labels) -> None:
    with pytest.raises(InvalidInput):
        world.plan(join(labels=labels))


def test_no_identity_in_what_is_logged() -> None:
    command = join(identity_hash=b"topsecret")
    assert "topsecret" not in repr(command) + str(command.public())


# --- updating


def test_a_new_host_moves_its_name(world) -> None:
    world.run(join())
    plan = world.run(UpdateNode(node_id=1, host="h9:8088"))
    assert world.snapshot.node_by_host("h1:8088") is None
    assert world.snapshot.node("h9:8088").id == 1
    assert len(plan.compares) == 3
    assert world.run(join()).result["node_id"] == 2


@pytest.mark.parametrize("state", [NodeState.JOINED, NodeState.DRAINING])
def test_states_and_a_removal_that_is_called_off(world, state) -> None:
    world.run(join())
    world.run(BeginNodeRemoval(node_id=1))
    world.run(UpdateNode(node_id=1, state=state))
    assert world.snapshot.node(1).state == state


def test_labels_are_replaced_as_a_whole(world) -> None:
    world.run(join(labels={"zone": "a", "disk": "ssd"}))
    world.run(UpdateNode(node_id=1, labels={"zone": "b"}))
    assert dict(world.snapshot.node(1).labels) == {"zone": "b"}


def test_nothing_to_change_is_unchanged(world) -> None:
    world.run(join(labels={"zone": "a"}))
    same = UpdateNode(node_id=1, host="h1:8088", labels={"zone": "a"}, state=NodeState.JOINED)
    assert not world.run(same).changed
    assert not world.run(UpdateNode(node_id=1)).changed


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (UpdateNode(node_id=3, labels={}), NodeNotFound),
        (UpdateNode(node_id=1, host="h2:8088"), NodeExists),
        (UpdateNode(node_id=1, host="nowhere"), InvalidAddress),
        (UpdateNode(node_id=1, labels={"": ""}), InvalidInput),
        (UpdateNode(node_id=1, state=NodeState.REMOVING), InvalidInput),
        (UpdateNode(node_id=1, state=NodeState.REMOVED), InvalidInput),
        (BeginNodeRemoval(node_id=3), NodeNotFound),
        (FinishNodeRemoval(node_id=3), NodeNotFound),
        (FinishNodeRemoval(node_id=1), TransitionRefused),
    ],
)
def test_refusals(world, command, error) -> None:
    world.add_nodes(2)
    with pytest.raises(error):
        world.plan(command)


# --- removal


def test_removal_in_two_steps_leaves_a_tombstone(world) -> None:
    world.add_nodes(2)
    mod = world.snapshot.node(1).mod_revision
    begin = world.run(BeginNodeRemoval(node_id=1))
    assert begin.compares == (Compare.modified(keys.node(1), mod),)
    assert not world.run(BeginNodeRemoval(node_id=1)).changed
    mod = world.snapshot.node(1).mod_revision
    finish = world.run(FinishNodeRemoval(node_id=1))
    assert finish.compares == (Compare.modified(keys.node(1), mod),)
    assert set(finish.writes) >= {Delete(keys.host_name("h1:8088")), Delete(keys.live(1))}
    assert world.snapshot.node(1).state == NodeState.REMOVED
    assert [node.id for node in world.snapshot.nodes()] == [2]
    for done in (BeginNodeRemoval(node_id=1), FinishNodeRemoval(node_id=1)):
        assert not world.run(done).changed
    with pytest.raises(NodeNotFound, match="was removed"):
        world.plan(UpdateNode(node_id=1, labels={}))
    assert world.run(join("h1:8088")).result["node_id"] == 3


def test_a_node_with_owners_in_live_groups_stays(world) -> None:
    world.add_nodes(1)
    world.add_database()
    shards = [world.add_group(MONDAY + week * WEEK).shards[0].id for week in range(12)]
    world.run(BeginNodeRemoval(node_id=1))
    with pytest.raises(NodeOwnsShards, match=r"12 of the live shards: 1, .*, 10 and 2 more") as refusal:
        world.plan(FinishNodeRemoval(node_id=1))
    assert refusal.value.value == tuple(shards[:10])


def test_owners_in_deleted_groups_do_not_hold_it(world) -> None:
    world.add_nodes(1)
    world.add_database()
    world.run(DeleteShardGroup(group_id=world.add_group(MONDAY).id))
    world.run(BeginNodeRemoval(node_id=1))
    assert world.run(FinishNodeRemoval(node_id=1)).changed


def test_creation_and_removal_never_both_win(world) -> None:
    """A group is planned on a node before its removal begins, and committed at any point after."""
    world.add_nodes(1)
    world.add_database()
    before = world.snapshot
    late = world.plan(CreateShardGroup(database="metrics", policy="autogen", at=MONDAY), at=before)
    world.run(BeginNodeRemoval(node_id=1))
    finish = world.plan(FinishNodeRemoval(node_id=1))
    assert not world.commit(late)
    assert world.commit(finish)
    assert not world.commit(late)


def test_an_unreadable_group_may_name_the_node(world) -> None:
    world.add_nodes(1)
    world.add_database()
    world.write([Put(keys.group(1, 1, MONDAY, 5), b"\xff")])
    world.run(BeginNodeRemoval(node_id=1))
    with pytest.raises(RecordUnreadable):
        world.plan(FinishNodeRemoval(node_id=1))


def test_a_node_whose_owners_were_removed_by_force_goes(world) -> None:
    world.add_nodes(1)
    world.add_database()
    shard = world.add_group(MONDAY).shards[0]
    world.run(BeginNodeRemoval(node_id=1))
    world.run(RemoveOwner(shard_id=shard.id, node_id=1, force=True, reason="disk lost", allow_last=True))
    assert world.run(FinishNodeRemoval(node_id=1)).changed
