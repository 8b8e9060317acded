"""What a picture wants of a node, by the owners alone: a progress record says how far a copy is, and may be missing."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from etcdmeta.errors import RecordUnreadable
from etcdmeta.model.entities import Shard, ShardGroup
from etcdmeta.model.owners import SERVING, NodeState, OwnerStatus
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.keys import Kind
from etcdmeta.store.listeners import Publication

_GOING = frozenset({NodeState.DRAINING, NodeState.REMOVING, NodeState.REMOVED})


@dataclass(frozen=True)
class Wanted:
    """A copy that this node is to make. ``source`` 0: nobody said. ``since``: when it was begun, ns. ``incarnation``:
    the create revision of its progress record, 0 where there is none."""

    shard: Shard
    group: ShardGroup
    source: int
    attempt: int
    since: int
    incarnation: int

    @property
    def key(self) -> tuple[int, int, int]:
        """What makes it this copy and no other."""
        return self.shard.id, self.attempt, self.source


class Copies:
    """The copies that a node is to make: found by one look at every group, then kept by what is published.

    `hear` is called by the store's publisher, `wanted` by one thread that follows.
    """

    def __init__(self, node_id: int) -> None:
        self._node_id = node_id
        self._lock = threading.Lock()
        self._everything = True
        self._touched: set[int] = set()
        self._groups: set[int] = set()

    def hear(self, publication: Publication) -> None:
        """For `MetaStore.tap`."""
        touched = {int(change.place[1][3]) for change in publication.changes if change.place[0] is Kind.GROUP}
        with self._lock:
            self._everything |= publication.joined or not publication.changes
            self._touched |= touched

    def wanted(self, snapshot: Snapshot) -> list[Wanted]:
        """In a picture that is as new as what was heard: first those that were begun first."""
        with self._lock:
            everything, self._everything = self._everything, False
            touched, self._touched = self._touched, set()
        if everything:
            groups = {group.id for group, _, _ in snapshot.shards_of(self._node_id)}
        else:
            groups = self._groups | touched
        found = sorted(copies(snapshot, self._node_id, groups), key=lambda each: (each.since, each.shard.id))
        self._groups = {each.group.id for each in found}
        return found


def copies(snapshot: Snapshot, node_id: int, group_ids: Iterable[int]) -> Iterator[Wanted]:
    """Those that a node is to make, of these groups; groups that are gone want nothing."""
    for group_id in group_ids:
        group = snapshot.find_group(group_id)
        for shard in () if group is None else group.shards:
            wanted = copy_of(snapshot, node_id, shard.id)
            if wanted is not None:
                yield wanted


def copy_of(snapshot: Snapshot, node_id: int, shard_id: int) -> Wanted | None:
    """What that node is to copy of that shard."""
    group_id = snapshot.tables.shards.get(shard_id)
    group = None if group_id is None else snapshot.find_group(group_id)
    shard = None if group is None or group.is_deleted else group.shard(shard_id)
    owner = None if shard is None else shard.owner(node_id)
    if group is None or shard is None or owner is None or owner.status != OwnerStatus.COPYING:
        return None
    row = snapshot.tables.progress.get((shard_id, node_id))
    return Wanted(shard, group, owner.source or 0, owner.attempt, owner.since or 0, 0 if row is None else row[2])


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


def is_planned(snapshot: Snapshot, wanted: Wanted, node_id: int) -> bool:
    """Whether a plan at work brings the shard here, so that whoever carries it out begins its copies."""
    try:
        return any(
            move.shard_id == wanted.shard.id and move.to_node == node_id
            for plan in snapshot.plans()
            if plan.is_active
            for move in snapshot.plan_moves(plan.id)
        )
    except RecordUnreadable:
        return False  # nobody can carry that plan out


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
