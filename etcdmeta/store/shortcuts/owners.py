"""Shard owners, as methods."""

from __future__ import annotations

from etcdmeta.commands.copying import BeginCopy, CancelCopy, FinishCopy
from etcdmeta.commands.owner import FailOwner, RemoveOwner, SetOwnerStatus
from etcdmeta.model.entities import Shard
from etcdmeta.model.owners import Status
from etcdmeta.store.operations import Outcome
from etcdmeta.store.shortcuts.basis import Executes


class OwnerShortcuts:
    """One method a command."""

    def begin_copy(self: Executes, shard_id: int, source: int, target: int) -> Shard:
        """``target`` becomes an owner that copies from ``source``; its ``attempt`` goes to `finish_copy`."""
        self.execute(BeginCopy(shard_id=shard_id, source=source, target=target))
        return self.snapshot().shard(shard_id)

    def finish_copy(self: Executes, shard_id: int, node_id: int, attempt: int) -> Shard:
        """Copying becomes active. Raises `StaleAttempt` for the finisher of an older attempt."""
        self.execute(FinishCopy(shard_id=shard_id, node_id=node_id, attempt=attempt))
        return self.snapshot().shard(shard_id)

    def fail_owner(
        self: Executes, shard_id: int, node_id: int, reason: str, *, attempt: int | None = None, force: bool = False
    ) -> Shard:
        self.execute(FailOwner(shard_id=shard_id, node_id=node_id, reason=reason, attempt=attempt, force=force))
        return self.snapshot().shard(shard_id)

    def cancel_copy(self: Executes, shard_id: int, node_id: int, *, attempt: int | None = None) -> Outcome:
        """``attempt``: only that one. Raises `StaleAttempt` where it is another."""
        return self.execute(CancelCopy(shard_id=shard_id, node_id=node_id, attempt=attempt))

    def set_owner_status(
        self: Executes,
        shard_id: int,
        node_id: int,
        status: Status,
        *,
        source: int | None = None,
        reason: str = "",
        force: bool = False,
    ) -> Shard:
        """The operator's word; only along the table of transitions. Raises `TransitionRefused`."""
        self.execute(
            SetOwnerStatus(shard_id=shard_id, node_id=node_id, status=status, source=source, reason=reason, force=force)
        )
        return self.snapshot().shard(shard_id)

    def remove_owner(
        self: Executes,
        shard_id: int,
        node_id: int,
        *,
        force: bool = False,
        reason: str = "",
        allow_last: bool = False,
    ) -> Outcome:
        return self.execute(
            RemoveOwner(shard_id=shard_id, node_id=node_id, force=force, reason=reason, allow_last=allow_last)
        )
