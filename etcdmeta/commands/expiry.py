"""Shard groups whose policy keeps them no longer are marked deleted, some at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from etcdmeta.commands.group import forget_copies, rewrite
from etcdmeta.commands.group_upkeep import BYTES_A_STEP
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.errors import InvalidInput
from etcdmeta.model.entities import ShardGroup
from etcdmeta.model.retention import FOREVER, is_expired
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import MIN_TIME, check_time, format_time
from etcdmeta.model.views import PolicyView
from etcdmeta.records import keys

GROUPS_A_STEP = 30
"""At two compares each, the group's and its policy's, and copies whose progress goes."""


class ExpireShardGroups(Command):
    """Mark the oldest groups that had expired by ``now`` deleted, at most ``most`` of them; of one database or policy
    only, where named.

    A workflow: each step says how many are left. ``now`` is the caller's, not the clock of the operation: whoever
    expires by a service's rule has asked more than one clock. Source: InfluxDB's retention enforcement, which marks a
    group deleted when its end lies before now less the policy's duration, and looks every 30 minutes.

    Compares: ``mod(group)`` and ``mod(rp/P/info)`` of each, since a policy that keeps longer from now on keeps them.
    Writes: the groups with deleted-at ``now``; deletes the progress of their copies. Result: ``group_ids``, ``left``
    (how many more had expired, beyond ``most``, too). Errors: `InvalidTime`, `InvalidInput`, `DatabaseNotFound`,
    `PolicyNotFound`.
    """

    NAME: ClassVar[str] = "expire shard groups"

    now: int
    most: int
    database: str | None = None
    policy: str | None = None

    def plan(self, context: Context) -> Plan:
        check_time(self.now)
        if self.most < 1:
            raise InvalidInput(f"at most {self.most} groups", value=self.most, rule="1 or more")
        due = self.due(context.snapshot)
        step: list[tuple[PolicyView, ShardGroup]] = []
        size = 0
        for policy, group in due[: min(self.most, GROUPS_A_STEP)]:
            size += len(group.stored)
            if step and size > BYTES_A_STEP:
                break
            step.append((policy, group))
        result = {"group_ids": [group.id for _, group in step], "left": len(due) - len(step)}
        if not step:
            return unchanged("no shard group has expired", result)
        builder = PlanBuilder()
        for policy in {policy.id: policy for policy, _ in step}.values():
            builder.require_modified(keys.policy_info(policy.database.id, policy.id), policy.mod_revision)
        for _, group in step:
            rewrite(builder, group.model_copy(update={"deleted_at": self.now}))
            forget_copies(builder, group)
        count = "1 shard group" if len(step) == 1 else f"{len(step)} shard groups"
        more = min(self.most, len(due)) > len(step)
        return builder.build(f"marked {count} deleted that had expired by {format_time(self.now)}", result, more=more)

    def due(self, snapshot: Snapshot) -> list[tuple[PolicyView, ShardGroup]]:
        """All that have expired, with their policies, in the order in which they go. Raises `DatabaseNotFound`,
        `PolicyNotFound`."""
        found = expired(snapshot, self.now)
        if self.database is not None:
            database = snapshot.database(self.database)
            only = [snapshot.policy(self.database, self.policy)] if self.policy else database.policies()
            ids = {policy.id for policy in only}
            found = (pair for pair in found if pair[0].database.id == database.id and pair[0].id in ids)
        return sorted(found, key=lambda pair: (pair[1].end, pair[1].id))

    def following(self, result: Mapping[str, Any]) -> ExpireShardGroups:
        """The rest of ``most``."""
        return self.model_copy(update={"most": self.most - len(result["group_ids"])})


def expired(snapshot: Snapshot, now: int) -> Iterator[tuple[PolicyView, ShardGroup]]:
    """The live groups that their policies keep no longer, with their policies."""
    for database in snapshot.databases():
        for policy in database.policies():
            if policy.duration == FOREVER:
                continue
            for group in policy.groups_between(MIN_TIME, max(MIN_TIME, now - policy.duration)):
                if is_expired(group.end, policy.duration, now):
                    yield policy, group
