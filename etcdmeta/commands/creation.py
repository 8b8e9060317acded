"""Adding a shard group to a plan: its span, its shards, and the compares that keep groups from overlapping.

**Why the compares suffice.** A group [s, e) is planned for an instant t on a snapshot of revision r, inside
the window W = [w, v) that the policy's grid has around t. Anybody's group that is committed after r and
before this one either fails one of our compares or does not overlap [s, e):

- ``mod(rp/P/info)`` has not changed since r. So every creation in between was planned on the same group
  duration (it compares the same record), on the same grid, and lies inside a window of that grid. Windows of
  one grid are the same or disjoint: what overlaps [s, e) lies in W and starts at or after w.
- The range compare covers every start from w (or further left) up to e. A group of W that starts at or after
  e does not overlap; one that starts before e was put after r, and the compare sees it. That it was clipped
  on either side, or was made for another instant of W, does not matter: only its start counts.
- Whoever lengthens a group (the undo of a truncation) or adds one off the grid (an import) writes
  ``rp/P/info`` and meets the first compare; groups of an older grid are in the snapshot. The range also
  begins at the leftmost live group whose *untruncated* end passes w, so that what this group was clipped
  against is as it was read.
- Groups are marked deleted, and pruned later. A mark only makes room, and so does the delete that the range
  compare cannot see (law 1): this group is then smaller than it could be, never overlapping.

It begins at w even where the leftmost such group starts after w: between w and there another client may be
making a group right now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from etcdmeta.commands.placement import place, shard_count
from etcdmeta.commands.plan import Context, PlanBuilder
from etcdmeta.commands.quarantine import require_readable
from etcdmeta.errors import NodesRequired
from etcdmeta.model.entities import Node, ShardGroup
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.retention import window
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import MIN_TIME
from etcdmeta.model.views import PolicyView
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode

NODES_COMPARED_SINGLY = 32
"""More owners than that are compared as one range over all nodes (law 5)."""


@dataclass(frozen=True, slots=True)
class FreeSpan:
    """[start, end) for a new group; every start from ``low`` on may not change meanwhile (nanoseconds)."""

    start: int
    end: int
    low: int


def free_span(policy: PolicyView, time: int) -> FreeSpan:
    """The largest span around ``time`` inside its window that no live group reaches into.

    ``time`` is in no live group. InfluxDB 1.x clips on both sides: on the left at the effective end of a
    neighbour, on the right at the next start, be that group's own span empty. Raises `InvalidTime`.
    """
    first, last = window(time, policy.group_duration)
    start, end, low = first, last, first
    for group in policy.groups_between(first, last - 1):
        low = min(low, group.start)
        if group.effective_end <= time:
            start = max(start, group.effective_end)
        else:
            end = min(end, group.start)
    return FreeSpan(start, end, low)


def add_group(
    builder: PlanBuilder, context: Context, policy: PolicyView, time: int, load: Mapping[int, int]
) -> ShardGroup:
    """Writes a new group that holds ``time``; the caller adds `require_nodes` for all owners of its plan.

    Compares: ``mod`` of the policy's record, the range of starts (see the module). Raises `InvalidTime`,
    `NodesRequired`, `RecordUnreadable`; and `IdsWanted`.
    """
    snapshot, database_id = context.snapshot, policy.database.id
    span = free_span(policy, time)
    # An unreadable group may reach in from the left, no further than a group is long.
    reach = max(span.low - policy.group_duration, MIN_TIME)
    if snapshot.unreadable:
        require_readable(snapshot, *keys.group_range(database_id, policy.id, reach, span.end), _impossible(policy))
    nodes = [node.id for node in snapshot.nodes() if node.takes_shards]
    if not nodes:
        raise NodesRequired(
            _impossible(policy),
            value=0,
            rule="a shard group needs at least one node that is joined, and not draining",
            remedy="`etcdmeta node join --host HOST:PORT`",
        )
    shards = shard_count(len(nodes), policy.replicas)
    ids = context.ids.take(group=1, shard=shards)
    owners = place(nodes, policy.replicas, snapshot.generation, load)
    fields: dict[str, Any] = {
        "id": ids["group"][0],
        "database_id": database_id,
        "policy_id": policy.id,
        "start": span.start,
        "end": span.end,
        "shards": tuple(
            {
                "id": shard_id,
                "owners": tuple(
                    {"node_id": node_id, "status": OwnerStatus.ACTIVE, "since": context.now} for node_id in dealt
                ),
            }
            for shard_id, dealt in zip(ids["shard"], owners, strict=True)
        ),
    }
    group = ShardGroup.model_validate(fields)
    builder.require_modified(keys.policy_info(database_id, policy.id), policy.mod_revision)
    builder.require_unchanged(*keys.group_range(database_id, policy.id, span.low, span.end), snapshot.revision)
    builder.put(keys.group(database_id, policy.id, group.start, group.id), encode(group))
    return group


def require_nodes(builder: PlanBuilder, snapshot: Snapshot, node_ids: set[int]) -> None:
    """The owners' nodes are as they were: joined, and nobody began to drain or remove them.

    Over 32 of them one range over all nodes; it holds since nodes are marked removed, never deleted (law 1).
    """
    if len(node_ids) > NODES_COMPARED_SINGLY:
        builder.require_unchanged(*keys.NODES_SPAN, snapshot.revision)
        return
    for node_id in sorted(node_ids):
        require_node(builder, snapshot, node_id)


def require_node(builder: PlanBuilder, snapshot: Snapshot, node_id: int) -> Node:
    """Compares ``mod(node/N)``; the node itself. Raises `NodeNotFound`."""
    node = snapshot.node(node_id)
    builder.require_modified(keys.node(node_id), node.mod_revision)
    return node


def _impossible(policy: PolicyView) -> str:
    return f"cannot make a shard group of {policy.database.name}.{policy.name}"
