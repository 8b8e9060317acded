"""How far a copy is, put below ``state/progress/``: advisory, at most every 5 s a copy, and only while it is wanted.

The protocol's rule: ``if create(progress/…)=c then put``. Where that fails the record is gone or another attempt's, and
so is the copy. A lost answer is no matter: the next report says more.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.errors import CopyCancelled, EtcdMetaError
from etcdmeta.model.entities import Progress
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode
from etcdmeta.records.transaction import Compare, Put, Transaction
from etcdmeta.services.copying.wanted import Wanted
from etcdmeta.store import MetaStore
from etcdmeta.store.clock import Clock

EVERY = 5.0
_CALL = 3.0


class Reporter:
    """Of one copy; of one thread at a time. ``monotonic`` gives seconds."""

    def __init__(
        self, store: MetaStore, wanted: Wanted, node_id: int, clock: Clock, monotonic: Callable[[], float]
    ) -> None:
        self._store = store
        self._wanted = wanted
        self._node_id = node_id
        self._clock = clock
        self._monotonic = monotonic
        self._written: tuple[float, int | None] | None = None

    @property
    def due(self) -> bool:
        """Whether a report would be written now."""
        return self._written is None or self._monotonic() >= self._written[0] + EVERY

    def write(self, done: int | None, total: int | None) -> None:
        """Raises `CopyCancelled`. What etcd does not take for another reason is left to the next report."""
        group, shard = self._wanted.group, self._wanted.shard
        at, rate = self._monotonic(), None
        if self._written is not None and done is not None and self._written[1] is not None:
            rate = max(0, int((done - self._written[1]) / max(at - self._written[0], 1e-3)))
        record = Progress(
            database_id=group.database_id,
            policy_id=group.policy_id,
            shard_id=shard.id,
            node_id=self._node_id,
            attempt=self._wanted.attempt,
            bytes_done=done,
            bytes_total=total,
            bytes_per_second=rate,
            updated=self._clock.now(),
        )
        key = self._store.keyspace.absolute(
            keys.progress(group.database_id, group.policy_id, shard.id, self._node_id)
        )
        self._written = at, done
        txn = Transaction((Compare.created(key, self._wanted.incarnation),), (Put(key, encode(record)),))
        try:
            stands = self._store.strategy.transact(txn, deadline=time.monotonic() + _CALL).succeeded
        except (EtcdMetaError, Ambiguous):
            return
        if not stands:
            raise cancelled(self._wanted)


def cancelled(wanted: Wanted) -> CopyCancelled:
    return CopyCancelled(
        f"attempt {wanted.attempt} to copy shard {wanted.shard.id} is not wanted any more",
        value=wanted.shard.id,
        rule="a copy goes on while its owner is at that attempt",
    )
