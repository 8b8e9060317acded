"""An owner's status by a direct word, its failure, and its end. What the table of transitions leaves to the
circumstances (who else serves, how many the policy wants, whose consent) is decided here and in `copying`.
"""

from __future__ import annotations

from typing import ClassVar

from etcdmeta.commands.copying import BeginCopy, CancelCopy, FinishCopy, begin, cancel, check_attempt, finish
from etcdmeta.commands.plan import Command, Context, Plan, unchanged
from etcdmeta.commands.shard_edit import ShardEdit, check_reason
from etcdmeta.errors import InvalidInput, ServiceWouldEnd
from etcdmeta.model.entities import ShardOwner
from etcdmeta.model.owners import Condition, OwnerStatus, check_transition

__all__ = ["BeginCopy", "CancelCopy", "FailOwner", "FinishCopy", "RemoveOwner", "SetOwnerStatus"]

BY_HAND = "set by hand"
"""The reason kept where an operator fails an owner and gives none."""


class SetOwnerStatus(Command):
    """The operator's word: bring the owner into that status by the row of the table that leads there.

    ``copying`` needs a ``source`` and is `BeginCopy`, a new owner included; ``active`` finishes the present
    copy, whatever its attempt, or calls a move off; ``leaving`` begins a move; ``failed`` is `FailOwner`.
    ``force`` (with a reason) lets the last serving owner fail; it never leads past the table. The same status
    again: unchanged.

    Compares, writes: those of the row. Result: ``shard_id``, ``node_id``, ``attempt``. Errors:
    `InvalidInput`, `ShardNotFound`, `OwnerNotFound`, `TransitionRefused`, `ServiceWouldEnd`, and those of
    `BeginCopy`.
    """

    NAME: ClassVar[str] = "set owner status"

    shard_id: int
    node_id: int
    status: OwnerStatus
    source: int | None = None
    reason: str = ""
    force: bool = False

    def plan(self, context: Context) -> Plan:
        status = self.status
        check_reason(self.reason, required="force" if self.force else None)
        if (status == OwnerStatus.COPYING) != (self.source is not None):
            raise InvalidInput(
                f"{status} {'needs a' if self.source is None else 'has no'} source",
                value=self.source,
                rule="an owner that is copying has a source, and no other has",
                remedy="--source NODE" if self.source is None else "leave the source out",
            )
        edit = ShardEdit(context, self.shard_id)
        if self.source is not None:
            return begin(edit, self.source, self.node_id)
        owner = edit.owner(self.node_id)
        if owner.status == status:
            return unchanged(
                f"node {owner.node_id} is {status} at shard {edit.shard.id} already",
                edit.result(owner.node_id, attempt=owner.attempt),
            )
        row = check_transition(owner.status, status)
        if row.condition == Condition.SAME_ATTEMPT:
            return finish(edit, owner)
        if status == OwnerStatus.FAILED:
            return _fail(edit, owner, self.reason or BY_HAND, force=self.force)
        edit.set_status(owner, status, self.reason)
        return edit.plan(
            f"node {owner.node_id} is {status} at shard {edit.shard.id}; it was {owner.status}",
            owner.node_id,
            attempt=owner.attempt,
        )


class FailOwner(Command):
    """The owner can no longer serve, or its copy cannot go on; the reason is kept. Failed already: unchanged.

    Rows: copying → failed; active → failed where another owner serves (active or leaving), or with ``force``.
    With ``attempt``, only that one fails. Compares: ``mod(group)``. Writes: the group; deletes
    ``progress/…``. Result: ``shard_id``, ``node_id``, ``attempt``. Errors: `InvalidInput` (no reason),
    `ShardNotFound`, `OwnerNotFound`, `StaleAttempt`, `TransitionRefused`, `ServiceWouldEnd`.
    """

    NAME: ClassVar[str] = "fail owner"

    shard_id: int
    node_id: int
    reason: str
    attempt: int | None = None
    force: bool = False

    def plan(self, context: Context) -> Plan:
        check_reason(self.reason, required="a failure")
        edit = ShardEdit(context, self.shard_id)
        owner = edit.owner(self.node_id)
        if self.attempt is not None:
            check_attempt(edit, owner, self.attempt)
        if owner.status == OwnerStatus.FAILED:
            return unchanged(
                f"node {owner.node_id} has failed at shard {edit.shard.id} already: {owner.reason}",
                edit.result(owner.node_id, attempt=owner.attempt),
            )
        return _fail(edit, owner, self.reason, force=self.force)


class RemoveOwner(Command):
    """The node owns the shard no more, and may drop its files.

    Rows: leaving, active → – while as many active owners remain as the policy wants; with fewer ``force`` and
    a reason, and for the last serving one ``allow_last`` too. copying, failed → – is `CancelCopy`. Where no
    shard of the group has an owner then, nothing is left of its data, and the group is marked deleted, so
    that the next point makes a new one (InfluxDB: dropping a shard that is its group's last marks the group
    deleted).

    Compares: ``mod(group)``, ``mod(rp/P/info)``. Writes: the group; deletes ``progress/…``. Result:
    ``shard_id``, ``node_id``, ``attempt``. Errors: `InvalidInput`, `ShardNotFound`, `OwnerNotFound`,
    `TransitionRefused`, `ServiceWouldEnd`.
    """

    NAME: ClassVar[str] = "remove owner"

    shard_id: int
    node_id: int
    force: bool = False
    reason: str = ""
    allow_last: bool = False

    def plan(self, context: Context) -> Plan:
        check_reason(self.reason, required="force" if self.force else None)
        edit = ShardEdit(context, self.shard_id)
        owner = edit.owner(self.node_id)
        row = check_transition(owner.status, None)
        if row.condition == Condition.COPY_CANCELLED:
            return cancel(edit, owner)
        self._check_service(edit, row.rule)
        edit.compare_policy()
        edit.remove(owner.node_id)
        notices, deleted_at = [], None
        if not any(shard.owners for shard in edit.group_after.shards):
            deleted_at = context.now
            notices.append(f"no shard of group {edit.group.id} has an owner left: it is marked deleted")
        elif not edit.shard.owners:
            notices.append(f"shard {edit.shard.id} has no owner left")
        forced = f", forced: {self.reason}" if self.force else ""
        return edit.plan(
            f"node {owner.node_id} owns shard {edit.shard.id} no more; it was {owner.status}{forced}",
            owner.node_id,
            deleted_at=deleted_at,
            notices=notices,
            attempt=owner.attempt,
        )

    def _check_service(self, edit: ShardEdit, rule: str) -> None:
        others = edit.others(self.node_id)
        active = sum(owner.status == OwnerStatus.ACTIVE for owner in others)
        wanted = edit.policy.replicas
        if active < wanted and not self.force:
            raise ServiceWouldEnd(
                f"shard {edit.shard.id} would have {active} active owner{'' if active == 1 else 's'}, "
                f"and its policy wants {wanted}",
                value=active,
                rule=rule,
                remedy=f"`etcdmeta shard copy {edit.shard.id} --from NODE --to NODE` first, or --force --reason TEXT",
            )
        if not any(owner.serves for owner in others) and not self.allow_last:
            raise ServiceWouldEnd(
                f"node {self.node_id} is the last that serves shard {edit.shard.id}: its data would be gone",
                value=0,
                rule=rule,
                remedy="where that is meant: --force --reason TEXT --allow-last",
            )


def _fail(edit: ShardEdit, owner: ShardOwner, reason: str, *, force: bool) -> Plan:
    """copying, active → failed."""
    row = check_transition(owner.status, OwnerStatus.FAILED)
    last = owner.serves and not any(other.serves for other in edit.others(owner.node_id))
    if last and not force:
        raise ServiceWouldEnd(
            f"node {owner.node_id} is the last that serves shard {edit.shard.id}",
            value=0,
            rule=row.rule,
            remedy="force it, where the node really cannot serve",
        )
    edit.end_copy(owner)
    edit.set_status(owner, OwnerStatus.FAILED, reason)
    return edit.plan(
        f"node {owner.node_id} failed at shard {edit.shard.id}: {reason}",
        owner.node_id,
        attempt=owner.attempt,
    )
