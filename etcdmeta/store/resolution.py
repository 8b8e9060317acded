"""Settling what is not known, by writing: absence proves nothing.

A transaction whose answer was lost may land later, from a member that was frozen with it (measured). So the
question is not whether the ledger has the operation's entry, but put as a transaction of its own: if the entry is not
there, put it as void. If that wins, the lost transaction can never commit, since it compares the entry's absence.
If not, the entry that stands there is the answer. Idempotent, so it is repeated until etcd answers.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence

from etcdmeta.consensus.protocol import Ambiguous, Compacted, FutureRevision, Strategy
from etcdmeta.errors import EtcdMetaError, OutcomeUnknown, Unavailable
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Compare, Put, Read, ReadResult, Transaction
from etcdmeta.store.ledger import MAX_ACTOR, LedgerEntry, clean, decode_entry, encode_later_void, encode_void
from etcdmeta.store.operations import Operation
from etcdmeta.store.requests import Request

GRACE = 2.0
"""Seconds that settling may take beyond the caller's deadline: a sure answer is worth more than a punctual one."""


class Resolver:
    """Stateless but for its way to etcd; any thread may use it."""

    def __init__(self, strategy: Strategy, keyspace: Keyspace) -> None:
        self._strategy = strategy
        self._keyspace = keyspace

    def settle(self, requests: Sequence[Request], closing: threading.Event) -> list[tuple[LedgerEntry, ...]]:
        """One ledger entry an operation, for each request: all void, or all not. They were in one transaction, so they
        share its fate. Raises `OutcomeUnknown` past the latest deadline, and where etcd refuses to answer."""
        absolute = self._keyspace.absolute
        ledger = [
            (absolute(key), encode_void(operation))
            for request in requests
            for key, operation in zip(request.ledger_keys(), request.operations, strict=True)
        ]
        txn = everything = _put_voids(ledger, [False] * len(ledger))
        deadline = max(request.deadline for request in requests) + GRACE
        problem: BaseException | None = None
        pause = 0.02
        while not closing.is_set() and time.monotonic() < deadline:
            try:
                result = self._strategy.transact(txn, deadline=min(deadline, time.monotonic() + 2.0))
            except (Ambiguous, Unavailable) as error:
                problem = error
                closing.wait(min(random.uniform(0, pause), max(0.0, deadline - time.monotonic())))
                pause = min(1.0, pause * 2)
                continue
            except EtcdMetaError as error:
                raise _unknown(requests[0], error) from error
            if result.succeeded and txn is not everything:
                txn = everything  # now each has an entry: read them
                continue
            if result.succeeded:
                revision = result.header.revision
                entries = [_void_entry(operation, revision) for r in requests for operation in r.operations]
            elif not all(result.reads):
                # Only some of them: another settles one of these operations at this moment, as void. Look again.
                txn = _put_voids(ledger, [bool(kvs) for kvs in result.reads])
                continue
            else:
                entries = [decode_entry(kvs[0]) for kvs in result.reads]
            return _split(entries, requests)
        raise _unknown(requests[0], problem) from problem

    def look_up(self, operation_id: str, *, deadline: float) -> list[LedgerEntry]:
        """The entries of an operation's attempts, oldest first; linearizable. The last one tells."""
        start = self._keyspace.absolute(keys.ledger(operation_id))
        result = self._strategy.read(start, range_end=start + b"0", deadline=deadline)
        entries = [decode_entry(kv) for kv in result.kvs if kv.key == start or kv.key.startswith(start + b"/")]
        return sorted(entries, key=lambda entry: entry.revision)

    def conclude(self, operation_id: str, *, deadline: float) -> LedgerEntry | None:
        """The entry that tells how an operation ended, committed or void; None: the ledger has nothing of it.

        A void says nothing of the attempt after it, which may be on its way still: so that one is voided, too. Holds
        for all that was sent until now. Raises `Unavailable`, `PermissionDenied`.
        """
        while True:
            entries = self.look_up(operation_id, deadline=deadline)
            if not entries or not all(entry.void for entry in entries):
                return next((entry for entry in entries if not entry.void), None)
            key = self._keyspace.absolute(keys.ledger(operation_id, len(entries)))
            void = Transaction((Compare.absent(key),), (Put(key, encode_later_void(operation_id)),))
            try:
                if self._strategy.transact(void, deadline=deadline).succeeded:
                    return entries[-1]
            except Ambiguous:
                continue  # the next look says whether it is there, or that there is no time left

    def generation_at(self, revision: int, *, base: int, deadline: float) -> int | None:
        """The generation that a revision became; None where etcd has compacted it away."""
        key = self._keyspace.absolute(keys.GENERATION)
        try:
            result: ReadResult = self._strategy.read(key, revision=revision, deadline=deadline)
        except (Compacted, FutureRevision, Unavailable):
            return None
        return base + result.kvs[0].version if result.kvs else None


def _put_voids(ledger: Sequence[tuple[bytes, bytes]], there: Sequence[bool]) -> Transaction:
    """Void all that have no entry yet; else read them all."""
    missing = [entry for entry, found in zip(ledger, there, strict=True) if not found]
    return Transaction(
        tuple(Compare.absent(key) for key, _ in missing),
        tuple(Put(key, value) for key, value in missing),
        tuple(Read(key) for key, _ in ledger),
    )


def _split(entries: Sequence[LedgerEntry], requests: Sequence[Request]) -> list[tuple[LedgerEntry, ...]]:
    shares, begin = [], 0
    for request in requests:
        end = begin + len(request.operations)
        shares.append(tuple(entries[begin:end]))
        begin = end
    return shares


def _void_entry(operation: Operation, revision: int) -> LedgerEntry:
    """As `encode_void` wrote it."""
    actor = clean(operation.actor)[:MAX_ACTOR]
    return LedgerEntry(operation.id, revision, True, "", b"", "", {}, actor, operation.issued, (), 0)


def _unknown(request: Request, problem: BaseException | None) -> OutcomeUnknown:
    operation_id = request.operations[0].id
    reason = f" ({problem})" if problem is not None else ""
    return OutcomeUnknown(
        f"whether {request.what!r} was committed is not known: etcd did not answer{reason}",
        operation_id=operation_id,
        value=operation_id,
        rule="it may have happened, or may yet happen",
        remedy=f"ask again with store.outcome({operation_id!r}) or `etcdmeta history --operation {operation_id}`",
    )
