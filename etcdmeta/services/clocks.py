"""What time it is, for services that take something away by it.

The protocol's rule ("Leases and clocks"): the smaller of the own clock and the live peers' median + 1 min; without
peers the own clock, refused when it is 30 days off the ledger's newest time. What a peer's clock says is as old as its
report (five minutes at most), so that the median errs to the early side: things are kept some
minutes longer, and never shorter. One clock that is a year ahead moves nothing; one that lies behind only delays.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median_low

from etcdmeta.errors import TooStale
from etcdmeta.model.durations import DAY
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import format_time
from etcdmeta.store import MetaStore

MINUTE = 60 * 10**9
MOST_APART = 30 * DAY


def agreed_time(store: MetaStore, own: int, node_id: int) -> int:
    """Nanoseconds since 1970; ``own`` is what the clock here says, at the node ``node_id`` (0: none).

    Raises `TooStale` for a clock that nobody confirms, `Unavailable`.
    """
    peers = peer_clocks(store.latest(), node_id)
    if peers:
        return earlier(own, peers)
    newest = store.history(limit=1, since=1)  # what is void, or cannot be read, may have no time
    return confirmed(own, newest[-1].time if newest else None)


def peer_clocks(snapshot: Snapshot, node_id: int) -> list[int]:
    """What the live nodes but that one said of their clocks."""
    found = (snapshot.liveness(node.id) for node in snapshot.nodes() if node.id != node_id)
    return [liveness.clock for liveness in found if liveness is not None and liveness.clock]


def earlier(own: int, peers: Sequence[int]) -> int:
    """The smaller of the own clock and the peers' lower median + 1 min."""
    return min(own, median_low(peers) + MINUTE)


def confirmed(own: int, newest: int | None) -> int:
    """The own clock, where it is within 30 days of the ledger's newest entry; None: there is none."""
    if newest is not None and abs(own - newest) > MOST_APART:
        raise TooStale(
            f"this clock says {format_time(own)}, and the newest commit was at {format_time(newest)}",
            value=own,
            rule="without another live node, a service that deletes acts within 30 days of the ledger's newest time",
            remedy="see to the clock; if it is right, commit anything, and the next pass goes on",
        )
    return own
