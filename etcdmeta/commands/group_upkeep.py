"""Shard groups by the many: precreated, truncated, pruned.

Each is a workflow: one plan does as much as fits a transaction, says so by ``more``, and the next plan finds
what is left from the records alone. Every step is idempotent, and one that loses a race is planned again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from etcdmeta.commands.creation import add_group, require_nodes
from etcdmeta.commands.group import group_key, owners_of, rewrite
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.quarantine import unreadable_in
from etcdmeta.errors import InvalidInput, InvalidTime, RecordUnreadable
from etcdmeta.model.durations import DAY
from etcdmeta.model.entities import ShardGroup
from etcdmeta.model.retention import is_expired, window
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import MAX_TIME, MIN_TIME, check_time, format_time
from etcdmeta.model.views import PolicyView
from etcdmeta.records import keys

POLICIES_A_STEP = 20
"""Groups made by one transaction, at two compares and one put each, beside 32 nodes."""

GROUPS_A_STEP = 40
BYTES_A_STEP = 512 * 1024
"""Half of what law 5 allows."""

FARTHEST_AHEAD = 366 * DAY


class PrecreateShardGroups(Command):
    """Make the groups that will be needed before ``until``, ahead of the first point that needs them.

    Source: InfluxDB, "for each live group whose end is before now + the advance period, make the group that
    follows it, if there is none". The rule goes on until it has nothing left to do, one group per policy and
    step. A group that follows wholly in the past is left out, as in 1.x: no write waits for it, and one stray
    point of 1970 would call up thousands. So are expired groups' followers.

    Compares and writes: those of `CreateShardGroup`, for each. Result: ``group_ids``. Errors:
    `DatabaseNotFound`, `InvalidTime` (more than 366 days ahead, too), `NodesRequired`. Policies whose groups
    cannot be read are left out, and named in a notice.
    """

    NAME: ClassVar[str] = "precreate shard groups"

    until: int
    database: str | None = None

    def plan(self, context: Context) -> Plan:
        check_time(self.until)
        if self.until - context.now > FARTHEST_AHEAD:
            raise InvalidTime(
                f"cannot precreate until {format_time(self.until)}",
                value=self.until,
                rule=f"at most {FARTHEST_AHEAD // DAY} days ahead",
            )
        snapshot = context.snapshot
        wanted = [
            (policy, times)
            for policy in _policies(snapshot, self.database)
            if (times := _missing(policy, self.until, context.now))
        ]
        builder, load, made, notices = PlanBuilder(), dict(snapshot.owner_counts()), [], []
        left = len(wanted) > POLICIES_A_STEP
        for policy, times in wanted[:POLICIES_A_STEP]:
            try:
                group = add_group(builder, context, policy, times[0], load)
            except RecordUnreadable as unreadable:
                notices.append(str(unreadable))
                continue
            made.append(group)
            left = left or len(times) > 1 or group.end < self.until
            for shard in group.shards:
                for owner in shard.owners:
                    load[owner.node_id] = load.get(owner.node_id, 0) + 1
        result = {"group_ids": [group.id for group in made]}
        if not made:
            return unchanged("no shard group is due", result, notices)
        require_nodes(builder, snapshot, {node_id for group in made for node_id in owners_of(group)})
        return builder.build(f"precreated {_count(made)}", result, more=left, notices=notices)


class TruncateShardGroups(Command):
    """End the groups that reach past ``at`` there, so that later points go to new groups, on the nodes of
    then.

    Source: InfluxDB, "Truncate at t": groups that end by t, deleted ones and ones truncated earlier are left;
    a group in the future is truncated at its own start; any other at t. Group spans only shrink by this, so
    creators need not be told by ``rp/P/info`` (`creation`).

    A group that somebody makes in the room that a step has just freed looks like one in the future. So only
    groups that were there when the truncation began are touched: those created up to the revision ``as_of``.
    The first step takes that of its snapshot, and `following` hands it on.

    Compares: ``mod(group)`` of each. Writes: the groups. Result: ``group_ids``, ``as_of``. Errors:
    `DatabaseNotFound`, `PolicyNotFound`, `InvalidTime`. Quarantined groups are left, and counted in a notice.
    """

    NAME: ClassVar[str] = "truncate shard groups"

    at: int
    database: str | None = None
    policy: str | None = None
    as_of: int | None = None

    def plan(self, context: Context) -> Plan:
        check_time(self.at)
        snapshot = context.snapshot
        as_of = snapshot.revision if self.as_of is None else self.as_of
        policies = _policies(snapshot, self.database, self.policy)
        due = [
            group.model_copy(update={"truncated_at": point})
            for policy in policies
            for group in policy.groups_between(self.at, MAX_TIME)
            if (self.as_of is None or group.create_revision <= self.as_of)
            and (point := _truncation(group, self.at)) is not None
        ]
        step = _first_step(due)
        result = {"group_ids": [group.id for group in step], "as_of": as_of}
        notices = _quarantined(snapshot, policies)
        if not step:
            return unchanged(f"no shard group reaches past {format_time(self.at)}", result, notices)
        builder = PlanBuilder()
        for group in step:
            rewrite(builder, group)
        return builder.build(
            f"truncated {_count(step)} at {format_time(self.at)}",
            result,
            more=len(step) < len(due),
            notices=notices,
        )

    def following(self, result: Mapping[str, Any]) -> Command:
        """The same, for the groups that were there at the first step."""
        return self.model_copy(update={"as_of": result["as_of"]})


class PruneShardGroups(Command):
    """Delete the records of groups that were marked deleted before ``deleted_before`` (the end of their
    grace).

    Law 1 forbids deleting what a range compare protects, and a deleted group protects nothing: creators look
    past it, and a creator that saw it alive was clipped against it, which is harmless once it is gone. A copy
    or transition compares the group's own ``mod``, which is 0 from now on.

    ``as_of``: only those whose record is not younger than that revision, for who measures the grace by something else
    than a clock: the mark was their last change.

    Compares: ``mod(group)`` of each. Writes: deletes the groups; their copies' progress went with the mark.
    Result: ``group_ids``. Errors: `InvalidTime`.
    """

    NAME: ClassVar[str] = "prune shard groups"

    deleted_before: int
    as_of: int | None = None

    def plan(self, context: Context) -> Plan:
        check_time(self.deleted_before)
        due = [
            group
            for policy in _policies(context.snapshot, None)
            for group in policy.deleted_groups()
            if group.deleted_at is not None
            and group.deleted_at < self.deleted_before
            and (self.as_of is None or group.mod_revision <= self.as_of)
        ]
        step = _first_step(due)
        result = {"group_ids": [group.id for group in step]}
        if not step:
            return unchanged("no deleted shard group is old enough to prune", result)
        builder = PlanBuilder()
        for group in step:
            builder.require_modified(group_key(group), group.mod_revision)
            builder.delete(group_key(group))
        return builder.build(f"pruned {_count(step)}", result, more=len(step) < len(due))


def _policies(snapshot: Snapshot, database: str | None, policy: str | None = None) -> list[PolicyView]:
    """The policy that was named, those of the database that was named, or all."""
    if database is None:
        if policy is not None:
            raise InvalidInput(
                f"policy {policy!r} of which database?", value=policy, rule="a policy is named as DB.POLICY"
            )
        return [view for each in snapshot.databases() for view in each.policies()]
    if policy is None:
        return list(snapshot.database(database).policies())
    return [snapshot.policy(database, policy)]


def _missing(policy: PolicyView, until: int, now: int) -> list[int]:
    """The starts of the groups to precreate, as far as they follow groups that exist."""
    low = max(now - policy.group_duration, MIN_TIME)  # what follows an earlier one ends by now
    return [
        group.end
        for group in policy.groups_between(low, until)
        if group.end < min(until, MAX_TIME)
        and not is_expired(group.end, policy.duration, now)
        and policy.group_id_at(group.end) is None
        and window(group.end, policy.group_duration)[1] > now
    ]


def _truncation(group: ShardGroup, at: int) -> int | None:
    """Where a live group that ends after ``at`` is to be truncated; None: it is already."""
    point = max(at, group.start)
    return point if group.truncated_at is None or group.truncated_at > point else None


def _first_step(groups: Sequence[ShardGroup]) -> list[ShardGroup]:
    """As many as one transaction holds with ease, at least one."""
    step: list[ShardGroup] = []
    size = 0
    for group in groups[:GROUPS_A_STEP]:
        size += len(group.stored)
        if step and size > BYTES_A_STEP:
            break
        step.append(group)
    return step


def _quarantined(snapshot: Snapshot, policies: Sequence[PolicyView]) -> list[str]:
    """A notice for each policy that has groups nobody can read."""
    found = [
        (policy, len(unreadable_in(snapshot, *keys.groups_span(policy.database.id, policy.id)))) for policy in policies
    ]
    return [
        f"left out {count} unreadable groups of {policy.database.name}.{policy.name}"
        for policy, count in found
        if count
    ]


def _count(groups: Sequence[ShardGroup]) -> str:
    return "1 shard group" if len(groups) == 1 else f"{len(groups)} shard groups"
