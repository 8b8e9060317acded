"""Since when something has not changed, told by revisions, so that nothing has to be stored of each thing.

The leader of a service notes at its passes which revision the picture had when, at ``grace/<service>/seen``, comparing
its lead. A record that was modified last at or before a revision that somebody saw a quarter of an hour ago has been as
it is for that long: whoever looked meanwhile, and whether anybody did. The marks are few: of those that are older than
what is asked for the newest one, and of the others one for each sixteenth of that.
"""

from __future__ import annotations

import logging
import time

from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.revisionmarks import Mark, decode_marks, encode_marks
from etcdmeta.records.transaction import Compare, Delete, Put, Transaction
from etcdmeta.services.service import Turn

log = logging.getLogger(__name__)

_MARKS_A_WAIT = 16
_CALL = 3.0


def revision_before(turn: Turn, snapshot: Snapshot, now: int, wait: int, *, noting: bool) -> int:
    """A revision that the picture had at least ``wait`` nanoseconds before ``now``; 0: nobody noted one that old.
    ``noting``: whether this one is noted for later; else what was noted is forgotten.

    Raises `Fenced` where the lead is not held, and what etcd answers. An answer that is lost is no matter.
    """
    strategy, absolute, fence = turn.store.strategy, turn.store.keyspace.absolute, turn.fence()
    key = absolute(keys.grace_seen(turn.name))
    found = strategy.read(key, deadline=time.monotonic() + _CALL).kvs
    before = [mark for mark in (decode_marks(found[0].value) if found else []) if _can_be(mark, snapshot, now)]
    old = [mark for mark in before if now - mark.time >= wait]
    marks = [*old[-1:], *before[len(old) :]]
    if not marks or now - marks[-1].time >= wait // _MARKS_A_WAIT:
        marks.append(Mark(now, snapshot.revision))
    if noting and marks != before:
        _write(turn, Put(key, encode_marks(marks)), absolute(fence.key), fence.create_revision)
    elif found and not noting:
        _write(turn, Delete(key), absolute(fence.key), fence.create_revision)
    return old[-1].revision if old else 0


def _can_be(mark: Mark, snapshot: Snapshot, now: int) -> bool:
    """Not of a clock that went back, nor of what a restore of etcd has taken back."""
    return mark.time <= now and mark.revision <= snapshot.revision


def _write(turn: Turn, write: Put | Delete, lead: bytes, created: int) -> None:
    txn = Transaction((Compare.created(lead, created),), (write,))
    try:
        turn.store.strategy.transact(txn, deadline=time.monotonic() + _CALL)
    except Ambiguous as lost:
        log.info("etcd did not say whether it is noted which revision was seen: %s", lost)
