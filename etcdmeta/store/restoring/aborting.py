"""Taking back a restore that did not come to its end: what it wrote, and its marker, in one transaction."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass

from etcdmeta.archive.backup import SECTIONS
from etcdmeta.consensus.protocol import Ambiguous, Strategy
from etcdmeta.errors import ConflictPersists, NotFound, Refused
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.pb import backup_pb2 as pb
from etcdmeta.records.transaction import Compare, Delete, DeleteRange, Transaction
from etcdmeta.store.restoring.hold import LEASE_SECONDS, PATIENCE


@dataclass(frozen=True, slots=True)
class Leftover:
    """A restore under way: of which file, and how far. ``running``: some process works on it."""

    source: str
    author: str
    started_at: int
    done: int
    records: int
    running: bool


def look_for_restore(strategy: Strategy, keyspace: Keyspace, deadline: float) -> Leftover:
    """Raises `NotFound` where there is none."""
    return _look(strategy, keyspace, deadline)[0]


def abort_restore(strategy: Strategy, keyspace: Keyspace, *, patience: float = PATIENCE) -> Leftover:
    """What was taken back. The prefix is empty afterwards. Raises `NotFound`, `Refused` while a process works on it,
    `ConflictPersists`, `Unavailable`."""
    give_up = time.monotonic() + patience
    absolute = keyspace.absolute
    seen: Leftover | None = None
    while True:
        try:
            seen, marker_mod = _look(strategy, keyspace, give_up)
        except NotFound:
            if seen is None:
                raise
            return seen  # a sending of ours, whose answer was lost
        if seen.running:
            raise Refused(
                f"a process works on this restore (begun by {seen.author})",
                rule="what runs is not pulled away from under it",
                remedy=f"end it first; a process that was killed is forgotten after {LEASE_SECONDS} s",
            )
        compares = (
            Compare.modified(absolute(keys.RESTORE_MARKER), marker_mod),
            Compare.absent(absolute(keys.RESTORE_HOLDER)),
            Compare.absent(absolute(keys.CLUSTER)),
        )
        deletes = [DeleteRange(absolute(section), absolute(keys.prefix_end(section))) for section in SECTIONS]
        with contextlib.suppress(Ambiguous):  # the next look tells
            txn = Transaction(compares, (*deletes, Delete(absolute(keys.RESTORE_MARKER))))
            if strategy.transact(txn, deadline=give_up).succeeded:
                return seen
        if time.monotonic() >= give_up:
            raise ConflictPersists("the restore could not be taken back in time", remedy="try again")


def _look(strategy: Strategy, keyspace: Keyspace, deadline: float) -> tuple[Leftover, int]:
    """With the marker's mod revision."""
    found = strategy.read(keyspace.absolute(keys.RESTORE_MARKER), deadline=deadline).kvs
    if not found:
        raise NotFound(
            f"no restore is under way in cluster {keyspace.cluster!r}",
            value=keyspace.cluster,
            rule="one that came to its end is a cluster, and is not taken back",
        )
    holder = strategy.read(keyspace.absolute(keys.RESTORE_HOLDER), deadline=deadline).kvs
    m = pb.Restore.FromString(found[0].value)
    leftover = Leftover(m.source, m.author, m.started_at, m.done, m.records, bool(holder))
    return leftover, found[0].mod_revision
