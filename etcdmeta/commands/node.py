"""Database nodes: they join under a host, are drained or renamed, and are removed in two steps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from etcdmeta.commands.cluster import InitCluster, found_cluster
from etcdmeta.commands.identities import claim_identity, node_of_identity
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.quarantine import require_readable_groups
from etcdmeta.errors import (
    InvalidInput,
    NodeExists,
    NodeNotFound,
    NodeOwnsShards,
    TransitionRefused,
)
from etcdmeta.model.entities import Node
from etcdmeta.model.names import check_host
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_name_ref

__all__ = ["AddNode", "BeginNodeRemoval", "FinishNodeRemoval", "InitCluster", "UpdateNode"]

SHARDS_NAMED = 10
MOST_LABELS = 64
LONGEST_LABEL = 255
"""Bytes of UTF-8, of a label's key and of its value."""


class AddNode(Command):
    """A database node joins under its cluster address, which no other node has.

    The same host again is unchanged and returns the id it has (InfluxDB's join), whatever state it is in, so
    that a node that restarts knows itself. Labels, where given, must then be the same; and so must the hash
    of the node's identity, where both are known: another machine that took over the address is not the same
    node.

    Compares: ``create(name/host/E)=0``, ``create(node/N)=0``; with an identity, that no node has it
    (`etcdmeta.commands.identities`); where no cluster is there yet, those of `InitCluster`. Writes: ``name/host/E``,
    ``node/N`` (``name/identity/H``, and the guard). Result: ``node_id``, ``cluster_id``.
    Errors: `InvalidAddress`, `InvalidInput` (labels), `NodeExists`, `PrefixNotEmpty`.
    """

    NAME: ClassVar[str] = "add node"
    SECRET: ClassVar[frozenset[str]] = frozenset({"identity_hash"})

    host: str
    labels: Mapping[str, str] = Field(default_factory=dict)
    identity_hash: bytes = Field(default=b"", repr=False)
    cluster_id: int
    epoch: int

    def public(self) -> dict[str, Any]:
        """Without the candidates, as `InitCluster.public`."""
        return self.model_dump(mode="json", exclude={"cluster_id", "epoch", *self.SECRET})

    def plan(self, context: Context) -> Plan:
        check_host(self.host)
        check_labels(self.labels)
        snapshot = context.snapshot
        existing = snapshot.node_by_host(self.host)
        if existing is not None:
            return self._joined_before(existing, snapshot)
        other = node_of_identity(snapshot, self.identity_hash) if self.identity_hash else None
        if other is not None:
            raise NodeExists(
                f"node {other.id} at {other.host} has this identity",
                value=self.host,
                rule="no two nodes have the same identity",
                remedy="a node that moved says so when its agent joins, or is given another host",
            )
        builder = PlanBuilder()
        cluster_id = self.cluster_id if snapshot.cluster is None else snapshot.cluster.cluster_id
        if snapshot.cluster is None:
            found_cluster(builder, snapshot, self.cluster_id, self.epoch)
        node_id = context.ids.take(node=1)["node"][0]
        node = Node(id=node_id, host=self.host, labels=self.labels, identity_hash=self.identity_hash)
        builder.require_absent(keys.host_name(self.host)).require_absent(keys.node(node_id))
        builder.put(keys.host_name(self.host), encode_name_ref(node_id))
        builder.put(keys.node(node_id), encode(node))
        if self.identity_hash:
            claim_identity(builder, self.identity_hash, node_id)
        return builder.build(f"node {node_id} joined as {self.host}", {"node_id": node_id, "cluster_id": cluster_id})

    def _joined_before(self, node: Node, snapshot: Snapshot) -> Plan:
        if self.identity_hash and node.identity_hash and self.identity_hash != node.identity_hash:
            raise NodeExists(
                f"{self.host} is node {node.id}, of another identity",
                value=self.host,
                rule="no two nodes have the same host",
                remedy="join under another host, or start with the data directory of the node that was here",
            )
        if self.labels and dict(self.labels) != dict(node.labels):
            raise NodeExists(
                f"{self.host} is node {node.id}, with other labels",
                value=dict(node.labels),
                rule="joining again changes nothing",
                remedy=f"join without labels, or change them: `etcdmeta node label {node.id} NAME=VALUE`",
            )
        cluster_id = 0 if snapshot.cluster is None else snapshot.cluster.cluster_id
        return unchanged(
            f"{self.host} is node {node.id} already",
            {"node_id": node.id, "cluster_id": cluster_id},
            [] if node.takes_shards else [f"node {node.id} is {node.state} and takes no new shards"],
        )


class UpdateNode(Command):
    """Change a node's host, its labels (all of them at once), or its state: joined or draining.

    ``joined`` also calls off a draining or a removal that was begun. What is None stays. Nothing to change:
    unchanged.

    Compares: ``mod(node/N)``; for another host ``mod(name/host/E1)``, ``create(name/host/E2)=0``. Writes:
    ``node/N``; for another host deletes ``name/host/E1`` and puts ``name/host/E2``. Result: ``node_id``.
    Errors: `NodeNotFound` (a removed one, too), `NodeExists`, `InvalidAddress`, `InvalidInput`.
    """

    NAME: ClassVar[str] = "update node"

    node_id: int
    host: str | None = None
    labels: Mapping[str, str] | None = None
    state: NodeState | None = None

    def plan(self, context: Context) -> Plan:
        snapshot = context.snapshot
        node = present_node(snapshot, self.node_id)
        builder = PlanBuilder().require_modified(keys.node(node.id), node.mod_revision)
        update: dict[str, Any] = {}
        if self.host is not None and self.host != node.host:
            check_host(self.host)
            other = snapshot.node_by_host(self.host)
            if other is not None:
                raise NodeExists(
                    f"{self.host} is node {other.id}", value=self.host, rule="no two nodes have the same host"
                )
            move_host(builder, snapshot, node, self.host)
            update["host"] = self.host
        if self.labels is not None and dict(self.labels) != dict(node.labels):
            check_labels(self.labels)
            update["labels"] = dict(self.labels)
        if self.state is not None and self.state != node.state:
            if self.state not in {NodeState.JOINED, NodeState.DRAINING}:
                raise InvalidInput(
                    f"node {node.id} cannot be set to {self.state}",
                    value=str(self.state),
                    rule="a node is set to joined or draining",
                    remedy=f"`etcdmeta node remove {node.id}` removes it",
                )
            update["state"] = self.state
        result = {"node_id": node.id}
        if not update:
            return unchanged(f"node {node.id} is like that already", result)
        builder.put(keys.node(node.id), encode(node.model_copy(update=update)))
        return builder.build(f"changed {', '.join(sorted(update))} of node {node.id}", result)


class BeginNodeRemoval(Command):
    """Step 1 of removing a node: it takes no new owners from now on. Begun or done already: unchanged.

    Whoever gives it an owner compares ``mod(node/N)``: after this commit no plan from before it can. Step 2
    moves or removes its owners, each by a transition of its own; `FinishNodeRemoval` is step 3.

    Compares: ``mod(node/N)``. Writes: ``node/N``, removing. Result: ``node_id``. Errors: `NodeNotFound`.
    """

    NAME: ClassVar[str] = "begin node removal"

    node_id: int

    def plan(self, context: Context) -> Plan:
        node = context.snapshot.node(self.node_id)
        result = {"node_id": node.id}
        if node.state in {NodeState.REMOVING, NodeState.REMOVED}:
            return unchanged(f"node {node.id} is {node.state} already", result)
        builder = PlanBuilder()
        set_state(builder, node, NodeState.REMOVING)
        return builder.build(f"node {node.id} ({node.host}) is being removed", result)


class FinishNodeRemoval(Command):
    """Step 3 of removing a node, on a snapshot that shows it removing and without owners in live groups.

    Since the snapshot is at or past step 1, no owner can have come after it (`BeginNodeRemoval`). The record
    stays as a tombstone, and its id is never used again; its host is free. Removed already: unchanged.

    Compares: ``mod(node/N)``. Writes: ``node/N``, removed; deletes ``name/host/E`` and ``live/N``. Result:
    ``node_id``. Errors: `NodeNotFound`; `TransitionRefused` where step 1 is missing; `NodeOwnsShards`, naming
    up to ten; `RecordUnreadable` where a group cannot be read, as it may name the node.
    """

    NAME: ClassVar[str] = "finish node removal"

    node_id: int

    @property
    def lasting(self) -> bool:
        """Who removed which node is known for ever (bounded)."""
        return True

    def plan(self, context: Context) -> Plan:
        snapshot = context.snapshot
        node = snapshot.node(self.node_id)
        result = {"node_id": node.id}
        if node.state == NodeState.REMOVED:
            return unchanged(f"node {node.id} is removed already", result)
        builder = PlanBuilder()
        finish_removal(builder, snapshot, node)
        return builder.build(f"removed node {node.id} ({node.host})", result)


def move_host(builder: PlanBuilder, snapshot: Snapshot, node: Node, host: str) -> None:
    """The keys of a node's old and new host, which no other node has; its own record is the caller's."""
    builder.require_modified(keys.host_name(node.host), snapshot.host_name_revision(node.host))
    builder.require_absent(keys.host_name(host))
    builder.delete(keys.host_name(node.host)).put(keys.host_name(host), encode_name_ref(node.id))


def present_node(snapshot: Snapshot, node_id: int) -> Node:
    """The node, unless it was removed. Raises `NodeNotFound`."""
    node = snapshot.node(node_id)
    if node.state == NodeState.REMOVED:
        raise NodeNotFound(
            f"node {node_id} was removed",
            value=node_id,
            rule="a removed node's id is never used again",
            remedy="`etcdmeta node join` makes a new node",
        )
    return node


def set_state(builder: PlanBuilder, node: Node, state: NodeState | str) -> None:
    """The node in another state, if nobody else changed it since it was read (``mod(node/N)``)."""
    builder.require_modified(keys.node(node.id), node.mod_revision)
    builder.put(keys.node(node.id), encode(node.model_copy(update={"state": state})))


def finish_removal(builder: PlanBuilder, snapshot: Snapshot, node: Node) -> None:
    """See `FinishNodeRemoval`: the tombstone, and what goes with the node. Raises its errors."""
    if node.state != NodeState.REMOVING:
        raise TransitionRefused(
            f"node {node.id} is {node.state}",
            value=str(node.state),
            rule="a removal is begun before it is finished",
            remedy=f"`etcdmeta node remove {node.id}` does both",
        )
    _require_no_owners(snapshot, node)
    set_state(builder, node, NodeState.REMOVED)
    builder.delete(keys.host_name(node.host)).delete(keys.live(node.id))


def _require_no_owners(snapshot: Snapshot, node: Node) -> None:
    require_readable_groups(snapshot, f"cannot tell whether node {node.id} owns shards")
    if not snapshot.owner_counts().get(node.id):
        return
    owned = sorted(shard.id for _, shard, _ in snapshot.shards_of(node.id))
    if not owned:
        return  # what was counted lies below a database or policy that is gone
    named = ", ".join(map(str, owned[:SHARDS_NAMED]))
    more = f" and {len(owned) - SHARDS_NAMED} more" if len(owned) > SHARDS_NAMED else ""
    raise NodeOwnsShards(
        f"node {node.id} owns {len(owned)} of the live shards: {named}{more}",
        value=tuple(owned[:SHARDS_NAMED]),
        rule="a node goes when it owns nothing in live groups",
        remedy=f"`etcdmeta node drain {node.id}` moves them; or remove its owners by force, with a reason",
    )


def check_labels(labels: Mapping[str, str]) -> None:
    """Raises `InvalidInput`."""
    if len(labels) > MOST_LABELS:
        raise InvalidInput(f"{len(labels)} labels", value=len(labels), rule=f"at most {MOST_LABELS} labels")
    for label in labels.items():
        for text, what in zip(label, ("key", "value"), strict=True):
            size = len(text.encode("utf-8", "surrogatepass"))
            if not text.isprintable() or size > LONGEST_LABEL or (what == "key" and (not text or "=" in text)):
                raise InvalidInput(
                    f"{text[:60]!r} cannot be the {what} of a label",
                    value=text,
                    rule=f"printable, at most {LONGEST_LABEL} bytes; a key is not empty and has no =",
                )
