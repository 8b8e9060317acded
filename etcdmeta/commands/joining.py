"""A database node joins, or comes back as the one it was: its identity says who it is, not its address.

What decides, in this order:

=================  =============================  ============================================================
the identity       the address                    the node
=================  =============================  ============================================================
of a removed node  any                            is refused: `NodeRemoved`
of a node          its own, or nobody's           is that node, with its old id; its host follows it
of a node          nobody's, and it is live at    is refused: `NodeAlreadyRunning`; that process may be dead, and its
                   another one                    lease not over yet, so that the same may be asked for again
of a node          another node's                 is refused: `NodeExists`
unknown            nobody's                       is new, where it says so itself (``node_id`` 0), else refused
unknown            of a node without an identity  is that node (``etcdmeta node join``), and has its identity now
unknown            of a node with an identity     is refused: a new machine on an old address inherits no id
=================  =============================  ============================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from etcdmeta.commands.cluster import found_cluster
from etcdmeta.commands.identities import claim_identity, node_of_identity
from etcdmeta.commands.node import check_labels, move_host
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.errors import (
    InvalidInput,
    NodeAlreadyRunning,
    NodeExists,
    NodeIdentityRefused,
    NodeRemoved,
    WrongCluster,
)
from etcdmeta.model.entities import Node
from etcdmeta.model.names import check_host
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_name_ref

HASH_BYTES = 32
"""Of SHA-256."""


class JoinNode(Command):
    """A node joins with its identity; what it is then, the module's table says.

    ``identity_hash``: SHA-256 of the secret in the node's data directory. ``labels``: empty, they stay as they are.
    ``node_id`` and ``expected_cluster_id``: what the data directory says; 0: it has never joined. ``cluster_id`` and
    ``epoch``: candidates of the first node, as in `InitCluster`. The node says that it reports its liveness from
    now on, so that its silence means that it is down.

    Compares: new: ``create(name/host/E)=0``, ``create(node/N)=0``, ``create(name/identity/H)=0``, and where no cluster
    is there yet those of `InitCluster`. Adopted: ``mod(node/N)``, ``create(name/identity/H)=0``. Known:
    ``mod(node/N)``; at another host ``mod(name/host/E1)``, ``create(name/host/E2)=0``, ``create(live/N)``. Writes:
    ``node/N``; ``name/host/E`` where it changes; ``name/identity/H`` where it is new (and the guard). Result:
    ``node_id``, ``cluster_id``, ``known``.
    Errors: `WrongCluster`, `NodeIdentityRefused`, `NodeRemoved`, `NodeAlreadyRunning`, `NodeExists`,
    `RecordUnreadable` (a node's record), `InvalidAddress`, `InvalidInput` (labels, hash), `PrefixNotEmpty`.

    Signs of life are advisory. A move relies on there being none of another process, and compares that (law 3): 0 for
    none, else that of the process at the very host that is asked for. The refusal writes nothing and compares nothing.
    On a sign that is gone by now it is wrong for as long as the picture takes to hear of it, and harmless: the node
    asks again.
    """

    NAME: ClassVar[str] = "join node"
    SECRET: ClassVar[frozenset[str]] = frozenset({"identity_hash"})

    host: str
    labels: Mapping[str, str] = Field(default_factory=dict)
    identity_hash: bytes = Field(repr=False)
    node_id: int = 0
    expected_cluster_id: int = 0
    cluster_id: int
    epoch: int

    def public(self) -> dict[str, Any]:
        """Without the candidates, as `InitCluster.public`."""
        return self.model_dump(mode="json", exclude={"cluster_id", "epoch", *self.SECRET})

    def plan(self, context: Context) -> Plan:
        snapshot = context.snapshot
        self._check()
        self._require_cluster(snapshot)
        known = node_of_identity(snapshot, self.identity_hash)
        self._require_identity(snapshot, known)
        if snapshot.cluster is None:
            return self._new(context)
        if known is not None:
            return self._comes_back(known, context)
        there = snapshot.node_by_host(self.host)
        return self._new(context) if there is None else self._adopted(there, context)

    def _check(self) -> None:
        check_host(self.host)
        check_labels(self.labels)
        if len(self.identity_hash) != HASH_BYTES:
            raise InvalidInput(
                f"an identity's hash of {len(self.identity_hash)} bytes",
                value=len(self.identity_hash),
                rule=f"SHA-256 of the node's secret: {HASH_BYTES} bytes",
            )

    def _require_cluster(self, snapshot: Snapshot) -> None:
        expected, cluster = self.expected_cluster_id, snapshot.cluster
        if not expected or (cluster is not None and cluster.cluster_id == expected):
            return
        found = "no cluster is here" if cluster is None else f"this is cluster {cluster.cluster_id}"
        raise WrongCluster(
            f"the node belongs to cluster {expected}, and {found}",
            value=0 if cluster is None else cluster.cluster_id,
            rule="a node's identity holds in the cluster that it joined",
            remedy="give the addresses and the --cluster of the node's own cluster; to join this one as a new node, "
            "start with an empty data directory",
        )

    def _require_identity(self, snapshot: Snapshot, known: Node | None) -> None:
        """The id that the data directory says is that of the identity. Raises `NodeIdentityRefused`, `NodeRemoved`."""
        if known is not None and known.state == NodeState.REMOVED:
            raise _removed(known)
        if not self.node_id:
            return
        if known is not None:
            if known.id != self.node_id:
                raise self._refused(f"its secret is that of node {known.id}, not of node {self.node_id}")
            return
        claimed = snapshot.find_node(self.node_id)
        if claimed is None:
            raise self._refused(f"the cluster knows no node {self.node_id}")
        if claimed.identity_hash:
            raise self._refused(f"its secret is not that of node {claimed.id}")
        if claimed.state == NodeState.REMOVED:
            raise _removed(claimed)
        if claimed.host != self.host:
            raise self._refused(f"node {claimed.id} has no identity yet, and its host is {claimed.host}")

    def _refused(self, why: str) -> NodeIdentityRefused:
        return NodeIdentityRefused(
            f"the identity of the node at {self.host} is refused: {why}",
            value=self.node_id,
            rule="a node is known by the secret in its data directory, and keeps the id that it joined with",
            remedy="start with the data directory of that node, or with an empty one to join as a new node",
        )

    def _comes_back(self, node: Node, context: Context) -> Plan:
        snapshot = context.snapshot
        builder = PlanBuilder().require_modified(keys.node(node.id), node.mod_revision)
        update: dict[str, Any] = {}
        if node.host != self.host:
            other = snapshot.node_by_host(self.host)
            if other is not None:
                raise NodeExists(
                    f"{self.host} is node {other.id}, and this is node {node.id}",
                    value=self.host,
                    rule="no two nodes have the same host",
                    remedy=f"start it under another host, or give node {other.id} another one first",
                )
            self._require_nowhere_else(builder, node, snapshot)
            move_host(builder, snapshot, node, self.host)
            update["host"] = self.host
        update |= self._told(node, context)
        if not update:
            return unchanged(f"node {node.id} at {self.host} is back", self._result(node.id, snapshot), _notices(node))
        builder.put(keys.node(node.id), encode(node.model_copy(update=update)))
        changed = " and ".join(name for name in ("host", "labels") if name in update)
        return builder.build(
            f"node {node.id} at {self.host} is back" + (f", with another {changed}" if changed else ""),
            self._result(node.id, snapshot),
            notices=_notices(node),
        )

    def _require_nowhere_else(self, builder: PlanBuilder, node: Node, snapshot: Snapshot) -> None:
        """A copied data directory does not move the node that it was copied from. Raises `NodeAlreadyRunning`, whose
        ``value`` is how many seconds the holder's lease outlives it, 0 unsaid."""
        key, row, sign = keys.live(node.id), snapshot.tables.liveness.get(node.id), snapshot.liveness(node.id)
        if row is None or sign is None:  # nor one that cannot be read: whoever compares that is refused
            builder.require_absent(key)
            return
        if sign.host == self.host:
            _, _, created = row
            builder.require_created(key, created)
            return
        there = sign.host or "a host that it does not name"
        raise NodeAlreadyRunning(
            f"node {node.id} runs already, at {there}; this one is at {self.host}",
            value=sign.lease_seconds,
            rule="one live process has a node's id, and a live node's host stays as it is",
            remedy=f"if this data directory is a copy, empty it and join as a new node; if node {node.id} moves to "
            f"{self.host}, stop the process at {there} first, or wait until its lease ends where it is dead already",
        )

    def _adopted(self, node: Node, context: Context) -> Plan:
        if node.identity_hash:
            raise NodeExists(
                f"{self.host} is node {node.id}, of another identity",
                value=self.host,
                rule="a new machine on an old address does not inherit an id",
                remedy="join under another host, start with the data directory of the node that was here, or replace "
                f"or remove node {node.id} first",
            )
        builder = PlanBuilder().require_modified(keys.node(node.id), node.mod_revision)
        claim_identity(builder, self.identity_hash, node.id)
        update = {"identity_hash": self.identity_hash, **self._told(node, context)}
        builder.put(keys.node(node.id), encode(node.model_copy(update=update)))
        return builder.build(
            f"node {node.id} at {self.host} has its identity",
            self._result(node.id, context.snapshot),
            notices=_notices(node),
        )

    def _new(self, context: Context) -> Plan:
        snapshot, builder = context.snapshot, PlanBuilder()
        if snapshot.cluster is None:
            found_cluster(builder, snapshot, self.cluster_id, self.epoch)
        node_id = context.ids.take(node=1)["node"][0]
        node = Node(
            id=node_id,
            host=self.host,
            labels=self.labels,
            identity_hash=self.identity_hash,
            reports_liveness=True,
            joined_at=context.now,
        )
        builder.require_absent(keys.host_name(self.host)).require_absent(keys.node(node_id))
        builder.put(keys.host_name(self.host), encode_name_ref(node_id)).put(keys.node(node_id), encode(node))
        claim_identity(builder, self.identity_hash, node_id)
        return builder.build(
            f"node {node_id} joined as {self.host}", {**self._result(node_id, snapshot), "known": False}
        )

    def _told(self, node: Node, context: Context) -> dict[str, Any]:
        """What the node says of itself, where the record says something else."""
        update: dict[str, Any] = {}
        if self.labels and dict(self.labels) != dict(node.labels):
            update["labels"] = dict(self.labels)
        if not node.reports_liveness:
            update |= {"reports_liveness": True, "joined_at": context.now}
        return update

    def _result(self, node_id: int, snapshot: Snapshot) -> dict[str, Any]:
        cluster_id = self.cluster_id if snapshot.cluster is None else snapshot.cluster.cluster_id
        return {"node_id": node_id, "cluster_id": cluster_id, "known": True}


def _notices(node: Node) -> list[str]:
    return [] if node.takes_shards else [f"node {node.id} is {node.state} and takes no new shards"]


def _removed(node: Node) -> NodeRemoved:
    return NodeRemoved(
        f"node {node.id} ({node.host}) was removed from the cluster, and this is its identity",
        value=node.id,
        rule="a removed node's id is never used again",
        remedy="to join as a new node, wipe the data directory",
    )
