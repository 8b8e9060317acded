"""Who copies what: by the owners, which alone say so. A progress record says how far a copy is, and may be missing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from etcdmeta.model.entities import Shard, ShardGroup, ShardOwner
from etcdmeta.model.owners import OwnerStatus

if TYPE_CHECKING:
    from etcdmeta.model.snapshot import Snapshot


def copying_owners(snapshot: Snapshot) -> Iterator[tuple[ShardGroup, Shard, ShardOwner]]:
    """Every owner that copies, in groups that are not deleted; a scan over bytes, decoding only what may have one."""
    for group_id, row in snapshot.tables.groups.items():
        if not snapshot.decoder.group_may_copy(row[0]) or snapshot.tables.policy(row[3], row[4]) is None:
            continue
        group = snapshot.decode_group(group_id, row)
        if group.is_deleted:
            continue
        for shard in group.shards:
            for owner in shard.owners:
                if owner.status == OwnerStatus.COPYING:
                    yield group, shard, owner
