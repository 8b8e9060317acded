"""How far a copy is, put below ``state/progress/``: advisory, at most every 5 s a copy, and only while it is wanted.

The protocol's rule: ``if create(progress/…)=c then put``. Where that fails, look: whether the copy is wanted, the owner
alone says. While it is, a record that is gone (somebody deleted it by hand) is put anew, comparing the group's mod, so
that a copy that was cancelled in that moment leaves none behind. A lost answer is no matter: the next report says more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.errors import CopyCancelled, EtcdMetaError
from etcdmeta.model.entities import Progress
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Compare, Put, Read, Transaction
from etcdmeta.services.copying.wanted import Wanted, copy_of
from etcdmeta.store import Fence, MetaStore
from etcdmeta.store.clock import Clock

EVERY = 5.0
_CALL = 3.0
_TRIES = 3


class Reporter:
    """Of one copy. ``monotonic`` gives seconds; ``last``: when the same copy was reported before. ``fence``: what the
    node's writes compare; None: nothing. ``ended``: how it was told that nobody wants it any more, once it was."""

    def __init__(
        self,
        store: MetaStore,
        wanted: Wanted,
        node_id: int,
        clock: Clock,
        monotonic: Callable[[], float],
        *,
        last: float | None = None,
        fence: Callable[[], Fence | None] = lambda: None,
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._incarnation = wanted.incarnation
        self._node_id = node_id
        self._clock = clock
        self._monotonic = monotonic
        self._fence = fence
        self._written: tuple[float, int | None] | None = None
        self.last = last
        self.ended: CopyCancelled | None = None

    @property
    def due(self) -> bool:
        """Whether a report would be written now."""
        return self.last is None or self._monotonic() >= self.last + EVERY

    async def report(self, done: int | None, total: int | None) -> None:
        """As often as one likes, in one loop. Raises `CopyCancelled`."""
        wanted = copy_of(self._store.latest(), self._node_id, self._wanted.shard.id)
        if wanted is None or wanted.key != self._wanted.key:
            raise self._over()
        if self.due:
            self.last = self._monotonic()  # before anybody else of the loop asks
            await asyncio.to_thread(self.write, done, total)

    def write(self, done: int | None, total: int | None) -> None:
        """At once. Raises `CopyCancelled`. What etcd does not take for another reason is left to the next report."""
        at, rate = self._monotonic(), None
        if self._written is not None and done is not None and self._written[1] is not None:
            rate = max(0, int((done - self._written[1]) / max(at - self._written[0], 1e-3)))
        self._written, self.last = (at, done), at
        try:
            self._put(self._record(done, total, rate))
        except CopyCancelled:
            raise
        except (EtcdMetaError, Ambiguous):
            return

    def _record(self, done: int | None, total: int | None, rate: int | None) -> Progress:
        group = self._wanted.group
        return Progress(
            database_id=group.database_id,
            policy_id=group.policy_id,
            shard_id=self._wanted.shard.id,
            node_id=self._node_id,
            attempt=self._wanted.attempt,
            bytes_done=done,
            bytes_total=total,
            bytes_per_second=rate,
            updated=self._clock.now(),
        )

    def _put(self, record: Progress) -> None:
        """Raises `CopyCancelled`, and what the store or its strategy raises."""
        strategy, absolute = self._store.strategy, self._store.keyspace.absolute
        key = absolute(keys.progress(record.database_id, record.policy_id, record.shard_id, record.node_id))
        wanted, fence = self._wanted, self._fence()
        for _ in range(_TRIES):
            compares = [Compare.created(key, self._incarnation)] if self._incarnation else [Compare.absent(key)]
            if not self._incarnation:
                group = wanted.group
                stored = keys.group(group.database_id, group.policy_id, group.start, group.id)
                compares.append(Compare.modified(absolute(stored), group.mod_revision))
            if fence is not None:
                compares.append(Compare.created(absolute(fence.key), fence.create_revision))
            txn = Transaction(tuple(compares), (Put(key, encode(record)),), (Read(key),))
            result = strategy.transact(txn, deadline=time.monotonic() + _CALL)
            if result.succeeded:
                self._incarnation = self._incarnation or result.header.revision
                return
            # What stands there is of this attempt if the owner, looked at after it, still is at it: attempts only grow.
            found = result.reads[0] if result.reads else ()
            self._incarnation = found[0].create_revision if found else 0
            wanted = self._look()

    def _look(self) -> Wanted:
        """Raises `CopyCancelled` where the owner does not copy any more, or not at this attempt."""
        wanted = copy_of(self._store.read_consistent(_CALL), self._node_id, self._wanted.shard.id)
        if wanted is None or wanted.key != self._wanted.key:
            raise self._over()
        return wanted

    def _over(self) -> CopyCancelled:
        wanted = self._wanted
        self.ended = CopyCancelled(
            f"attempt {wanted.attempt} to copy shard {wanted.shard.id} is not wanted any more",
            value=wanted.shard.id,
            rule="a copy goes on while its owner is at that attempt",
        )
        return self.ended
