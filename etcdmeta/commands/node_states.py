"""Whether a node takes shards: drained, and brought back. Plans move what it owns (`etcdmeta.commands.moveplan`)."""

from __future__ import annotations

from typing import ClassVar

from etcdmeta.commands.node import present_node, set_state
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.quarantine import require_readable
from etcdmeta.commands.shard_edit import check_reason
from etcdmeta.errors import PlanConflict, TransitionRefused
from etcdmeta.model.moveplans import PlanState
from etcdmeta.model.owners import NodeState
from etcdmeta.records import keys


class DrainNode(Command):
    """The node takes no new shards; those that it has stay, until a plan moves them. Draining already: unchanged.

    Row: joined → draining. Compares: ``mod(node/N)``. Writes: ``node/N``. Result: ``node_id``. Errors: `NodeNotFound`
    (a removed one, too), `TransitionRefused` (it is being removed), `InvalidInput`.
    """

    NAME: ClassVar[str] = "drain node"

    node_id: int
    reason: str = ""

    def plan(self, context: Context) -> Plan:
        check_reason(self.reason)
        node = present_node(context.snapshot, self.node_id)
        result = {"node_id": node.id}
        if node.state == NodeState.DRAINING:
            return unchanged(f"node {node.id} ({node.host}) is draining already", result)
        if node.state != NodeState.JOINED:
            raise TransitionRefused(
                f"node {node.id} is {node.state}, which is more than draining",
                value=str(node.state),
                rule="a joined node can begin to drain",
                remedy=f"`etcdmeta node undrain {node.id}` calls the removal off",
            )
        builder = PlanBuilder()
        set_state(builder, node, NodeState.DRAINING)
        summary = f"node {node.id} ({node.host}) is draining and takes no new shards{_why(self.reason)}"
        return builder.build(summary, result)


class UndrainNode(Command):
    """The node takes shards again: a draining one, or one whose removal was begun. Joined already: unchanged.

    Refused while a plan runs, or is paused, that takes everything off the node: that one is aborted first. What it
    moved so far stays where it is.

    Rows: draining → joined, removing → joined. Compares: ``mod(node/N)``; range ``plan/``: ``mod<r+1``. Writes:
    ``node/N``. Result: ``node_id``. Errors: `NodeNotFound` (a removed one, too), `PlanConflict`, `RecordUnreadable`
    (a plan), `TransitionRefused` (a state of a later version), `InvalidInput`.
    """

    NAME: ClassVar[str] = "undrain node"

    node_id: int
    reason: str = ""

    def plan(self, context: Context) -> Plan:
        check_reason(self.reason)
        snapshot = context.snapshot
        node = present_node(snapshot, self.node_id)
        result = {"node_id": node.id}
        if node.state == NodeState.JOINED:
            return unchanged(f"node {node.id} ({node.host}) is joined already", result)
        if node.state not in {NodeState.DRAINING, NodeState.REMOVING}:
            raise TransitionRefused(
                f"node {node.id} is {node.state!r}, a state of a later version",
                value=str(node.state),
                rule="a draining node joins again, or one that is being removed",
                remedy="use that version",
            )
        require_readable(snapshot, *keys.PLANS_SPAN, f"cannot tell whether a plan empties node {node.id}")
        for plan in snapshot.plans():
            if plan.state in {PlanState.RUNNING, PlanState.PAUSED} and node.id in plan.subjects:
                raise PlanConflict(
                    f"plan {plan.id} ({plan.kind}) is {plan.state} and takes everything off node {node.id}",
                    value=plan.id,
                    rule="a node takes shards again when no plan empties it",
                    remedy=f"`etcdmeta node undrain {node.id} --abort` aborts the plan first",
                )
        builder = PlanBuilder().require_unchanged(*keys.PLANS_SPAN, snapshot.revision)
        set_state(builder, node, NodeState.JOINED)
        was = "draining" if node.state == NodeState.DRAINING else "being removed"
        summary = f"node {node.id} ({node.host}) is joined and takes shards; it was {was}{_why(self.reason)}"
        return builder.build(summary, result)


def _why(reason: str) -> str:
    """What the history keeps of it."""
    return f": {reason}" if reason else ""
