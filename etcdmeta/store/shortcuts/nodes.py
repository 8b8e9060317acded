"""The cluster and its nodes, as methods."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from contextlib import suppress

from etcdmeta.commands.cluster import InitCluster
from etcdmeta.commands.joining import JoinNode
from etcdmeta.commands.labelling import LabelNode
from etcdmeta.commands.node import AddNode, BeginNodeRemoval, FinishNodeRemoval, UpdateNode
from etcdmeta.commands.node_states import DrainNode, UndrainNode
from etcdmeta.commands.owner import RemoveOwner
from etcdmeta.errors import NodeOwnsShards, OwnerNotFound, ShardNotFound
from etcdmeta.model.entities import Cluster, Node
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.store.shortcuts.basis import Executes


class NodeShortcuts:
    """One method a command."""

    def init_cluster(self: Executes) -> Cluster:
        """Make the cluster, once: later calls return what is there."""
        self.execute(InitCluster(cluster_id=_new_id(), epoch=_new_id()))
        return _found(self.snapshot().cluster)

    def add_node(
        self: Executes, host: str, labels: Mapping[str, str] | None = None, *, identity_hash: bytes = b""
    ) -> Node:
        """A node joins; the first one makes the cluster. The same host again is the same node. ``host``: host:port.

        Raises `InvalidAddress`, `NodeExists` where the host belongs to another identity.
        """
        command = AddNode(
            host=host,
            labels=dict(labels or {}),
            identity_hash=identity_hash,
            cluster_id=_new_id(),
            epoch=_new_id(),
        )
        outcome = self.execute(command)
        return self.snapshot().node(int(outcome.result["node_id"]))

    def join_node(
        self: Executes,
        host: str,
        identity_hash: bytes,
        labels: Mapping[str, str] | None = None,
        *,
        node_id: int = 0,
        cluster_id: int = 0,
        operation_id: str | None = None,
    ) -> Node:
        """A node joins with its identity, or comes back as the one it was; the first one makes the cluster.

        ``identity_hash``: SHA-256 of the secret that it keeps. ``node_id`` and ``cluster_id``: what it remembers of an
        earlier join; 0: it has never joined. Raises `NodeIdentityRefused`, `NodeRemoved`, `WrongCluster`, `NodeExists`
        where the host belongs to another identity.
        """
        command = joining(host, identity_hash, labels, node_id=node_id, cluster_id=cluster_id)
        outcome = self.execute(command, operation_id=operation_id)
        return self.snapshot().node(int(outcome.result["node_id"]))

    def update_node(
        self: Executes,
        node: int | str,
        *,
        host: str | None = None,
        labels: Mapping[str, str] | None = None,
        state: NodeState | None = None,
    ) -> Node:
        """Another address, other labels, draining or joined again. Raises `NodeNotFound`, `NodeExists`."""
        node_id = self.snapshot().node(node).id
        self.execute(UpdateNode(node_id=node_id, host=host, labels=labels, state=state))
        return self.snapshot().node(node_id)

    def label_node(
        self: Executes, node: int | str, labels: Mapping[str, str] | None = None, *, without: Iterable[str] = ()
    ) -> Node:
        """Set some labels, take others away; the rest stays. Raises `NodeNotFound`, `InvalidInput`."""
        node_id = self.snapshot().node(node).id
        self.execute(LabelNode(node_id=node_id, labels=dict(labels or {}), without=tuple(without)))
        return self.snapshot().node(node_id)

    def drain_node(self: Executes, node: int | str, reason: str = "") -> Node:
        """It takes no new shards; what it owns stays until a plan (`decommission`) moves it. Raises `NodeNotFound`,
        `TransitionRefused` where it is being removed.
        """
        node_id = self.snapshot().node(node).id
        self.execute(DrainNode(node_id=node_id, reason=reason))
        return self.snapshot().node(node_id)

    def undrain_node(self: Executes, node: int | str, reason: str = "") -> Node:
        """It takes shards again. Raises `NodeNotFound`, `PlanConflict` where a plan that is at work empties it."""
        node_id = self.snapshot().node(node).id
        self.execute(UndrainNode(node_id=node_id, reason=reason))
        return self.snapshot().node(node_id)

    def remove_node(
        self: Executes,
        node: int | str,
        *,
        force: bool = False,
        reason: str = "",
        allow_last: bool = False,
    ) -> Node:
        """A node goes for good; its id is never used again.

        It may own nothing, or, with ``force`` and a ``reason``, its owners go first, one transaction each;
        ``allow_last`` consents to taking away a shard's last serving owner. Steps: no new owners, owners go, removed;
        interrupted, the same call goes on. Raises `NodeNotFound`, `NodeOwnsShards`, `ServiceWouldEnd`.
        """
        snapshot = self.snapshot()
        node_id = snapshot.node(node).id
        if not force:
            require_owns_nothing(snapshot, node_id)
        self.execute(BeginNodeRemoval(node_id=node_id))
        # Asked again: until a moment ago, others could still place owners on it. Now nobody can.
        owned = [shard.id for _, shard, _ in self.snapshot().shards_of(node_id)] if force else []
        for shard_id in owned:
            with suppress(OwnerNotFound, ShardNotFound):  # somebody else took it away meanwhile, which is as good
                self.execute(
                    RemoveOwner(shard_id=shard_id, node_id=node_id, force=True, reason=reason, allow_last=allow_last)
                )
        self.execute(FinishNodeRemoval(node_id=node_id))
        return self.snapshot().node(node_id)


def joining(
    host: str, identity_hash: bytes, labels: Mapping[str, str] | None = None, *, node_id: int = 0, cluster_id: int = 0
) -> JoinNode:
    """The command of a node that joins, with new candidates should it be the first."""
    return JoinNode(
        host=host,
        labels=dict(labels or {}),
        identity_hash=identity_hash,
        node_id=node_id,
        expected_cluster_id=cluster_id,
        cluster_id=_new_id(),
        epoch=_new_id(),
    )


def require_owns_nothing(snapshot: Snapshot, node_id: int) -> None:
    """Before a removal begins, after which the node takes no shards. Raises `NodeOwnsShards`."""
    owned = [shard.id for _, shard, _ in snapshot.shards_of(node_id)]
    if not owned:
        return
    shown = ", ".join(map(str, owned[:10])) + (" …" if len(owned) > 10 else "")
    raise NodeOwnsShards(
        f"node {node_id} owns {len(owned)} of the live shards: {shown}",
        value=node_id,
        rule="a node leaves when it owns nothing",
        remedy=f"`etcdmeta node drain {node_id}` moves them; or force, with a reason",
    )


def _new_id() -> int:
    """A random id that is not 0, which means none."""
    return secrets.randbits(63) + 1


def _found(cluster: Cluster | None) -> Cluster:
    assert cluster is not None  # the command that made it has just been shown by the own cache
    return cluster
