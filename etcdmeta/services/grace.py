"""A wait that an etcd lease measures, not a clock: what was marked before it began may go when it is over.

Two keys are put in one transaction: ``grace/<service>``, under a lease as long as the wait, and
``grace/<service>/covers``, under none, with nothing in it: its mod revision is the point in time that the wait is
about. While the first stands, the wait goes on, whoever leads; when it is gone, what was marked at or below the other's
revision has waited long enough, and the next wait may begin. etcd prolongs leases at its own elections, never the other
way, so that nothing goes early; it goes between one and two waits after its mark.
"""

from __future__ import annotations

import time
from typing import NamedTuple

from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.errors import Fenced, Unavailable
from etcdmeta.records import keys
from etcdmeta.records.transaction import Compare, Put, Transaction
from etcdmeta.services.service import Turn

_CALL = 3.0


class Grace(NamedTuple):
    """``over``: whether no wait is under way. ``covered``: what the last one was about, 0 where there was none."""

    over: bool
    covered: int


def look(turn: Turn, service: str) -> Grace:
    """Linearizable: first what the wait is about, then whether it goes on, so that one that begins meanwhile is not
    taken for one that ended. Raises `Unavailable`."""
    strategy, keyspace = turn.store.strategy, turn.store.keyspace
    covers = strategy.read(keyspace.absolute(keys.grace_covers(service)), deadline=_soon()).kvs
    waiting = strategy.read(keyspace.absolute(keys.grace(service)), deadline=_soon()).kvs
    return Grace(not waiting, covers[0].mod_revision if covers else 0)


def begin(turn: Turn, service: str, seconds: int, covered: int) -> None:
    """The next wait, where the last one is still that about ``covered`` and is over; else nothing.

    Raises `Fenced` where the lead was lost, `Unavailable` where etcd does not say; then the next pass looks again.
    """
    strategy, keyspace, fence = turn.store.strategy, turn.store.keyspace, turn.fence()
    wait, covers = keyspace.absolute(keys.grace(service)), keyspace.absolute(keys.grace_covers(service))
    lease = strategy.grant_lease(seconds, deadline=_soon())
    unchanged = Compare.modified(covers, covered) if covered else Compare.absent(covers)
    led = Compare.created(keyspace.absolute(fence.key), fence.create_revision)
    txn = Transaction((led, Compare.absent(wait), unchanged), (Put(wait, b"", lease), Put(covers, b"")))
    try:
        if strategy.transact(txn, deadline=_soon()).succeeded:
            return
    except Ambiguous as lost:  # the lease stays: it may be under way, and else it ends by itself
        raise Unavailable(f"etcd did not say whether the grace of {service} has begun: {lost}") from lost
    strategy.revoke_lease(lease, deadline=_soon())
    if turn.held() is None:
        raise Fenced(f"the lead of {service} was lost", rule="a service acts at one process at a time")


def _soon() -> float:
    return time.monotonic() + _CALL
