"""The cluster's beginning: the guard, made by the first node that joins or by a word of its own."""

from __future__ import annotations

from collections.abc import Sized
from typing import Any, ClassVar

from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.errors import InvalidInput, PrefixNotEmpty
from etcdmeta.model.entities import Cluster
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode


class InitCluster(Command):
    """Make the cluster under this prefix, without a node. Already initialised: unchanged, with its own id.

    ``cluster_id`` and ``epoch`` are candidates, random and not 0: taken only where none is set, so that
    everybody has the same one (InfluxDB carries a candidate in every create-node command).

    Compares: ``create(state/cluster)=0``, and that nothing else stands below ``state/`` (a guard that was
    deleted by hand must not be made anew over the old records). Writes: the guard. Result: ``cluster_id``.
    Errors: `PrefixNotEmpty`, `InvalidInput`. The one plan that brings the guard along: everywhere else
    whoever commits compares the guard that the snapshot holds.
    """

    NAME: ClassVar[str] = "init cluster"

    cluster_id: int
    epoch: int

    def public(self) -> dict[str, Any]:
        """Without the candidates: chance, not intent; a retry of the same operation brings others."""
        return self.model_dump(mode="json", exclude={"cluster_id", "epoch"})

    def plan(self, context: Context) -> Plan:
        cluster = context.snapshot.cluster
        if cluster is not None:
            return unchanged(f"cluster {cluster.cluster_id} is there already", {"cluster_id": cluster.cluster_id})
        builder = PlanBuilder()
        found_cluster(builder, context.snapshot, self.cluster_id, self.epoch)
        return builder.build(f"initialised cluster {self.cluster_id}", {"cluster_id": self.cluster_id})


def found_cluster(builder: PlanBuilder, snapshot: Snapshot, cluster_id: int, epoch: int) -> None:
    """Put the guard, where nothing stands (`InitCluster`). Raises `InvalidInput`, `PrefixNotEmpty`."""
    for value, what in ((cluster_id, "cluster id"), (epoch, "epoch")):
        if not 0 < value < 2**64:
            raise InvalidInput(f"{value} cannot be a {what}", value=value, rule="a random number of 64 bits, not 0")
    if snapshot.tables.generation is not None or any(table for table in _all_records(snapshot)):
        raise PrefixNotEmpty(
            "there are records under this prefix, but no cluster",
            rule="a cluster begins under an empty prefix: a guard that was deleted is not made anew",
            remedy="restore the guard from a backup, or choose another --cluster",
        )
    builder.require_absent(keys.CLUSTER)
    builder.require_none(keys.STATE, keys.prefix_end(keys.STATE))
    builder.put(keys.CLUSTER, encode(Cluster(cluster_id=cluster_id, epoch=epoch)))


def _all_records(snapshot: Snapshot) -> tuple[Sized, ...]:
    t = snapshot.tables
    names = (t.database_names, t.user_names, t.host_names, t.identity_names)
    plans = (t.plans, t.plan_moves, t.imports)
    return (*names, *plans, t.nodes, t.users, t.databases, t.groups, t.liveness, t.progress, t.others, t.unreadable)
