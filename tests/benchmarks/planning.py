"""Planning for 200 nodes, against reading every group, shard and owner of the same snapshot once. No etcd.

Three owners a shard, four zones; three of unequal size, so that each shard has to have an owner in each, and loads
cannot be level; and none, which leaves the planner most choice. The nodes that a rebalance fills are a twentieth of
them, without any owner at first; the node that is replaced, and the one that is decommissioned, are as
full as all others; the replica count is raised from 2 to 3, so that each shard of the snapshot has a move.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from etcdmeta.commands.planning import PlanDraft, decommission, rebalance, repair, replace, replication
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.records.transaction import KeyValue
from etcdmeta.replica.loader import Loader
from tests.benchmarks.measure import Pair, Result, Scale, ratio, seconds
from tests.benchmarks.world import DATABASE, HOUR, group_key, shard_of, start_of

NODES = 200
_NEW = NODES // 20
_ZONES = 4
_FIRST_DOWN = 1


def run(scale: Scale) -> Iterator[Result]:
    full, zoned = NODES - _NEW, picture(scale.groups, zones=_ZONES)
    plain, tight = picture(scale.groups, zones=0), picture(scale.groups, zones=3)
    fewer = picture(scale.groups, zones=_ZONES, owners=2, wanted=3)
    broken = picture(scale.groups, zones=_ZONES, down=(_FIRST_DOWN,))
    cases: tuple[tuple[str, Snapshot, Callable[[Snapshot], PlanDraft]], ...] = (
        (f"rebalance after {_NEW} nodes came", zoned, rebalance),
        (f"rebalance after {_NEW} nodes came, no zones", plain, rebalance),
        (f"rebalance after {_NEW} nodes came, as many zones as owners", tight, rebalance),
        ("replicas raised from 2 to 3", fewer, replication),
        ("decommission of one", zoned, lambda snapshot: decommission(snapshot, [full])),
        ("replace of one", zoned, lambda snapshot: replace(snapshot, full, NODES)),
        ("repair of what one lost", broken, lambda snapshot: repair(snapshot, now=0)),
    )
    for what, snapshot, planner in cases:
        moves = len(planner(snapshot).moves)
        setting = f"no etcd; {NODES} nodes, {scale.groups:,} groups, {moves:,} moves"
        pairs = [
            Pair(1e3 * seconds(lambda: planner(snapshot)), 1e3 * seconds(lambda: read_once(snapshot)))  # noqa: B023
            for _ in range(max(1, scale.rounds // 2))
        ]
        yield ratio(12, f"planning a {what} ÷ reading the snapshot once", setting, pairs, unit="ms", reach=5.0)


def read_once(snapshot: Snapshot) -> int:
    """Everything that a planner needs to know of the groups, through the public snapshot; how many owners."""
    owners = 0
    for group in snapshot.groups():
        for shard in group.shards:
            for owner in shard.owners:
                owners += owner.status is not None
    return owners


def picture(
    groups: int, *, zones: int, owners: int = 3, wanted: int = 3, down: tuple[int, ...] = ()
) -> Snapshot:
    """All but the last nodes own as much as each other; ``zones`` 0: no labels."""
    loader = Loader(0)
    loader.add(_records(groups, zones, owners, wanted, down))
    return loader.finish(groups + 10)


def _records(groups: int, zones: int, owners: int, wanted: int, down: tuple[int, ...]) -> Iterator[KeyValue]:
    cluster = pb.Cluster(cluster_id=1, epoch=1, oldest_reader=1, oldest_writer=1)
    yield KeyValue(keys.CLUSTER, cluster.SerializeToString(), 1, 1)
    yield KeyValue(keys.GENERATION, pb.Generation(nonce=1).SerializeToString(), 1, 1)
    for node in range(1, NODES + 1):
        labels = {"zone": f"z{node % zones}"} if zones else {}
        record = pb.Node(id=node, host=f"n{node}:8088", labels=labels, reports_liveness=node in down)
        yield KeyValue(keys.node(node), record.SerializeToString(), 2, 2)
    database = pb.Database(id=1, name=DATABASE.encode(), default_policy_id=1)
    policy = pb.RetentionPolicy(id=1, name=b"autogen", replicas=wanted, group_duration=HOUR)
    reference = pb.NameRef(id=1).SerializeToString()
    yield KeyValue(keys.database_name(DATABASE), reference, 2, 2)
    yield KeyValue(keys.database_info(1), database.SerializeToString(), 2, 2)
    yield KeyValue(keys.policy_name(1, "autogen"), reference, 2, 2)
    yield KeyValue(keys.policy_info(1, 1), policy.SerializeToString(), 2, 2)
    full = NODES - _NEW
    for group_id in range(1, groups + 1):
        start = start_of(group_id)
        message = pb.ShardGroup(id=group_id, start=start, end=start + HOUR)
        shard = message.shards.add(id=shard_of(group_id))
        # Neighbours are in different zones; which nodes go together changes from one round of the nodes to the next.
        first = group_id * owners + group_id // full
        for place in range(owners):
            shard.owners.add(node_id=1 + (first + place) % full, since=start)
        yield KeyValue(group_key(group_id), message.SerializeToString(), group_id + 2, group_id + 2)
