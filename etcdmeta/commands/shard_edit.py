"""One shard of a live group being changed by a plan: what every owner transition has in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from etcdmeta.commands.group import rewrite
from etcdmeta.commands.plan import Context, Plan, PlanBuilder
from etcdmeta.errors import InvalidInput, OwnerNotFound, TransitionRefused
from etcdmeta.model.entities import Shard, ShardGroup, ShardOwner
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.times import format_time
from etcdmeta.model.views import PolicyView
from etcdmeta.records import keys

LONGEST_REASON = 1024
"""Bytes of UTF-8; it is kept in the group's record, for every owner."""


class ShardEdit:
    """The shard as it will be. `plan` compares ``mod(group)`` and writes the group.

    Raises `ShardNotFound`, and `TransitionRefused` for a shard of a deleted group: its nodes are about to
    drop the files, and nothing would be served by moving them.
    """

    def __init__(self, context: Context, shard_id: int) -> None:
        self.context = context
        self.group: ShardGroup = context.snapshot.group_of_shard(shard_id)
        self.shard: Shard = next(shard for shard in self.group.shards if shard.id == shard_id)
        self.builder = PlanBuilder()
        if self.group.deleted_at is not None:
            when = format_time(self.group.deleted_at)
            raise TransitionRefused(
                f"shard {shard_id} is in group {self.group.id}, deleted at {when}",
                value=shard_id,
                rule="owners change in live groups only",
            )

    @property
    def policy(self) -> PolicyView:
        """The policy that the shard's group belongs to."""
        group = self.group
        return self.context.snapshot.database_by_id(group.database_id).policy_by_id(group.policy_id)

    def owner(self, node_id: int) -> ShardOwner:
        """Raises `OwnerNotFound`."""
        owner = self.shard.owner(node_id)
        if owner is None:
            raise OwnerNotFound(
                f"node {node_id} does not own shard {self.shard.id}",
                value=node_id,
                remedy=f"`etcdmeta shard show {self.shard.id}` lists its owners",
            )
        return owner

    def others(self, node_id: int) -> tuple[ShardOwner, ...]:
        """Every owner but that one."""
        return tuple(owner for owner in self.shard.owners if owner.node_id != node_id)

    def put(self, owner: ShardOwner, **shard_fields: int) -> None:
        """Replace the owner of that node where it stands, or add it at the end."""
        owners = self.shard.owners
        if self.shard.owner(owner.node_id) is None:
            owners = (*owners, owner)
        else:
            owners = tuple(owner if old.node_id == owner.node_id else old for old in owners)
        self.shard = self.shard.model_copy(update={"owners": owners, **shard_fields})

    def set_status(self, owner: ShardOwner, status: OwnerStatus, reason: str = "") -> ShardOwner:
        """Replace the owner by one of that status, since now. Only a failed one keeps its source."""
        kept = {} if status == OwnerStatus.FAILED else {"source": None}
        changed = owner.model_copy(update={"status": status, "since": self.context.now, "reason": reason, **kept})
        self.put(changed)
        return changed

    def remove(self, node_id: int) -> None:
        """The node is no owner any more."""
        self.shard = self.shard.model_copy(update={"owners": self.others(node_id)})

    @property
    def group_after(self) -> ShardGroup:
        """The group with the shard as it will be."""
        return self.group.with_shard(self.shard)

    def progress_key(self, node_id: int) -> bytes:
        """Where the progress of a copy to that node stands, relative."""
        return keys.progress(self.group.database_id, self.group.policy_id, self.shard.id, node_id)

    def end_copy(self, owner: ShardOwner) -> None:
        """A copy that ends in any way takes its progress along, so that its reporter stops."""
        if owner.status == OwnerStatus.COPYING:
            self.builder.delete(self.progress_key(owner.node_id))

    def compare_policy(self) -> None:
        """An owner goes: how many the policy wants was read (``mod(rp/P/info)``)."""
        policy = self.policy
        self.builder.require_modified(
            keys.policy_info(self.group.database_id, self.group.policy_id), policy.mod_revision
        )

    def plan(
        self,
        summary: str,
        node_id: int,
        *,
        deleted_at: int | None = None,
        notices: Sequence[str] = (),
        **result: Any,
    ) -> Plan:
        """The finished plan; its result names shard and node, beside what is given."""
        group = self.group_after
        if deleted_at is not None:
            group = group.model_copy(update={"deleted_at": deleted_at})
        rewrite(self.builder, group)
        return self.builder.build(summary, self.result(node_id, **result), notices=notices)

    def result(self, node_id: int, **more: Any) -> Mapping[str, Any]:
        """What an owner's command returns, changed or not."""
        return {"shard_id": self.shard.id, "node_id": node_id, **more}


def check_reason(reason: str, *, required: str | None = None) -> str:
    """The reason itself. Raises `InvalidInput` where it is too long, unprintable, or ``required`` (for what)
    and empty.
    """
    if required is not None and not reason.strip():
        raise InvalidInput(
            f"{required} needs a reason",
            rule="a reason is kept in the record and in the history",
            remedy="--reason TEXT",
        )
    if len(reason.encode("utf-8", "surrogatepass")) > LONGEST_REASON or not reason.isprintable():
        raise InvalidInput(
            "the reason cannot be kept",
            value=len(reason),
            rule=f"one printable line of at most {LONGEST_REASON} bytes",
        )
    return reason
