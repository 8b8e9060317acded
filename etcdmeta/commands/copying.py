"""A shard is copied to a node: begun, finished, cancelled. Attempts tell a late finisher from the present
one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

from etcdmeta.commands.creation import require_node
from etcdmeta.commands.plan import Command, Context, Plan, unchanged
from etcdmeta.commands.shard_edit import ShardEdit
from etcdmeta.errors import InvalidInput, NodeUnavailable, OwnerExists, StaleAttempt, TransitionRefused
from etcdmeta.model.entities import Progress, ShardOwner
from etcdmeta.model.owners import SERVING, OwnerStatus, check_transition
from etcdmeta.records.encoding import encode


class BeginCopy(Command):
    """The node ``target`` becomes an owner that copies from ``source``; one that failed copies again.

    Each is a new attempt, numbered by the shard. Copying from the same source already: unchanged, with its
    attempt.

    Rows: – → copying, failed → copying. Compares: ``mod(group)``, ``mod(node)`` of both (the target may begin
    to drain), ``create(progress/…)=0``. Writes: the group, ``progress/…``. Result: ``shard_id``, ``node_id``,
    ``attempt``. Errors: `ShardNotFound`, `NodeNotFound`, `OwnerNotFound` (the source), `OwnerExists`,
    `NodeUnavailable`, `TransitionRefused` (the source does not serve, the group is deleted), `InvalidInput`
    (onto itself).
    """

    NAME: ClassVar[str] = "begin copy"

    shard_id: int
    source: int
    target: int

    def plan(self, context: Context) -> Plan:
        return begin(ShardEdit(context, self.shard_id), self.source, self.target)


class FinishCopy(Command):
    """The copy of that attempt is complete: the owner serves. Again: unchanged.

    Row: copying → active. Compares: ``mod(group)``. Writes: the group; deletes ``progress/…``. Result:
    ``shard_id``, ``node_id``, ``attempt``. Errors: `ShardNotFound`, `OwnerNotFound`; `StaleAttempt` where the
    attempt was cancelled, failed or begun anew.
    """

    NAME: ClassVar[str] = "finish copy"

    shard_id: int
    node_id: int
    attempt: int

    def plan(self, context: Context) -> Plan:
        edit = ShardEdit(context, self.shard_id)
        if self.attempt < 1:
            raise InvalidInput(f"{self.attempt} is no attempt", value=self.attempt, rule="attempts begin with 1")
        if edit.shard.owner(self.node_id) is None and self.attempt <= edit.shard.last_attempt:
            raise _stale(edit, self.node_id, self.attempt, "its copy was cancelled")
        owner = edit.owner(self.node_id)
        check_attempt(edit, owner, self.attempt)
        if owner.serves:
            return unchanged(
                f"node {owner.node_id} has finished attempt {owner.attempt} of shard {edit.shard.id} already",
                edit.result(owner.node_id, attempt=owner.attempt),
            )
        if owner.status == OwnerStatus.FAILED:
            raise _stale(edit, self.node_id, self.attempt, "its copy was given up")
        return finish(edit, owner)


class CancelCopy(Command):
    """The owner that copies, or whose copy failed, is one no more.

    ``attempt``: only that one is cancelled, so that who looked at it before it was begun anew takes nothing away.

    Rows: copying → –, failed → –. Compares: ``mod(group)``, ``mod(rp/P/info)``. Writes: the group; deletes
    ``progress/…``. Result: ``shard_id``, ``node_id``, ``attempt`` (the cancelled one).
    Errors: `ShardNotFound`, `OwnerNotFound`, `TransitionRefused` for one that serves (see `RemoveOwner`),
    `StaleAttempt` where it is at another attempt.
    """

    NAME: ClassVar[str] = "cancel copy"

    shard_id: int
    node_id: int
    attempt: int | None = None

    def plan(self, context: Context) -> Plan:
        edit = ShardEdit(context, self.shard_id)
        owner = edit.owner(self.node_id)
        if owner.serves:
            raise TransitionRefused(
                f"node {owner.node_id} serves shard {edit.shard.id}; there is no copy to cancel",
                value=str(owner.status),
                rule="only an owner that does not serve can be cancelled",
                remedy=f"where that is meant: `etcdmeta shard remove-owner {edit.shard.id} {owner.node_id}`",
            )
        if self.attempt is not None:
            check_attempt(edit, owner, self.attempt)
        return cancel(edit, owner)


def begin(edit: ShardEdit, source: int, target: int) -> Plan:
    """See `BeginCopy`."""
    shard = edit.shard
    if source == target:
        raise InvalidInput(
            f"node {target} cannot copy shard {shard.id} from itself",
            value=target,
            rule="source and target are two nodes",
        )
    existing = shard.owner(target)
    if existing is not None and existing.status == OwnerStatus.COPYING and existing.source == source:
        return unchanged(
            f"node {target} copies shard {shard.id} from node {source} already",
            edit.result(target, attempt=existing.attempt),
        )
    if existing is not None and existing.status in {*SERVING, OwnerStatus.COPYING}:
        copies = existing.status == OwnerStatus.COPYING
        raise OwnerExists(
            f"node {target} owns shard {shard.id} already: {existing.status}"
            + (f" from node {existing.source}" if copies and existing.source else ""),
            value=target,
            rule="at most one owner a node in a shard",
            remedy=f"cancel the copy first: `etcdmeta shard cancel {shard.id} {target}`" if copies else None,
        )
    row = check_transition(None if existing is None else existing.status, OwnerStatus.COPYING)
    giver = edit.owner(source)
    if not giver.serves:
        raise TransitionRefused(
            f"node {source} cannot give shard {shard.id}: it is {giver.status}",
            value=str(giver.status),
            rule=row.rule,
        )
    snapshot = edit.context.snapshot
    require_node(edit.builder, snapshot, source)
    taker = require_node(edit.builder, snapshot, target)
    if not taker.takes_shards:
        raise NodeUnavailable(
            f"node {target} is {taker.state} and takes no shards", value=str(taker.state), rule=row.rule
        )
    attempt, now, group = shard.last_attempt + 1, edit.context.now, edit.group
    update = {"status": OwnerStatus.COPYING, "source": source, "attempt": attempt, "since": now, "reason": ""}
    owner = ShardOwner(node_id=target) if existing is None else existing
    edit.put(owner.model_copy(update=update), last_attempt=attempt)
    progress = Progress(
        database_id=group.database_id,
        policy_id=group.policy_id,
        shard_id=shard.id,
        node_id=target,
        attempt=attempt,
        updated=now,
    )
    edit.builder.require_absent(edit.progress_key(target))
    edit.builder.put(edit.progress_key(target), encode(progress))
    return edit.plan(
        f"node {target} copies shard {shard.id} from node {source}, attempt {attempt}",
        target,
        attempt=attempt,
    )


def finish(edit: ShardEdit, owner: ShardOwner) -> Plan:
    """copying → active, of the present attempt."""
    check_transition(owner.status, OwnerStatus.ACTIVE)
    edit.end_copy(owner)
    edit.set_status(owner, OwnerStatus.ACTIVE)
    return edit.plan(
        f"node {owner.node_id} has shard {edit.shard.id}: active since attempt {owner.attempt}",
        owner.node_id,
        attempt=owner.attempt,
    )


def cancel(edit: ShardEdit, owner: ShardOwner) -> Plan:
    """copying, failed → –."""
    check_transition(owner.status, None)
    edit.compare_policy()
    edit.end_copy(owner)
    edit.remove(owner.node_id)
    notices = [] if edit.shard.owners else [f"shard {edit.shard.id} has no owner left"]
    plan = edit.plan(
        f"node {owner.node_id} owns shard {edit.shard.id} no more; it was {owner.status}",
        owner.node_id,
        notices=notices,
        attempt=owner.attempt,
    )
    return replace(plan, lasting=not edit.shard.owners)  # who took the last one away is asked years later


def check_attempt(edit: ShardEdit, owner: ShardOwner, attempt: int) -> None:
    """Raises `StaleAttempt` where the owner is at another one."""
    if owner.attempt != attempt:
        raise _stale(edit, owner.node_id, attempt, f"the present one is {owner.attempt}")


def _stale(edit: ShardEdit, node_id: int, attempt: int, why: str) -> StaleAttempt:
    return StaleAttempt(
        f"attempt {attempt} of node {node_id} at shard {edit.shard.id} is over: {why}",
        value=attempt,
        rule="only the attempt that was begun last can finish or fail",
        remedy="drop what this attempt has copied, and look at the shard again",
    )
