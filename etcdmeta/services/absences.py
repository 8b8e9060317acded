"""Since when nodes are down, kept in etcd: a liveness key that ended with its lease leaves nothing behind to tell by.

The leader of a service notes at each pass which nodes it finds down, at ``grace/<service>/down``, comparing its lead.
Its successor goes on from there, if that was noted a short while ago: what happened while nobody looked, nobody knows,
and a node that came and went between two looks counts as down all the while. Times are those that `Turn.now` gives.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.absences import NodesDown, decode_down, encode_down
from etcdmeta.records.transaction import Compare, Delete, Put, Transaction
from etcdmeta.services.service import Turn

log = logging.getLogger(__name__)

UNWATCHED = 5 * 60 * 10**9
"""Nanoseconds without a look, after which what was noted counts no more."""
_CALL = 3.0


def down_since(turn: Turn, snapshot: Snapshot, now: int) -> Mapping[int, int]:
    """Since when (ns) each node that is down was seen to be so; and note it for the next look.

    Raises `Fenced` where the lead is not held, and what etcd answers. An answer that is lost is no matter.
    """
    strategy, absolute, fence = turn.store.strategy, turn.store.keyspace.absolute, turn.fence()
    key = absolute(keys.grace_down(turn.name))
    found = strategy.read(key, deadline=time.monotonic() + _CALL).kvs
    before = decode_down(found[0].value) if found else NodesDown()
    known = before.since if abs(now - before.seen) <= UNWATCHED else {}
    down = [node.id for node in snapshot.nodes() if snapshot.is_live(node.id) is False]
    since = {node_id: min(now, known.get(node_id, now)) for node_id in down}
    if since or found:
        write = Put(key, encode_down(NodesDown(now, since))) if since else Delete(key)
        led = Compare.created(absolute(fence.key), fence.create_revision)
        try:
            strategy.transact(Transaction((led,), (write,)), deadline=time.monotonic() + _CALL)
        except Ambiguous as lost:
            log.info("etcd did not say whether it is noted which nodes are down: %s", lost)
    return since
