"""Which shards' files may go: what this node owns no more, for longer than the grace.

The grace is measured by this process's monotonic clock from when it first saw the shard unowned, so that a wrong wall
clock drops nothing, and a restart begins anew: things are kept longer, never shorter. The protocol's rule on top: only
when LIVE, in the same epoch, after a consistent read not older than 5 s, and as no owner there.
"""

from __future__ import annotations

from collections.abc import Callable, Collection

from etcdmeta.errors import TooStale
from etcdmeta.replica.states import FollowerState
from etcdmeta.services.copying.wanted import unowned
from etcdmeta.store import MetaStore


class Unowned:
    """Of one thread. ``grace``: seconds."""

    def __init__(self, store: MetaStore, node_id: int, grace: float, monotonic: Callable[[], float]) -> None:
        self._store = store
        self._node_id = node_id
        self._grace = grace
        self._monotonic = monotonic
        self._since: dict[int, float] = {}
        self._epoch = 0

    def may_go(self, here: Collection[int]) -> list[int]:
        """Of the shards whose files are here. Raises `TooStale` where the picture is not proven, `Unavailable`."""
        snapshot = self._store.latest()
        epoch = snapshot.cluster.epoch if snapshot.cluster is not None else 0
        found = unowned(snapshot, self._node_id, here) if epoch else None
        if found is None or epoch != self._epoch:
            self._since, self._epoch = {}, epoch  # another world: its grace begins now
        at = self._monotonic()
        self._since = {shard_id: self._since.get(shard_id, at) for shard_id in found or ()}
        ripe = [shard_id for shard_id, since in self._since.items() if at - since >= self._grace]
        return self.still(ripe) if ripe else []

    def still(self, shard_ids: Collection[int]) -> list[int]:
        """Those that are proven, now, to be owned no more."""
        snapshot = self._store.read_consistent()
        fresh = self._store.freshness()
        if fresh.state is not FollowerState.LIVE or snapshot.cluster is None or snapshot.cluster.epoch != self._epoch:
            raise TooStale(
                "files are not dropped by a picture that is not proven",
                value=str(fresh.state),
                rule="a node drops a shard's files only by a current picture of the same epoch",
                remedy="they are looked at again later",
            )
        return sorted(unowned(snapshot, self._node_id, shard_ids) or ())
