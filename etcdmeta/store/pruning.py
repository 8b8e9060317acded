"""Taking old entries out of the ledger, which would grow for ever.

The floor is raised in the guard first (`RaiseLedgerFloor`), so that nobody takes a missing entry for a restore of etcd;
then the entries go, oldest first. What is kept: 30 days, since an operation id may be sent again for so long; the
newest 50,000; and 10,000 older ones that last: what was forced, who took a shard's last owner, or the last serving one,
away, who dropped databases, policies and users, deleted groups by hand and removed nodes, and what became of plans. Of
each command the newest, and where there are more than 10,000, the most frequent give way first: a program that makes
and drops databases all day takes nobody's plans away. And every entry that cannot be read: how old it is and what it
tells, nobody knows; it is named, and whoever finds out may take it away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from etcdmeta.consensus.protocol import Ambiguous, Strategy
from etcdmeta.errors import ConflictPersists, RecordUnreadable
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Compare, Delete, Transaction
from etcdmeta.store.ledger import decode_entry, shown_key
from etcdmeta.store.operations import Fence

KEPT_ENTRIES = 50_000
KEPT_LASTING = 10_000
NAMED = 10
"""Unreadable entries that are named; the others are counted."""
_A_STEP = 100


class Old(NamedTuple):
    """An entry that may go: its key in etcd, and when it was put."""

    key: bytes
    revision: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """``forgotten``: how many entries went. ``unreadable``: keys in etcd, as people see them, of entries that stay
    since nobody can read them, oldest first, at most 10; there are ``unreadable_count`` beyond the newest 50,000."""

    forgotten: int = 0
    unreadable: tuple[str, ...] = ()
    unreadable_count: int = 0


class Found(NamedTuple):
    """``old``: what may go, oldest first. ``unreadable``: the keys of what nobody can tell it of, oldest first."""

    old: list[Old]
    unreadable: list[bytes]

    def pruned(self, forgotten: int) -> Pruned:
        """What to tell when so many of the old ones are gone."""
        return Pruned(forgotten, tuple(map(shown_key, self.unreadable[:NAMED])), len(self.unreadable))


def prunable(strategy: Strategy, keyspace: Keyspace, before: int, deadline: float) -> Found:
    """The entries of ``before`` (nanoseconds since 1970) that may go. Raises what the strategy raises."""
    start, end = (keyspace.absolute(key) for key in keys.LEDGER_SPAN)
    kvs = [kv for page in strategy.list(start, end, deadline=deadline) for kv in page.kvs]
    kvs.sort(key=lambda kv: kv.mod_revision)
    old: list[Old] = []
    lasting: defaultdict[str, list[Old]] = defaultdict(list)
    unreadable: list[bytes] = []
    for kv in kvs[: max(0, len(kvs) - KEPT_ENTRIES)]:
        try:
            entry = decode_entry(kv)
        except RecordUnreadable:
            unreadable.append(kv.key)
            continue
        if entry.time < before:
            (lasting[entry.command] if entry.lasting else old).append(Old(kv.key, kv.mod_revision))
    share = _share(list(map(len, lasting.values())), KEPT_LASTING)
    for each in lasting.values():
        old += each[: max(0, len(each) - share)]
    return Found(sorted(old, key=lambda entry: entry.revision), unreadable)


def prune(
    strategy: Strategy,
    keyspace: Keyspace,
    snapshot: Snapshot,
    old: Sequence[Old],
    deadline: float,
    fence: Fence | None = None,
) -> int:
    """Delete them, as long as the guard, and the fence, stand as they are; how many went. A step whose answer is lost
    has happened or not: either is fine, and the next call finds what is left. Raises `ConflictPersists`."""
    cluster = snapshot.cluster
    compares = [Compare.modified(keyspace.absolute(keys.CLUSTER), cluster.mod_revision if cluster else 0)]
    if fence is not None:
        compares.append(Compare.created(keyspace.absolute(fence.key), fence.create_revision))
    gone = 0
    for begin in range(0, len(old), _A_STEP):
        step = old[begin : begin + _A_STEP]
        deletes = tuple(Delete(entry.key) for entry in step)
        try:
            result = strategy.transact(Transaction(tuple(compares), deletes), deadline=deadline)
        except Ambiguous:
            return gone
        if not result.succeeded:
            raise ConflictPersists(
                "the cluster's guard changed, or the lead was lost, while the ledger was pruned",
                value=gone,
                remedy="prune again: what is left is found",
            )
        gone += len(step)
    return gone


def _share(counts: Collection[int], most: int) -> int:
    """The largest number that each may have so that all together have at most ``most``: who has less leaves the rest to
    the others."""
    left = most
    for place, count in enumerate(sorted(counts)):
        share = left // (len(counts) - place)
        if count > share:
            return share
        left -= count
    return most
