"""Taking old entries out of the ledger, which would grow for ever.

The floor is raised in the guard first (`RaiseLedgerFloor`), so that nobody takes a missing entry for a restore of etcd;
then the entries go, oldest first. What is kept: 30 days, since an operation id may be sent again for so long; the
newest 50,000; and, for ever, what was forced.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from etcdmeta.consensus.protocol import Ambiguous, Strategy
from etcdmeta.errors import ConflictPersists
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Compare, Delete, Transaction
from etcdmeta.store.ledger import decode_entry

KEPT_ENTRIES = 50_000
_A_STEP = 100


class Old(NamedTuple):
    """An entry that may go: its key in etcd, and when it was put."""

    key: bytes
    revision: int


def prunable(strategy: Strategy, keyspace: Keyspace, before: int, deadline: float) -> list[Old]:
    """The entries of ``before`` (nanoseconds since 1970) that may go, oldest first. Raises what the strategy raises."""
    start, end = (keyspace.absolute(key) for key in keys.LEDGER_SPAN)
    kvs = [kv for page in strategy.list(start, end, deadline=deadline) for kv in page.kvs]
    kvs.sort(key=lambda kv: kv.mod_revision)
    old = []
    for kv in kvs[: max(0, len(kvs) - KEPT_ENTRIES)]:
        entry = decode_entry(kv)
        if entry.time < before and not entry.lasting:
            old.append(Old(kv.key, kv.mod_revision))
    return old


def prune(
    strategy: Strategy, keyspace: Keyspace, snapshot: Snapshot, old: Sequence[Old], deadline: float
) -> int:
    """Delete them, as long as the guard stands as it is in the snapshot; how many went. A step whose answer is lost has
    happened or not: either is fine, and the next call finds what is left. Raises `ConflictPersists`."""
    cluster = snapshot.cluster
    guard = Compare.modified(keyspace.absolute(keys.CLUSTER), cluster.mod_revision if cluster else 0)
    gone = 0
    for begin in range(0, len(old), _A_STEP):
        step = old[begin : begin + _A_STEP]
        deletes = tuple(Delete(entry.key) for entry in step)
        try:
            result = strategy.transact(Transaction((guard,), deletes), deadline=deadline)
        except Ambiguous:
            return gone
        if not result.succeeded:
            raise ConflictPersists(
                "the cluster's guard changed while the ledger was pruned",
                value=gone,
                remedy="prune again: what is left is found",
            )
        gone += len(step)
    return gone

