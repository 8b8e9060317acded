"""How many copies run: to each node, from each, in all. What the limits of plans are held against."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from etcdmeta.model.moveplans import PlanLimits
from etcdmeta.model.owners import OwnerStatus

if TYPE_CHECKING:
    from etcdmeta.model.snapshot import Snapshot


class CopyLoad:
    """Copies of all plans, and those begun by hand."""

    __slots__ = ("per_source", "per_target", "total")

    def __init__(self) -> None:
        self.total = 0
        self.per_target: Counter[int] = Counter()
        self.per_source: Counter[int] = Counter()

    @classmethod
    def of(cls, snapshot: Snapshot) -> CopyLoad:
        """What runs in that picture. Each running copy has a progress record, so that no group is looked at in vain."""
        load = cls()
        for shard_id, node_id in snapshot.tables.progress.keys():  # noqa: SIM118 - an OverlayMap is no dict
            group_id = snapshot.tables.shards.get(shard_id)
            group = None if group_id is None else snapshot.find_group(group_id)
            shard = None if group is None else group.shard(shard_id)
            owner = None if shard is None else shard.owner(node_id)
            if owner is not None and owner.status == OwnerStatus.COPYING:
                load.add(owner.source or 0, node_id)
        return load

    def add(self, source: int, target: int) -> None:
        """One more copy."""
        self.total += 1
        self.per_source[source] += 1
        self.per_target[target] += 1

    def full(self, limits: PlanLimits, *, source: int = 0, target: int = 0) -> str:
        """Why one more copy from ``source`` to ``target`` has to wait; "" where there is room. 0: whichever."""
        if self.total >= limits.at_once:
            return f"{self.total} copies run, and the plan allows {limits.at_once} at once"
        if target and self.per_target[target] >= limits.per_target:
            return f"{self.per_target[target]} copies to node {target} run, and the plan allows {limits.per_target}"
        if source and self.per_source[source] >= limits.per_source:
            return f"{self.per_source[source]} copies from node {source} run, and the plan allows {limits.per_source}"
        return ""
