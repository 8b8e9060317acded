"""Being the holder of a node's key: the lease and the steps from not holding it to holding it, and back.

The rules are the protocol's ("Leases and clocks"): the key is created with ``create=0`` under a fresh lease and carries
the instance's nonce; where it is taken the holder's lease is given the time to end, then `NodeAlreadyRunning`; nothing
of another process is overwritten and no lease but the own one revoked. A lost lease is taken anew.

The lease is granted for ``ttl`` and one renewal more (`lease_seconds`): a process that dies just before it would have
renewed is still not down before ``ttl``; and it is down by 2 × ``ttl``, but for an election, at which etcd lets
every lease begin anew.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from enum import StrEnum

from etcdmeta.agent.comings import Comings
from etcdmeta.agent.livekey import LiveKey, Look, Sign, Written
from etcdmeta.agent.report import Report
from etcdmeta.errors import NodeAlreadyRunning, NodeRemoved, TooStale
from etcdmeta.model.entities import Liveness
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import format_time
from etcdmeta.records import keys
from etcdmeta.store import Fence, MetaStore
from etcdmeta.store.clock import Clock

log = logging.getLogger("etcdmeta.agent")

LONGEST_TTL = 3600.0
GRACE = 3.0
"""Seconds that etcd may take to end a lease whose time is over (it looks twice a second), with some to spare."""
CLOCK_SECONDS = 300.0
"""A node says what time it is there at least so often, however little happens."""
RENEWALS = 3
"""In a time to live."""
_REVOKE_SECONDS = 1.5
_RETRY_SECONDS = 0.1


def lease_seconds(ttl: float) -> int:
    """What is asked of etcd: the time to live and one renewal, in whole seconds, etcd's least being two."""
    return max(2, math.ceil(ttl + ttl / RENEWALS))


class LivenessState(StrEnum):
    """``waiting``: another process holds the node's key, and may be dead. ``lost``: the lease ended, or must be
    assumed to have ended since etcd is away. ``refused`` and ``stopped`` are for good."""

    STARTING = "starting"
    LIVE = "live"
    WAITING = "waiting"
    LOST = "lost"
    REFUSED = "refused"
    STOPPED = "stopped"


class Tenure:
    """Of one thread; others may read the public fields. Errors are `Strategy`'s, `Ambiguous` and `Fenced` included;
    after any of them `step` goes on from what is known. ``monotonic`` gives seconds."""

    def __init__(
        self, store: MetaStore, report: Report, comings: Comings, clock: Clock, *, ttl: float,
        monotonic: Callable[[], float],
    ) -> None:  # fmt: skip
        self.state = LivenessState.STARTING
        self.lease = 0
        self.since = 0
        self.certain_until = 0.0
        """Until when the lease lives for certain, by ``monotonic``."""
        self.renewals = 0
        self.losses = 0

        self._store = store
        self._strategy = store.strategy
        self._key = LiveKey(store.strategy, store.keyspace, report.node_id)
        self._report = report
        self._comings = comings
        self._clock = clock
        self._ttl = ttl
        self._every = ttl / RENEWALS
        self._call = max(1.0, min(3.0, self._every))  # seconds for one request, so that several fit into a lease
        self._lease_seconds = lease_seconds(ttl)
        self._monotonic = monotonic

        self._renewed_at = 0.0
        self._created = 0  # the key's create revision; 0: not held
        self._said: Liveness | None = None  # what stands there; None: not known
        self._said_at = 0.0
        self._waiting: tuple[float, int] | None = None  # since when, in which raft term

    def step(self) -> float:
        """The next step; seconds until there is another. Raises `NodeAlreadyRunning`, `NodeRemoved`: for good."""
        self._require_member()
        return self._keep() if self._created else self._take()

    def fence(self) -> Fence | None:
        """That this incarnation of the key stands; None where it is not held for certain. From any thread."""
        created, node_id = self._created, self._report.node_id
        if not created or not self.lease or self._monotonic() > self.certain_until:
            return None
        return Fence(keys.live(node_id), created, f"the liveness of node {node_id}")

    def let_go(self) -> None:
        """End the own lease, and with it the key."""
        lease, self.lease = self.lease, 0
        if lease:
            self._strategy.revoke_lease(lease, deadline=time.monotonic() + _REVOKE_SECONDS)

    def lose(self, why: str, *, lease_too: bool = True) -> None:
        """The key is not held any more, and by default the lease has ended as well."""
        held, self._created, self._said = self._created, 0, None
        if lease_too:
            self.lease = 0
        if held:
            self.losses += 1
            self.state = LivenessState.LOST
            log.warning("node %d was live and is not: %s; taking it anew", self._report.node_id, why)

    def doubt(self, *, written: bool = False) -> None:
        """A step failed: what was waited for another's lease does not count, since none ends while etcd is away.
        ``written``: it may have written, so that what stands there is not known."""
        self._waiting = None
        if written:
            self._said = None

    # --- not holding the key

    def _take(self) -> float:
        if not self.lease:
            asked_at = self._monotonic()
            look = self._key.look(deadline=self._deadline())
            if look.sign is not None and not self._is_ours(look.sign):
                return self._wait_for(look, asked_at)
            self._grant()
        elif self._renewal_is_due() and not self._renew():
            return 0.0
        now = self._clock.now()
        record = self._report.record(since=now, clock=now, coming=True)
        found = self._key.create(record, self.lease, deadline=self._deadline())
        if isinstance(found, Written):
            self._hold(found.create_revision, record.since)
            self._said = record
            return self._every
        if found is None:
            return _RETRY_SECONDS
        if found.record is not None and self._is_ours(found):
            # An earlier attempt, whose answer was lost. What it says is said again, under this lease, in its time.
            self._hold(found.create_revision, found.record.since)
            return 0.0
        self.let_go()
        return 0.0

    def _hold(self, created: int, since: int) -> None:
        self._created = created
        self._said, self._said_at = None, self._monotonic()
        self._waiting = None
        self._comings.add(since)
        self.since = since
        self.state = LivenessState.LIVE
        log.info("node %d is live as %s, lease %x", self._report.node_id, self._report.host, self.lease)

    def _wait_for(self, look: Look, asked_at: float) -> float:
        """The holder may be dead: its lease is given the time to end, anew where an election prolonged it."""
        self.state = LivenessState.WAITING
        if self._waiting is None or self._waiting[1] != look.raft_term:
            self._waiting = (asked_at, look.raft_term)
        holder = look.sign.record if look.sign is not None else None
        theirs = min(holder.lease_seconds, lease_seconds(LONGEST_TTL)) if holder is not None else 0
        if asked_at - self._waiting[0] >= max(theirs, self._lease_seconds) + GRACE:
            raise _already_running(self._report, holder)
        return min(1.0, self._every / 2)

    # --- holding it

    def _keep(self) -> float:
        if self._renewal_is_due() and not self._renew():
            return 0.0
        if self._picture_denies() and not self._still_ours(self._key.look(deadline=self._deadline()).sign):
            return 0.0
        record = self._report.record(since=self.since, clock=self._clock.now())
        news = self._is_news(record)
        if news and self._monotonic() >= self._said_at + self._ttl / 2:
            found = self._key.put(record, self.lease, self._created, deadline=self._deadline())
            if not isinstance(found, Written):
                return _RETRY_SECONDS if self._still_ours(found) else 0.0
            self._said, self._said_at = record, self._monotonic()
            news = False
        due = self._renewed_at + self._every
        return (min(due, self._said_at + self._ttl / 2) if news else due) - self._monotonic()

    def _is_news(self, record: Liveness) -> bool:
        """Whether it says something else than what stands there, but for the time; or that is old."""
        said = self._said
        if said is None or self._monotonic() >= self._said_at + CLOCK_SECONDS:
            return True
        return record.model_copy(update={"clock": said.clock}) != said

    def _still_ours(self, sign: Sign | None) -> bool:
        """Whether what stands there is ours; else the key was taken away, by a restore or by hand."""
        if sign is not None and self._is_ours(sign):
            self._created = sign.create_revision
            return True
        self.lose("its key is gone from etcd" if sign is None else "another process holds its key", lease_too=False)
        if sign is not None:
            self.let_go()
        return False

    def _picture_denies(self) -> bool:
        """Whether the own picture, where it is new enough, shows another holder, or none."""
        snapshot = self._snapshot()
        if snapshot is None or snapshot.revision < self._created:
            return False
        seen = snapshot.liveness(self._report.node_id)
        return seen is None or seen.instance != self._report.instance

    # --- the lease

    def _grant(self) -> None:
        sent = self._monotonic()
        self.lease = self._strategy.grant_lease(self._lease_seconds, deadline=self._deadline())
        self._renewed_at, self.certain_until = sent, sent + self._lease_seconds

    def _renewal_is_due(self) -> bool:
        return self._monotonic() >= self._renewed_at + self._every

    def _renew(self) -> bool:
        """False: it is gone."""
        sent = self._monotonic()
        granted = self._strategy.keep_alive(self.lease, deadline=self._deadline())
        if granted <= 0:
            self.lose("its lease ended")
            return False
        self.renewals += 1
        self._renewed_at, self.certain_until = sent, sent + granted
        return True

    # --- what is known

    def _require_member(self) -> None:
        """Raises `NodeRemoved` where the picture says so: that is for good, however old it is."""
        snapshot, node_id = self._snapshot(), self._report.node_id
        node = None if snapshot is None else snapshot.find_node(node_id)
        if node is not None and node.state == NodeState.REMOVED:
            raise NodeRemoved(
                f"node {node_id} was removed from the cluster",
                value=node_id,
                rule="a removed node's id is never used again",
                remedy="empty the data directory and join as a new node",
            )

    def _snapshot(self) -> Snapshot | None:
        try:
            return self._store.snapshot()
        except TooStale:  # what it says is not to be relied on
            return None

    def _is_ours(self, sign: Sign) -> bool:
        return sign.record is not None and sign.record.instance == self._report.instance

    def _deadline(self) -> float:
        return time.monotonic() + self._call


def _already_running(report: Report, holder: Liveness | None) -> NodeAlreadyRunning:
    where = "a process whose record cannot be read"
    if holder is not None:
        agent = f" (agent {holder.agent_address})" if holder.agent_address else ""
        where = f"the process at {holder.host or 'an unnamed host'}{agent}, live since {format_time(holder.since)}"
    return NodeAlreadyRunning(
        f"node {report.node_id} runs already: {where}; this one is at {report.host}",
        value=report.node_id,
        rule="one live process has a node's id",
        remedy="stop one of the two; if this data directory is a copy, empty it and join as a new node",
    )
