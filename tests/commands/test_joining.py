"""Every case of a node that joins with an identity."""

from __future__ import annotations

from typing import Any

import pytest

from etcdmeta.commands.identities import identity_key
from etcdmeta.commands.joining import JoinNode
from etcdmeta.commands.node import AddNode, BeginNodeRemoval, FinishNodeRemoval, UpdateNode
from etcdmeta.errors import (
    InvalidAddress,
    InvalidInput,
    NodeAlreadyRunning,
    NodeExists,
    NodeIdentityRefused,
    NodeRemoved,
    PrefixNotEmpty,
    RecordUnreadable,
    WrongCluster,
)
from etcdmeta.model.entities import Liveness
from etcdmeta.model.owners import NodeState
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Compare, Delete, Put

MINE, OTHERS = b"\x01" * 32, b"\x02" * 32
CLUSTER = 7


def join(host: str = "h1:8088", identity: bytes = MINE, **fields: Any) -> JoinNode:
    return JoinNode(**{"host": host, "identity_hash": identity, "cluster_id": CLUSTER, "epoch": 9, **fields})


def operator_joins(host: str, **fields: Any) -> AddNode:
    return AddNode(host=host, cluster_id=CLUSTER, epoch=9, **fields)


def is_live_at(world, host: str, *, node_id: int = 1, **fields: Any) -> None:
    sign = Liveness(node_id=node_id, instance=5, since=world.now, host=host, **fields)
    world.write([Put(keys.live(node_id), encode(sign))])


def remove(world, node_id: int) -> None:
    world.run(BeginNodeRemoval(node_id=node_id))
    world.run(FinishNodeRemoval(node_id=node_id))


# --- new


def test_the_first_node_makes_the_cluster_and_is_not_known(world) -> None:
    plan = world.run(join(labels={"zone": "a"}))
    assert plan.result == {"node_id": 1, "cluster_id": CLUSTER, "known": False}
    assert world.snapshot.cluster.epoch == 9
    node = world.snapshot.node(1)
    assert (node.host, dict(node.labels), node.identity_hash) == ("h1:8088", {"zone": "a"}, MINE)
    assert (node.reports_liveness, node.joined_at) == (True, world.now)
    assert world.snapshot.is_live(1) is False, "it said that it would report, and is silent"


def test_a_new_node_compares_that_nobody_has_its_identity(world) -> None:
    world.run(join())
    plan = world.run(join("h2:8088", OTHERS, cluster_id=1000, epoch=1000))
    assert plan.result == {"node_id": 2, "cluster_id": CLUSTER, "known": False}
    touched = {keys.node(2), keys.host_name("h2:8088"), identity_key(OTHERS)}
    assert set(plan.compares) == {Compare.absent(key) for key in touched}
    assert {write.key for write in plan.writes} == touched


def test_of_many_first_nodes_one_makes_the_cluster(world) -> None:
    empty = world.snapshot
    joins = [join(f"h{n}:8088", bytes([n]) * 32, cluster_id=n, epoch=n) for n in range(1, 5)]
    assert [world.commit(world.plan(each, at=empty)) for each in joins] == [True, False, False, False]
    assert {world.run(each).result["cluster_id"] for each in joins} == {1}
    assert [node.host for node in world.snapshot.nodes()] == [each.host for each in joins]


def test_nodes_of_different_identities_do_not_meet_in_one_key(world) -> None:
    """So that many join in one transaction, and none waits for another."""
    world.run(join())
    base = world.snapshot
    plans = [world.plan(join(f"n{n}:1", bytes([n]) * 32), at=base) for n in range(10, 20)]
    assert [world.commit(plan) for plan in plans] == [True] * 10


# --- known


def test_the_same_again_is_the_same_node_and_changes_nothing(world) -> None:
    world.run(join(labels={"zone": "a"}))
    for again in (join(), join(labels={"zone": "a"}), join(node_id=1, expected_cluster_id=CLUSTER)):
        plan = world.run(again)
        assert (plan.changed, plan.result) == (False, {"node_id": 1, "cluster_id": CLUSTER, "known": True})


def test_a_node_that_moved_keeps_its_id(world) -> None:
    world.run(join(labels={"zone": "a"}))
    mods = world.snapshot.node(1).mod_revision, world.snapshot.host_name_revision("h1:8088")
    plan = world.run(join("h2:8088", node_id=1, expected_cluster_id=CLUSTER))
    assert plan.result == {"node_id": 1, "cluster_id": CLUSTER, "known": True}
    assert set(plan.compares) == {
        Compare.modified(keys.node(1), mods[0]),
        Compare.modified(keys.host_name("h1:8088"), mods[1]),
        Compare.absent(keys.host_name("h2:8088")),
        Compare.absent(keys.live(1)),
    }
    assert Delete(keys.host_name("h1:8088")) in plan.writes
    assert world.snapshot.node_by_host("h1:8088") is None
    node = world.snapshot.node("h2:8088")
    assert (node.id, dict(node.labels), node.identity_hash) == (1, {"zone": "a"}, MINE)


def test_labels_follow_where_they_are_given(world) -> None:
    world.run(join(labels={"zone": "a"}))
    assert world.run(join(labels={"zone": "b", "disk": "ssd"})).changed
    assert dict(world.snapshot.node(1).labels) == {"zone": "b", "disk": "ssd"}
    assert not world.run(join()).changed


@pytest.mark.parametrize("state", [NodeState.DRAINING, NodeState.REMOVING])
def test_a_node_that_takes_no_shards_comes_back_and_is_told(world, state: NodeState) -> None:
    world.run(join())
    world.run(BeginNodeRemoval(node_id=1) if state is NodeState.REMOVING else UpdateNode(node_id=1, state=state))
    for again in (join(), join("h2:8088")):
        assert world.run(again).notices == (f"node 1 is {state} and takes no new shards",)
    assert world.snapshot.node(1).state == state


def test_a_node_that_was_added_with_its_identity_says_that_it_reports(world) -> None:
    world.run(operator_joins("h1:8088", identity_hash=MINE))
    assert world.snapshot.is_live(1) is None
    assert world.run(join()).changed
    assert (world.snapshot.is_live(1), world.snapshot.node(1).joined_at) == (False, world.now)


# --- an address that somebody else has, or had


def test_an_address_without_identity_is_adopted(world) -> None:
    world.run(operator_joins("h1:8088", labels={"zone": "a"}))
    mod = world.snapshot.node(1).mod_revision
    plan = world.run(join())
    assert plan.result == {"node_id": 1, "cluster_id": CLUSTER, "known": True}
    assert set(plan.compares) == {Compare.modified(keys.node(1), mod), Compare.absent(identity_key(MINE))}
    node = world.snapshot.node(1)
    assert (node.identity_hash, dict(node.labels), node.reports_liveness) == (MINE, {"zone": "a"}, True)
    assert world.run(join("h9:1")).result["node_id"] == 1, "from here on it is known by its identity"


def test_it_is_adopted_with_the_id_that_the_operator_was_told(world) -> None:
    world.add_nodes(2)
    assert world.run(join("h2:8088", node_id=2)).result["node_id"] == 2


def test_a_new_machine_on_an_old_address_inherits_no_id(world) -> None:
    world.run(join())
    with pytest.raises(NodeExists, match="of another identity") as refusal:
        world.plan(join(identity=OTHERS))
    assert "does not inherit an id" in str(refusal.value)
    remove(world, 1)
    assert world.run(join(identity=OTHERS)).result == {"node_id": 2, "cluster_id": CLUSTER, "known": False}


def test_a_known_node_does_not_take_the_address_of_another(world) -> None:
    world.run(join())
    world.run(operator_joins("h2:8088"))
    with pytest.raises(NodeExists, match="h2:8088 is node 2, and this is node 1"):
        world.plan(join("h2:8088"))


# --- live elsewhere


@pytest.mark.parametrize(("host", "shown"), [("h1:8088", "h1:8088"), ("", "a host that it does not name")])
def test_a_copied_data_directory_does_not_move_the_live_node(world, host: str, shown: str) -> None:
    world.run(join())
    is_live_at(world, host, lease_seconds=14)
    before = world.snapshot.node(1)
    for again in (join("db-77:8088"), join("db-77:8088", node_id=1, labels={"zone": "b"})):
        with pytest.raises(NodeAlreadyRunning, match=f"node 1 runs already, at {shown}; this one is at db-77") as error:
            world.plan(again)
        assert error.value.value == 14
        assert "empty it and join as a new node" in str(error.value)
    assert world.snapshot.node(1) == before
    assert not world.run(join()).changed, "at its own host it is told by the lease which process is the one"
    world.write([Delete(keys.live(1))])
    assert world.run(join("db-77:8088")).changed
    assert world.snapshot.node(1).host == "db-77:8088"


def test_a_sign_of_life_that_cannot_be_read_may_be_anybodys(world) -> None:
    world.run(join())
    world.write([Put(keys.live(1), b"\xff")])
    late = world.plan(join("h2:8088"))
    assert Compare.absent(keys.live(1)) in late.compares, "which a store refuses to compare, since it is unreadable"
    assert not world.commit(late)


def test_a_live_node_gets_back_the_host_at_which_it_is(world) -> None:
    """An operator gave it another one."""
    world.run(join())
    is_live_at(world, "h1:8088")
    created = world.snapshot.revision
    world.run(UpdateNode(node_id=1, host="wrong:1"))
    plan = world.plan(join())
    assert Compare.created(keys.live(1), created) in plan.compares
    is_live_at(world, "h1:8088", generation=7)
    assert world.commit(plan), "that it said something new changes nothing"
    assert world.snapshot.node(1).host == "h1:8088"


def test_it_comes_alive_while_a_copy_would_move_it(world) -> None:
    world.run(join())
    late = world.plan(join("db-77:8088"))
    is_live_at(world, "h1:8088")
    assert not world.commit(late)
    with pytest.raises(NodeAlreadyRunning):
        world.plan(join("db-77:8088"))


def test_the_life_of_another_node_is_nothing_to_it(world) -> None:
    world.run(join())
    world.run(join("h2:8088", OTHERS))
    is_live_at(world, "h2:8088", node_id=2)
    assert world.run(join("h3:8088")).changed


# --- refused


def test_a_removed_node_is_told_to_begin_anew(world) -> None:
    world.run(join())
    remove(world, 1)
    for again in (join(), join("h2:8088"), join(node_id=1), join(node_id=5)):
        with pytest.raises(NodeRemoved, match="wipe the data directory"):
            world.plan(again)
    assert world.run(join(identity=OTHERS)).result["node_id"] == 2


def test_an_id_that_was_removed_before_it_had_an_identity(world) -> None:
    world.add_nodes(1)
    remove(world, 1)
    with pytest.raises(NodeRemoved):
        world.plan(join(node_id=1))


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"node_id": 77}, "knows no node 77"),
        ({"node_id": 2**70}, "knows no node"),
        ({"node_id": -1}, "knows no node -1"),
        ({"node_id": 2}, "its secret is not that of node 2"),
        ({"node_id": 2, "host": "h2:8088"}, "its secret is not that of node 2"),
        ({"node_id": 3}, "node 3 has no identity yet, and its host is h3:8088"),
        ({"node_id": 2, "identity": MINE}, "its secret is that of node 1, not of node 2"),
    ],
)
def test_an_id_that_the_secret_does_not_prove(world, fields: dict[str, Any], why: str) -> None:
    world.run(join())
    world.run(join("h2:8088", OTHERS))
    world.run(operator_joins("h3:8088"))
    with pytest.raises(NodeIdentityRefused, match=why) as refusal:
        world.plan(join(**{"host": "h9:8088", "identity": b"\x03" * 32, **fields}))
    assert type(refusal.value) is NodeIdentityRefused
    assert "empty one to join as a new node" in str(refusal.value)


def test_an_identity_of_another_cluster_founds_none_and_joins_none(world) -> None:
    with pytest.raises(WrongCluster, match="belongs to cluster 8, and no cluster is here"):
        world.plan(join(node_id=1, expected_cluster_id=8))
    with pytest.raises(NodeIdentityRefused, match="knows no node 1"):
        world.plan(join(node_id=1))
    world.run(join())
    with pytest.raises(WrongCluster, match="belongs to cluster 8, and this is cluster 7") as refusal:
        world.plan(join(expected_cluster_id=8))
    assert "empty data directory" in str(refusal.value)


def test_a_guard_that_was_deleted_is_not_made_anew(world) -> None:
    world.run(join())
    world.write([Delete(keys.CLUSTER)])
    for command in (join(), join("h2:8088"), join(identity=OTHERS), join("h2:8088", OTHERS)):
        with pytest.raises(PrefixNotEmpty):
            world.plan(command)


def test_a_node_that_cannot_be_read_may_be_the_one(world) -> None:
    world.add_nodes(2)
    world.write([Put(keys.node(2), b"\xff")])
    with pytest.raises(RecordUnreadable, match="has this identity"):
        world.plan(join("h9:8088"))


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"host": "nowhere"}, InvalidAddress),
        ({"labels": {"": "a"}}, InvalidInput),
        ({"identity": b""}, InvalidInput),
        ({"identity": b"\x01" * 31}, InvalidInput),
        ({"cluster_id": 0}, InvalidInput),
    ],
)
def test_what_cannot_be(world, fields: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        world.plan(join(**fields))


# --- at once


def both(world, one: JoinNode, other: JoinNode) -> None:
    """Planned on the same picture: the second does not commit."""
    first, second = world.plan(one), world.plan(other)
    assert world.commit(first)
    assert not world.commit(second)


def test_one_identity_at_two_new_hosts_at_once_is_one_node(world) -> None:
    world.add_nodes(1)
    both(world, join("a:1"), join("b:1"))
    assert world.run(join("b:1")).result == {"node_id": 2, "cluster_id": CLUSTER, "known": True}
    assert [node.host for node in world.snapshot.nodes()] == ["h1:8088", "b:1"]


def test_one_identity_new_and_adopted_at_once_is_one_node(world) -> None:
    world.add_nodes(1)
    both(world, join("h1:8088"), join("b:1"))
    assert world.run(join("b:1")).result["node_id"] == 1


def test_one_identity_moves_to_two_hosts_at_once(world) -> None:
    world.run(join())
    both(world, join("a:1"), join("b:1"))
    assert world.run(join("b:1")).changed
    assert [node.host for node in world.snapshot.nodes()] == ["b:1"]


@pytest.mark.parametrize("there", [0, 1])
def test_one_host_for_two_identities_at_once(world, there: int) -> None:
    world.run(operator_joins("other:1"))
    if there:
        world.run(operator_joins("h1:8088"))
    both(world, join(), join(identity=OTHERS))
    with pytest.raises(NodeExists, match="of another identity"):
        world.plan(join(identity=OTHERS))


def test_it_moves_while_it_is_removed(world) -> None:
    world.run(join())
    world.run(BeginNodeRemoval(node_id=1))
    late = world.plan(join("b:1"))
    world.run(FinishNodeRemoval(node_id=1))
    assert not world.commit(late)
    with pytest.raises(NodeRemoved):
        world.plan(join("b:1"))


def test_adopted_while_it_is_removed(world) -> None:
    world.add_nodes(1)
    world.run(BeginNodeRemoval(node_id=1))
    late = world.plan(join())
    world.run(FinishNodeRemoval(node_id=1))
    assert not world.commit(late)
    assert world.run(join()).result == {"node_id": 2, "cluster_id": CLUSTER, "known": False}


def test_an_operator_adds_an_identity_that_a_node_has(world) -> None:
    world.run(join())
    with pytest.raises(NodeExists, match="node 1 at h1:8088 has this identity"):
        world.plan(operator_joins("h2:8088", identity_hash=MINE))
    both(world, join("h3:8088", OTHERS), operator_joins("h4:8088", identity_hash=OTHERS))


# --- what is said of it


def test_the_hash_is_shown_nowhere(world) -> None:
    command = join(identity=b"secret-secret-secret-secret-hash")
    plan = world.run(command)
    shown = repr(command) + str(command.public()) + str(plan.result) + plan.summary + str([w.key for w in plan.writes])
    assert "secret-secret" not in shown
    assert command.identity_hash.hex() not in shown


def test_chance_and_secrets_are_no_part_of_what_it_means() -> None:
    assert join().fingerprint() == join(identity=OTHERS, cluster_id=8, epoch=10).fingerprint()
    assert join().fingerprint() != join(node_id=1).fingerprint()
