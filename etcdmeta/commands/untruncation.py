"""The undo of a truncation: a group gets the end back that it was made with, where nobody took the room meanwhile."""

from __future__ import annotations

from typing import ClassVar

from etcdmeta.commands.group import rewrite
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.quarantine import require_readable
from etcdmeta.errors import InvalidInput, Refused
from etcdmeta.model.entities import ShardGroup
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import MIN_TIME, format_time
from etcdmeta.model.views import PolicyView
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode

GROUPS_A_STEP = 20
"""Of one policy; each is one compare and one put, and a policy's groups share three compares and a put."""


class UntruncateShardGroups(Command):
    """Lift the truncation of groups: of those named, or of all truncated ones of a policy.

    A group may grow while no live group holds any of [truncated-at, end). Where one does, points have gone, or may
    go, to it: the truncation stands, and the refusal names it. Deleted groups stay as they are. A workflow of one
    policy a step; all groups of a step grow or none does.

    Whoever lengthens a group writes ``rp/P/info``, so that creators that were planned before it meet their own compare
    (`creation`); and a group that was made since this was planned fails the range compare over the starts from the
    leftmost group on that could reach into the room, up to the last end.

    Compares: ``mod(group)`` of each; ``mod(rp/P/info)``; the range of starts. Writes: the groups; ``rp/P/info`` as it
    was. Result: ``group_ids``. Errors: `InvalidInput`, `GroupNotFound`, `DatabaseNotFound`, `PolicyNotFound`,
    `Refused`, `RecordUnreadable`.
    """

    NAME: ClassVar[str] = "untruncate shard groups"

    group_ids: tuple[int, ...] = ()
    database: str | None = None
    policy: str | None = None

    def plan(self, context: Context) -> Plan:
        snapshot = context.snapshot
        due = sorted(self.due(snapshot), key=lambda group: (group.database_id, group.policy_id, group.start, group.id))
        if not due:
            return unchanged("no shard group is truncated there", {"group_ids": []})
        first = due[0]
        step = [each for each in due if each.policy_id == first.policy_id][:GROUPS_A_STEP]
        view = snapshot.database_by_id(first.database_id).policy_by_id(first.policy_id)
        grown = {group.id: group.model_copy(update={"truncated_at": None}) for group in step}
        low, high = first.start, max(group.end for group in step)
        for group in step:
            low = min(low, _require_room(view, group, grown))
        span = keys.group_range(first.database_id, first.policy_id, low, high)
        if snapshot.unreadable:
            reach = max(low - view.group_duration, MIN_TIME)
            unread = keys.group_range(first.database_id, first.policy_id, reach, high)
            require_readable(snapshot, *unread, f"cannot untruncate shard group {first.id}")
        builder = PlanBuilder()
        info = keys.policy_info(first.database_id, first.policy_id)
        builder.require_modified(info, view.mod_revision)
        builder.require_unchanged(*span, snapshot.revision)
        builder.put(info, encode(view.record))
        for group in grown.values():
            rewrite(builder, group)
        count = "1 shard group" if len(step) == 1 else f"{len(step)} shard groups"
        return builder.build(
            f"lifted the truncation of {count} of {view.database.name}.{view.name}",
            {"group_ids": list(grown)},
            more=len(step) < len(due),
        )

    def due(self, snapshot: Snapshot) -> list[ShardGroup]:
        """The groups that it is about and that are truncated. Raises `InvalidInput`, `NotFound`."""
        if self.group_ids:
            if self.database is not None:
                raise InvalidInput("groups by id, and a database besides", value=self.database)
            named = [snapshot.group(group_id) for group_id in dict.fromkeys(self.group_ids)]
        elif self.database is not None:
            database = snapshot.database(self.database)
            policies = database.policies() if self.policy is None else (snapshot.policy(self.database, self.policy),)
            named = [group for policy in policies for group in policy.groups()]
        else:
            raise InvalidInput("which truncation?", rule="groups are named by id, or all of a database or policy")
        return [group for group in named if group.truncated_at is not None and not group.is_deleted]


def _require_room(view: PolicyView, group: ShardGroup, grown: dict[int, ShardGroup]) -> int:
    """The leftmost start of a live group that could reach into the room. Raises `Refused`."""
    assert group.truncated_at is not None
    low = group.start
    for other in view.groups_between(group.truncated_at, group.end - 1):
        low = min(low, other.start)
        if other.id == group.id:
            continue
        after = grown.get(other.id, other)
        if after.start < group.end and after.effective_end > max(group.truncated_at, after.start):
            raise Refused(
                f"shard group {group.id} cannot get its end {format_time(group.end)} back: shard group {other.id} "
                f"holds {format_time(after.start)} to {format_time(after.effective_end)}",
                value=other.id,
                rule="groups of a policy do not overlap; points have gone, or may go, to the later one",
                remedy="leave it truncated: queries read both groups",
            )
    return low
