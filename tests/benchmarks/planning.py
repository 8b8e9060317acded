"""Planning for 200 nodes, against reading every group, shard and owner of the same snapshot once. No etcd.

Three owners a shard. Four zones; three, so that each shard has to have an owner in each, and loads cannot be level,
since a zone has 66 nodes and the others 67; none, which leaves the planner most choice. The nodes that a rebalance
fills are a twentieth of them, without any owner at first; the one that is replaced, or decommissioned, is as full as
all others; the replica count is raised from 2 to 3, so that each shard of the snapshot has a move.

The floor is a reading by the public `Snapshot.groups`. What planners read is less, and without models; the ratio to
that is reported for the slowest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from etcdmeta.commands.planning import PlanDraft, decommission, rebalance, repair, replace, replication
from etcdmeta.model.owners import SERVING
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


Planner = Callable[[Snapshot], PlanDraft]


def run(scale: Scale) -> Iterator[Result]:
    slowest: list[Pair] = []
    for what, snapshot, planner in _cases(scale.groups):
        moves = len(planner(snapshot).moves)
        setting = f"no etcd; {NODES} nodes, {scale.groups:,} groups, {moves:,} moves"
        pairs, scans = [], []
        for _ in range(max(1, scale.rounds // 2)):
            took = 1e3 * seconds(lambda: planner(snapshot))  # noqa: B023
            pairs.append(Pair(took, 1e3 * seconds(lambda: read_once(snapshot))))  # noqa: B023
            scans.append(Pair(took, 1e3 * seconds(lambda: scan_once(snapshot))))  # noqa: B023
        slowest = max(slowest, scans, key=lambda found: sum(pair.ours for pair in found))
        yield ratio(14, f"planning a {what} ÷ reading the snapshot once", setting, pairs, unit="ms", reach=5.0)
    what = "… the slowest of these ÷ a scan of who owns what, without making models"
    yield ratio(14, what, f"no etcd; {NODES} nodes, {scale.groups:,} groups", slowest, unit="ms", reach=None)


def _cases(groups: int) -> Iterator[tuple[str, Snapshot, Planner]]:
    """One snapshot at a time is held."""
    full, came = NODES - _NEW, f"rebalance after {_NEW} nodes came"
    snapshot = picture(groups, zones=_ZONES)
    yield f"{came}, {_ZONES} zones", snapshot, rebalance
    yield "decommission of one node", snapshot, lambda snapshot: decommission(snapshot, [full])
    yield "replacement of one node", snapshot, lambda snapshot: replace(snapshot, full, NODES)
    yield f"{came}, 3 zones: as many as owners", picture(groups, zones=3), rebalance
    yield f"{came}, no zones", picture(groups, zones=0), rebalance
    snapshot = picture(groups, zones=_ZONES, owners=2, wanted=3)
    yield "change from 2 owners to 3", snapshot, replication
    snapshot = picture(groups, zones=_ZONES, down=(_FIRST_DOWN,))
    yield "repair of what one node lost", snapshot, lambda snapshot: repair(snapshot, now=0)


def read_once(snapshot: Snapshot) -> int:
    """Every group, shard and owner, as anybody reads them; how many owners serve."""
    return sum(
        owner.status in SERVING for group in snapshot.groups() for shard in group.shards for owner in shard.owners
    )


def scan_once(snapshot: Snapshot) -> int:
    """The least that a planner has to read, by what it reads it with; how many owners there are."""
    placements_of = snapshot.decoder.group_placements
    return sum(len(owners) for row in snapshot.tables.groups.values() for _, owners in placements_of(row[0]))


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
