"""`LocalCluster`: what an etcd cluster is to its clients, in one process and in memory."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from etcdmeta.consensus.local.history import History
from etcdmeta.consensus.local.leases import Leases
from etcdmeta.consensus.local.refusals import check_transaction
from etcdmeta.records.transaction import (
    PUT_EVENT,
    Delete,
    Header,
    Put,
    ReadResult,
    TxnResult,
    WatchResponse,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from etcdmeta.records.transaction import KeyValue, Transaction

PROGRESS = 600.0
"""Seconds after which a watch without events is told the revision, as etcd does it."""


class LocalCluster:
    """Keys, revisions and leases that several `LocalStrategy` share. Thread-safe.

    ``clock`` gives seconds, for leases alone; `advance` moves it on. Nothing runs in the background: what a
    lease's end deletes is deleted when somebody looks next, or when a watch waits for it.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.changed = threading.Condition()
        """Held for every access; notified at every change."""
        self.era = 0
        """Counts restores: a watch of an earlier one is broken."""
        self._history = History()
        self._leases = Leases()
        self._clock = clock
        self._ahead = 0.0

    def now(self) -> float:
        """The clock that leases run by, in seconds."""
        return self._clock() + self._ahead

    def advance(self, seconds: float) -> None:
        """Lets time pass for leases."""
        with self.changed:
            self._ahead += seconds
            self._end_due_leases()
            self.changed.notify_all()

    @property
    def revision(self) -> int:
        """The newest revision."""
        with self.changed:
            self._end_due_leases()
            return self._history.revision

    def header(self) -> Header:
        """Who answers, at which revision."""
        return Header(self.revision)

    def compact(self, revision: int) -> None:
        """Forgets what was superseded before that revision. Raises `Compacted` and `FutureRevision`."""
        with self.changed:
            self._history.compact(revision)
            self.changed.notify_all()

    def save(self) -> History:
        """A backup, for `restore`."""
        with self.changed:
            return self._history.copy()

    def restore(self, backup: History) -> None:
        """Back to the backup: the same cluster id, an older revision. Breaks every watch; ends all leases."""
        with self.changed:
            self._history = backup.copy()
            self._leases = Leases()
            self.era += 1
            self.changed.notify_all()

    def transact(self, txn: Transaction) -> TxnResult:
        """Applies a transaction. Raises what etcd would refuse it with."""
        check_transaction(txn)
        with self.changed:
            self._end_due_leases()
            if not all(self._history.holds(compare) for compare in txn.compares):
                reads = tuple(self._read(read.key, read.range_end, read.keys_only) for read in txn.reads)
                return TxnResult(False, Header(self._history.revision), {}, reads)
            puts = [write for write in txn.writes if isinstance(write, Put)]
            for put in puts:
                self._leases.check(put.lease)
            before = ((put.key, self._history.get(put.key)) for put in puts if put.return_previous)
            previous = {key: found for key, found in before if found is not None}
            self._apply(txn)
            return TxnResult(True, Header(self._history.revision), dict(previous))

    def read(self, key: bytes, range_end: bytes | None, *, revision: int, limit: int, keys_only: bool) -> ReadResult:
        """A range. Raises `Compacted` and `FutureRevision`."""
        with self.changed:
            self._end_due_leases()
            found = self._read(key, range_end, keys_only, revision)
            kvs = found[:limit] if limit else found
            return ReadResult(Header(self._history.revision), kvs, more=len(kvs) < len(found))

    def grant_lease(self, ttl: int) -> int:
        """A new lease of ``ttl`` seconds; its id."""
        with self.changed:
            return self._leases.grant(ttl, self.now())

    def keep_alive(self, lease: int) -> int:
        """Renews; the seconds granted, 0 where it is gone."""
        with self.changed:
            self._end_due_leases()
            return self._leases.keep_alive(lease, self.now())

    def revoke_lease(self, lease: int) -> None:
        """Ends a lease and deletes its keys; one that is gone is no error."""
        with self.changed:
            self._end_lease(lease)

    def watched(self, start: bytes, end: bytes, revision: int) -> WatchResponse:
        """What a watch that has seen all before ``revision`` is told next; without events, if there are none.

        The header is the newest revision, whatever the events' are, as etcd's is while a watch catches up. To
        be called with `changed` held. Raises `Compacted`.
        """
        self._end_due_leases()
        events = self._history.events_since(revision, start, end)
        return WatchResponse(Header(self._history.revision), events)

    def quiet_seconds(self) -> float:
        """How long nothing will happen by itself, at most `PROGRESS`. To be called with `changed` held."""
        ends = self._leases.next_end()
        return PROGRESS if ends is None else min(PROGRESS, max(0.0, ends - self.now()))

    def _read(self, key: bytes, range_end: bytes | None, keys_only: bool, revision: int = 0) -> tuple[KeyValue, ...]:
        found = self._history.range(key, range_end, revision)
        return tuple(_without_value(kv) for kv in found) if keys_only else tuple(found)

    def _apply(self, txn: Transaction) -> None:
        puts = [(write.key, write.value, write.lease) for write in txn.writes if isinstance(write, Put)]
        deleted: dict[bytes, None] = {}
        for write in txn.writes:
            if isinstance(write, Delete):
                deleted[write.key] = None
            elif not isinstance(write, Put):
                deleted.update((kv.key, None) for kv in self._history.range(write.start, write.end))
        for event in self._history.change(puts, tuple(deleted)):
            self._leases.attach(event.kv.key, event.kv.lease if event.type == PUT_EVENT else 0)
        self.changed.notify_all()

    def _end_due_leases(self) -> None:
        for lease in self._leases.due(self.now()):
            self._end_lease(lease)

    def _end_lease(self, lease: int) -> None:
        if self._history.change((), self._leases.end(lease)):
            self.changed.notify_all()


def _without_value(kv: KeyValue) -> KeyValue:
    return type(kv)(kv.key, b"", kv.create_revision, kv.mod_revision, kv.version, kv.lease)
