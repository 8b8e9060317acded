"""What a picture wants of a node: pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from etcdmeta.model.entities import Shard, ShardGroup
from etcdmeta.model.owners import SERVING, NodeState, OwnerStatus
from etcdmeta.model.snapshot import Snapshot

_GOING = frozenset({NodeState.DRAINING, NodeState.REMOVING, NodeState.REMOVED})


@dataclass(frozen=True)
class Wanted:
    """A copy that this node is to make. ``source`` 0: nobody said. ``incarnation``: the create revision of its
    progress record."""

    shard: Shard
    group: ShardGroup
    source: int
    attempt: int
    incarnation: int

    @property
    def key(self) -> tuple[int, int, int]:
        """What makes it this copy and no other."""
        return self.shard.id, self.attempt, self.source


def copies(snapshot: Snapshot, node_id: int) -> Iterator[Wanted]:
    """Those that node is to make, first those that were begun first. Each copy that runs has a progress record."""
    found = []
    for (shard_id, target), row in list(snapshot.tables.progress.items()):
        group_id = snapshot.tables.shards.get(shard_id) if target == node_id else None
        group = None if group_id is None else snapshot.find_group(group_id)
        shard = None if group is None or group.is_deleted else group.shard(shard_id)
        owner = None if shard is None else shard.owner(node_id)
        if group is None or shard is None or owner is None or owner.status != OwnerStatus.COPYING:
            continue
        found.append((owner.since or 0, Wanted(shard, group, owner.source or 0, owner.attempt, row[2])))
    yield from (wanted for _, wanted in sorted(found, key=lambda pair: (pair[0], pair[1].shard.id)))


def is_going(snapshot: Snapshot, node_id: int) -> bool:
    """Whether the node is to own nothing any more, so that a copy to it is in vain."""
    node = snapshot.find_node(node_id)
    return node is None or node.state in _GOING


def other_source(snapshot: Snapshot, wanted: Wanted, node_id: int) -> int:
    """Where the source is down or serves the shard no more: who is live and serves it; 0: the source may stay, or
    there is nobody else."""
    owner = wanted.shard.owner(wanted.source)
    if owner is not None and owner.status in SERVING and snapshot.is_live(wanted.source) is not False:
        return 0
    others = (o for o in wanted.shard.owners if o.node_id not in {wanted.source, node_id} and o.status in SERVING)
    return min((o.node_id for o in others if snapshot.is_live(o.node_id) is not False), default=0)


def unowned(snapshot: Snapshot, node_id: int, shard_ids: Iterable[int]) -> set[int] | None:
    """Those of the shards that the node does not own in any way. None: nobody can tell, since a record cannot be read
    and may be that of their group.
    """
    if snapshot.unreadable:
        return None
    found = set()
    for shard_id in shard_ids:
        group_id = snapshot.tables.shards.get(shard_id)
        group = None if group_id is None else snapshot.find_group(group_id)
        shard = None if group is None else group.shard(shard_id)
        if shard is None or shard.owner(node_id) is None:
            found.add(shard_id)
    return found
