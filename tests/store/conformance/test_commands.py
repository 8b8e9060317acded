"""Every shortcut once: what it does, what doing it again does, and how it refuses."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from etcdmeta import errors
from etcdmeta.model.durations import Duration
from etcdmeta.model.owners import NodeState, OwnerStatus, Privilege
from tests.store.invariants import check_cache, check_ledger
from tests.store.worlds import DAY, HOUR, NOW, World, with_nodes

if TYPE_CHECKING:
    from collections.abc import Callable

    from etcdmeta.store import MetaStore

WEEK = 7 * DAY


def test_a_cluster_begins_once(world: World) -> None:
    store, other = world.open(), world.open()
    first = store.init_cluster()
    assert first.cluster_id != 0
    assert other.init_cluster().cluster_id == first.cluster_id
    assert store.snapshot().generation == 1
    check_cache(world, store)


def test_nothing_is_written_before_there_is_a_cluster(world: World) -> None:
    store = world.open()
    before = world.revision()
    with pytest.raises(errors.NotInitialised) as caught:
        store.create_database("metrics")
    assert caught.value.rule is not None
    assert caught.value.remedy is not None
    # Ids may have been reserved; no record, and no ledger entry.
    assert world.records() == []
    assert world.ledger() == []
    assert store.snapshot().cluster is None
    assert world.revision() <= before + 3


def test_nodes_join_change_and_go(world: World) -> None:
    store = world.open()
    one = store.add_node("a:8088", {"rack": "r1"})
    assert (one.id, one.host, dict(one.labels), one.state) == (1, "a:8088", {"rack": "r1"}, NodeState.JOINED)
    assert store.snapshot().cluster is not None, "the first node makes the cluster"
    two = store.add_node("b:8088")
    assert store.add_node("a:8088").id == one.id, "the same host is the same node"
    assert store.update_node(one.id, host="c:8088", labels={}).host == "c:8088"
    assert store.update_node("c:8088", state=NodeState.DRAINING).state == NodeState.DRAINING
    assert store.remove_node(two.id).state == NodeState.REMOVED
    assert store.remove_node(two.id).state == NodeState.REMOVED
    assert [node.id for node in store.snapshot().nodes()] == [one.id]
    assert store.add_node("b:8088").id == 3, "ids are never used again"
    with pytest.raises(errors.NodeNotFound):
        store.update_node(99, labels={})
    with pytest.raises(errors.NodeExists):
        store.update_node(one.id, host="b:8088")
    with pytest.raises(errors.NodeExists):
        store.add_node("b:8088", {"rack": "r9"})
    check_cache(world, store)
    check_ledger(world)


def test_nodes_are_labelled_and_drained(world: World) -> None:
    store = world.open()
    node = store.add_node("a:8088", {"rack": "r1"})
    assert dict(store.label_node("a:8088", {"zone": "a"}, without=["rack", "disk"]).labels) == {"zone": "a"}
    assert store.label_node(node.id, {"zone": "a"}).mod_revision == store.snapshot().node(node.id).mod_revision
    for _ in range(2):
        assert store.drain_node(node.id, "new disks").state == NodeState.DRAINING
    for _ in range(2):
        assert store.undrain_node(node.id).state == NodeState.JOINED
    for change in (store.label_node, store.drain_node, store.undrain_node):
        with pytest.raises(errors.NodeNotFound):
            change(99)
    with pytest.raises(errors.InvalidInput):
        store.label_node(node.id, {"zone": "a"}, without=["zone"])
    check_cache(world, store)
    check_ledger(world)


def test_databases_and_policies(world: World) -> None:
    store = world.open()
    store.init_cluster()
    database = store.create_database("metrics", duration="30d", replicas=2)
    policy = database.default_policy
    assert policy is not None
    assert (policy.name, policy.duration, policy.replicas) == ("autogen", Duration(30 * DAY), 2)
    assert policy.group_duration == Duration(DAY)
    generation = store.snapshot().generation
    assert store.create_database("metrics", duration=timedelta(days=30), replicas=2).id == database.id
    assert store.create_database("metrics").id == database.id, "the name alone is never an error (InfluxDB 1.x)"
    assert store.snapshot().generation == generation
    with pytest.raises(errors.DatabaseExists):
        store.create_database("metrics", duration="1d")

    long = store.create_policy("metrics", "long", duration="INF", replicas=1, group_duration="30d")
    assert store.create_policy("metrics", "long", duration=0, replicas=1, group_duration="30d").id == long.id
    with pytest.raises(errors.PolicyExists):
        store.create_policy("metrics", "long", duration="1d")
    assert store.set_default_policy("metrics", "long").changed
    assert not store.set_default_policy("metrics", "long").changed
    altered = store.alter_policy("metrics", "long", new_name="ever", replicas=3)
    assert (altered.id, altered.name, altered.replicas, altered.is_default) == (long.id, "ever", 3, True)
    with pytest.raises(errors.PolicyExists):
        store.alter_policy("metrics", "ever", new_name="autogen")
    with pytest.raises(errors.PolicyNotFound):
        store.alter_policy("metrics", "long", replicas=1)
    store.drop_policy("metrics", "ever")
    assert store.snapshot().database("metrics").default_policy is None
    check_cache(world, store)
    store.drop_database("metrics")
    with pytest.raises(errors.DatabaseNotFound):
        store.drop_database("metrics")
    assert store.create_database("metrics").id == database.id + 1
    check_cache(world, store)
    check_ledger(world)


def test_shard_groups_from_creation_to_pruning(world: World) -> None:
    store = world.open()
    nodes = with_nodes(store)
    store.create_database("metrics", duration="30d", replicas=2)
    group = store.create_shard_group("metrics", "autogen", at=NOW)
    assert group.start <= NOW < group.end == group.start + DAY
    assert {owner.node_id for shard in group.shards for owner in shard.owners} <= set(nodes)
    assert store.create_shard_group("metrics", "", at=group.end - 1).id == group.id
    later = store.create_shard_group("metrics", "", at=group.end)
    assert later.start == group.end

    (outcome,) = store.truncate_shard_groups(NOW + 1)
    assert set(outcome.result["group_ids"]) == {group.id, later.id}
    successor = store.create_shard_group("metrics", "", at=NOW + 2)
    assert (successor.start, successor.end) == (NOW + 1, group.end)
    assert not store.truncate_shard_groups(successor.end)[0].changed

    assert store.delete_shard_group(group.id).changed
    assert not store.delete_shard_group(group.id).changed
    assert store.snapshot().group(group.id).is_deleted
    assert not store.prune_shard_groups(NOW)[0].changed, "marked now, which is later"
    store.prune_shard_groups(2**62)
    with pytest.raises(errors.GroupNotFound):
        store.snapshot().group(group.id)
    with pytest.raises(errors.GroupNotFound):
        store.delete_shard_group(group.id)
    check_cache(world, store)
    check_ledger(world)


def test_groups_are_made_ahead_of_the_first_point(world: World) -> None:
    clock = Clock(NOW)
    store = world.open(clock=clock)
    with_nodes(store)
    store.create_database("metrics", duration="30d", group_duration="1h")
    store.create_shard_group("metrics", "", at=NOW)
    store.precreate_shard_groups(NOW + 3 * HOUR)
    for ahead in range(4):
        assert store.snapshot().policy("metrics").group_at(NOW + ahead * HOUR) is not None
    assert not store.precreate_shard_groups(NOW + 3 * HOUR)[-1].changed
    with pytest.raises(errors.InvalidTime):
        store.precreate_shard_groups(NOW + 400 * DAY)
    check_cache(world, store)


def test_an_owner_goes_through_its_life(world: World) -> None:
    store = world.open()
    nodes = with_nodes(store)
    store.create_database("metrics", replicas=1)
    group = store.create_shard_group("metrics", "", at=NOW)
    shard = group.shards[0]
    source = shard.owners[0].node_id
    target, third = (node for node in nodes if node != source)

    copying = store.begin_copy(shard.id, source, target).owner(target)
    assert copying is not None
    assert (copying.status, copying.attempt, copying.source) == (OwnerStatus.COPYING, 1, source)
    assert store.snapshot().progress(shard.id, target) is not None
    store.fail_owner(shard.id, target, "disk full", attempt=1)
    assert store.begin_copy(shard.id, source, target).last_attempt == 2
    with pytest.raises(errors.StaleAttempt):
        store.finish_copy(shard.id, target, attempt=1)
    finished = store.finish_copy(shard.id, target, attempt=2)
    assert {owner.node_id for owner in finished.serving_owners(store.snapshot())} == {source, target}
    assert store.snapshot().progress(shard.id, target) is None

    store.begin_copy(shard.id, source, third)
    store.cancel_copy(shard.id, third)
    with pytest.raises(errors.StaleAttempt):
        store.finish_copy(shard.id, third, attempt=3)
    store.set_owner_status(shard.id, source, OwnerStatus.LEAVING)
    store.remove_owner(shard.id, source)
    with pytest.raises(errors.ServiceWouldEnd):
        store.remove_owner(shard.id, target)
    with pytest.raises(errors.ServiceWouldEnd):
        store.remove_owner(shard.id, target, force=True, reason="decommissioned")
    with pytest.raises(errors.OwnerExists):
        store.set_owner_status(shard.id, target, OwnerStatus.COPYING, source=third)
    store.begin_copy(shard.id, target, third)
    with pytest.raises(errors.TransitionRefused):
        store.set_owner_status(shard.id, third, OwnerStatus.LEAVING)
    check_cache(world, store)
    check_ledger(world)


def test_a_node_that_owns_shards_goes_by_force_only(world: World) -> None:
    store = world.open()
    first, _ = with_nodes(store, 2)
    store.create_database("metrics", replicas=2)
    group = store.create_shard_group("metrics", "", at=NOW)
    with pytest.raises(errors.NodeOwnsShards):
        store.remove_node(first)
    assert store.snapshot().node(first).state == NodeState.JOINED
    assert store.remove_node(first, force=True, reason="burnt").state == NodeState.REMOVED
    assert all(shard.owner(first) is None for shard in store.snapshot().group(group.id).shards)
    check_cache(world, store)


def test_queries_and_subscriptions(world: World) -> None:
    store = world.open()
    store.init_cluster()
    store.create_database("metrics")
    assert store.create_continuous_query("metrics", "mean", "SELECT mean(v)").query == "SELECT mean(v)"
    generation = store.snapshot().generation
    store.create_continuous_query("metrics", "mean", "select MEAN(v)")
    assert store.snapshot().generation == generation
    with pytest.raises(errors.QueryExists):
        store.create_continuous_query("metrics", "mean", "SELECT max(v)")
    destinations = ["http://h1:9092", "udp://h2:9093"]
    made = store.create_subscription("metrics", "autogen", "all", "any", destinations)
    assert (made.mode, made.destinations) == ("ANY", tuple(destinations))
    assert store.create_subscription("metrics", "autogen", "all", "ANY", destinations) == made
    with pytest.raises(errors.SubscriptionExists):
        store.create_subscription("metrics", "autogen", "all", "ALL", destinations)
    check_cache(world, store)
    store.drop_subscription("metrics", "autogen", "all")
    store.drop_continuous_query("metrics", "mean")
    with pytest.raises(errors.QueryNotFound):
        store.drop_continuous_query("metrics", "mean")
    with pytest.raises(errors.SubscriptionNotFound):
        store.drop_subscription("metrics", "autogen", "all")
    check_ledger(world)


def test_users_and_what_they_may(world: World) -> None:
    store = world.open()
    store.init_cluster()
    store.create_database("metrics")
    bob = store.create_user("bob", "secret")
    assert store.create_user("bob", "another").id == bob.id
    with pytest.raises(errors.UserExists):
        store.create_user("bob", "secret", admin=True)
    assert store.grant("bob", "metrics", "all").changed
    assert not store.grant("bob", "metrics", Privilege.ALL).changed
    store.revoke("bob", "metrics", "write")
    snapshot = store.snapshot()
    assert snapshot.allows("bob", Privilege.READ, "metrics")
    assert not snapshot.allows("bob", Privilege.WRITE, "metrics")
    store.set_password("bob", "changed")
    store.set_admin("bob", admin=True)
    assert store.snapshot().allows("bob", Privilege.WRITE, "metrics")
    store.drop_user("bob")
    assert not store.snapshot().allows(bob, Privilege.READ, "metrics")
    with pytest.raises(errors.UserNotFound):
        store.set_password("bob", "secret")
    assert store.create_user("bob", "secret").id == bob.id + 1
    assert not store.snapshot().allows("bob", Privilege.READ, "metrics"), "grants go with the id, not the name"
    everything = b"".join(record[1] for record in world.records())
    assert b"secret" not in everything
    assert b"$2a$" not in everything
    check_cache(world, store)
    check_ledger(world)


REFUSALS: dict[str, tuple[type[errors.EtcdMetaError], Callable[[MetaStore], Any]]] = {
    "database": (errors.DatabaseNotFound, lambda s: s.create_policy("none", "p", duration="1d")),
    "policy": (errors.PolicyNotFound, lambda s: s.create_shard_group("metrics", "none", at=NOW)),
    "group": (errors.GroupNotFound, lambda s: s.delete_shard_group(77)),
    "shard": (errors.ShardNotFound, lambda s: s.begin_copy(77, 1, 2)),
    "nodes": (errors.NodesRequired, lambda s: s.create_shard_group("metrics", "", at=NOW)),
    "replicas": (errors.ReplicationFactorTooLow, lambda s: s.create_policy("metrics", "p", duration="1d", replicas=0)),
    "duration": (errors.DurationTooLow, lambda s: s.create_policy("metrics", "p", duration="10m")),
    "durations": (
        errors.IncompatibleDurations,
        lambda s: s.create_policy("metrics", "p", duration="2h", group_duration="3h"),
    ),
    "time": (errors.InvalidTime, lambda s: s.create_shard_group("metrics", "", at=2**63)),
    "name": (errors.InvalidName, lambda s: s.create_database("a/b")),
    "address": (errors.InvalidAddress, lambda s: s.add_node("no port")),
    "destination": (
        errors.InvalidAddress,
        lambda s: s.create_subscription("metrics", "autogen", "s", "ANY", ["ftp://x"]),
    ),
    "privilege": (errors.UserNotFound, lambda s: s.grant("nobody", "metrics", "read")),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_is_typed_says_why_and_leaves_no_trace(world: World, case: str) -> None:
    kind, refused = REFUSALS[case]
    store = world.open()
    store.init_cluster()
    store.create_database("metrics")
    records, ledger = world.records(), len(world.ledger())
    with pytest.raises(kind) as caught:
        refused(store)
    assert type(caught.value) is kind
    assert caught.value.message
    assert world.records() == records
    assert len(world.ledger()) == ledger


def test_a_refusal_is_final_on_a_current_picture_only(world: World) -> None:
    """The first picture may be behind: what another store has just made must be seen before "not found"."""
    store, other = world.open(), world.open()
    store.init_cluster()
    for round_ in range(20):
        other.create_database(f"db{round_}")
        store.create_continuous_query(f"db{round_}", "q", "select 1")
        store.drop_database(f"db{round_}")
        with pytest.raises(errors.DatabaseNotFound):
            other.drop_database(f"db{round_}")
    check_cache(world, store)


class Clock:
    """Stands still."""

    def __init__(self, now: int) -> None:
        self._now = now

    def now(self) -> int:
        return self._now
