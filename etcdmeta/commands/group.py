"""Shard groups one at a time: made for an instant, and marked deleted. The many at once are in
`group_upkeep`.
"""

from __future__ import annotations

from typing import ClassVar

from etcdmeta.commands.creation import add_group, require_nodes
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.model.entities import ShardGroup
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.retention import is_expired
from etcdmeta.model.times import check_time, format_time
from etcdmeta.model.views import PolicyView
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode


class CreateShardGroup(Command):
    """Make the group of ``policy`` (empty: the default policy) that holds ``at``, unless there is one.

    Compares: ``mod(rp/P/info)``; the range of starts that could overlap (why that suffices: `creation`);
    ``mod(node/N)`` of each owner, over 32 the range of all nodes; ``mod(db/D/info)`` where it said which
    policy is the default. Writes: the group. Result: ``group_id``. Errors: `DatabaseNotFound`,
    `PolicyNotFound`, `InvalidTime`, `NodesRequired`, `RecordUnreadable`. Source: InfluxDB 1.x, "Start of a
    group", "Shards in a new group"; an existing group that holds the time is no error, so that of 32 clients
    that ask at once all get the same one.
    """

    NAME: ClassVar[str] = "create shard group"

    database: str
    policy: str = ""
    at: int

    def plan(self, context: Context) -> Plan:
        check_time(self.at)
        snapshot = context.snapshot
        policy = snapshot.policy(self.database, self.policy)
        existing = policy.group_id_at(self.at)
        if existing is not None:
            return unchanged(
                f"shard group {existing} of {_name(policy)} holds {format_time(self.at)} already",
                {"group_id": existing},
            )
        builder = PlanBuilder()
        if not self.policy:
            builder.require_modified(keys.database_info(policy.database.id), policy.database.mod_revision)
        group = add_group(builder, context, policy, self.at, snapshot.owner_counts())
        require_nodes(builder, snapshot, owners_of(group))
        notices = []
        if is_expired(group.end, policy.duration, context.now):
            notices.append(f"its data is older than {_name(policy)} keeps: retention will delete the group again")
        return builder.build(described(policy, group), {"group_id": group.id}, notices=notices)


class DeleteShardGroup(Command):
    """Mark a group deleted: it holds no points any more, and its nodes drop the files after the grace.

    The record stays until it is pruned, so that "deleted" and "never existed" differ (InfluxDB), and so that
    range compares see it (law 1). Already deleted: unchanged, with the first deletion's time.

    Compares: ``mod(group)``. Writes: the group with deleted-at now; deletes the progress of its copies.
    Result: ``group_id``, ``deleted_at``. Errors: `GroupNotFound`.
    """

    NAME: ClassVar[str] = "delete shard group"

    group_id: int

    @property
    def lasting(self) -> bool:
        """Who deleted what by hand is known for ever (bounded); what expires goes by `ExpireShardGroups`."""
        return True

    def plan(self, context: Context) -> Plan:
        group = context.snapshot.group(self.group_id)
        result = {"group_id": group.id, "deleted_at": group.deleted_at}
        if group.is_deleted:
            return unchanged(f"shard group {group.id} is deleted already", result)
        deleted = group.model_copy(update={"deleted_at": context.now})
        builder = PlanBuilder()
        rewrite(builder, deleted)
        forget_copies(builder, group)
        return builder.build(
            f"marked shard group {group.id} deleted: {format_time(group.start)} to {format_time(group.end)}",
            {**result, "deleted_at": context.now},
        )


def rewrite(builder: PlanBuilder, group: ShardGroup) -> None:
    """Put a group that was changed, if nobody else changed it since it was read (``mod(group)``)."""
    key = group_key(group)
    builder.require_modified(key, group.mod_revision)
    builder.put(key, encode(group))


def group_key(group: ShardGroup) -> bytes:
    """Where the group stands, relative."""
    return keys.group(group.database_id, group.policy_id, group.start, group.id)


def forget_copies(builder: PlanBuilder, group: ShardGroup) -> None:
    """Delete the progress of every copy that runs in the group: its reporters learn so that it is over."""
    for shard in group.shards:
        for owner in shard.owners:
            if owner.status == OwnerStatus.COPYING:
                builder.delete(keys.progress(group.database_id, group.policy_id, shard.id, owner.node_id))


def owners_of(group: ShardGroup) -> set[int]:
    """The ids of all nodes that own a shard of the group."""
    return {owner.node_id for shard in group.shards for owner in shard.owners}


def described(policy: PolicyView, group: ShardGroup) -> str:
    """A new group in one line."""
    shards = "1 shard" if len(group.shards) == 1 else f"{len(group.shards)} shards"
    return (
        f"created shard group {group.id} of {_name(policy)}, {format_time(group.start)} to "
        f"{format_time(group.end)}, {shards} on {len(owners_of(group))} nodes"
    )


def _name(policy: PolicyView) -> str:
    return f"{policy.database.name}.{policy.name}"
