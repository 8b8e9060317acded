"""`Lead`: being the one process that acts for a service, by a key under a lease.

The protocol's rule ("Leases and clocks"): every transaction of a service compares the create revision of its key,
so that whoever slept past the lease, was cut off, or had it revoked, commits nothing any more, whatever its clock
says. The lease is only how others learn that they may go on. Nothing of another process is overwritten, and no lease
but the own one revoked. A lost answer is no loss: a creation that may have landed is looked for by its nonce.
"""

from __future__ import annotations

import logging
import math
import secrets
import threading
import time
from collections.abc import Callable

from etcdmeta.consensus.protocol import Ambiguous, Delegate
from etcdmeta.errors import ConfigurationInvalid, EtcdMetaError, Fenced, StoreClosed, Unavailable
from etcdmeta.records.leaders import Leader
from etcdmeta.services.leadkey import LeadKey, Standing
from etcdmeta.store import Fence, MetaStore, SystemClock
from etcdmeta.store.clock import Clock

__all__ = ["Lead", "who_leads"]

log = logging.getLogger(__name__)

SHORTEST_TTL = 2.0
"""Seconds: etcd grants no shorter lease (m)."""
RENEWALS = 3
"""In a time to live."""
RELEASE_SECONDS = 1.5
CALL_SECONDS = 2.0
"""For one request, however short the time to wait for another's giving up is."""
_LOOK_EVERY = 0.2
"""Seconds between two looks at a key that somebody else holds, while one waits for it."""


class Lead:
    """One standing after the other; `try_acquire`, `release`, and so on. Any thread may call anything.

    ``name``: the service. ``who``: shown to people who ask who leads. ``ttl``: seconds from the process's death to
    another's turn, whole ones from 2 on. ``on_lost`` is called once for each lead that is lost and not given back, in
    the thread that renews it. ``monotonic`` and ``clock`` are for tests. Raises `ConfigurationInvalid` for a ttl below
    etcd's least, and for a store on agents: what an agent passes on is commands, never a service's key.
    """

    def __init__(
        self,
        store: MetaStore,
        name: str,
        *,
        ttl: float = 10.0,
        who: str = "",
        on_lost: Callable[[str], None] | None = None,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        if ttl < SHORTEST_TTL:
            raise ConfigurationInvalid(
                f"a lead that lives {ttl:g} s", value=ttl, rule=f"etcd's shortest lease is {SHORTEST_TTL:g} s"
            )
        self.name = name
        self._strategy = store.strategy
        self._key = LeadKey(store.strategy, store.keyspace, name)
        self._ttl = math.ceil(ttl)
        self._every = self._ttl / RENEWALS
        self._who = who
        self._on_lost = on_lost
        self._clock = clock or SystemClock()
        self._monotonic = monotonic
        self._lock = threading.Lock()  # orders acquire and release; never held by the renewing thread
        self._turned = threading.Condition()
        self._lease = 0
        self._created = 0  # the key's create revision; 0: not held
        self._certain_until = 0.0  # until when the lease lives for certain, by ``monotonic``
        self._keeper: threading.Thread | None = None
        self._leader: Leader | None = None
        self._seen: Leader | None = None

    def __repr__(self) -> str:
        return f"<Lead {self.name!r} {'held' if self.fence() is not None else 'not held'}>"

    def try_acquire(self, timeout: float) -> bool:
        """Lead, where nobody does or where they give up within ``timeout`` seconds; 0: ask once. Already leading: True.

        Raises what etcd answers, `Unavailable` where it does not within two seconds.
        """
        deadline = time.monotonic() + timeout
        with self._lock:
            if self.fence() is not None:
                return True
            if isinstance(self._strategy, Delegate):
                raise ConfigurationInvalid(
                    f"the lead of {self.name!r} cannot be held through an agent",
                    value=self.name,
                    rule="who leads a service holds a key in etcd",
                    remedy="give the endpoints of etcd, or let an agent that runs the services do it",
                )
            self._forget()
            self._drop_lease()  # of a lead that was lost: its key may stand still
            try:
                return self._stand(deadline)
            except Ambiguous as lost:
                raise Unavailable(f"etcd did not say who leads {self.name!r}: {lost}") from lost
            finally:
                if not self._created:
                    self._drop_lease()

    @property
    def seen(self) -> Leader | None:
        """Who led when this one stood last, itself included; None: nobody, or it was not asked yet."""
        return self._seen

    def fence(self) -> Fence | None:
        """What every commit compares; None while the lead is not held, or not for certain."""
        with self._turned:
            if not self._created or self._monotonic() >= self._certain_until:
                return None
            return Fence(self._key.relative, self._created, f"the lead of {self.name}")

    def release(self) -> None:
        """Give it back, so that another may lead at once. Not held: nothing. Raises what etcd answers; the lease ends
        by itself then."""
        with self._lock:
            self._forget()
            lease, self._lease = self._lease, 0
            if not lease:
                return
            try:
                self._strategy.revoke_lease(lease, deadline=time.monotonic() + RELEASE_SECONDS)
            except Ambiguous as lost:
                raise Unavailable(f"etcd did not say that the lead of {self.name!r} is given back: {lost}") from lost

    # --- taking it

    def _stand(self, deadline: float) -> bool:
        while True:
            standing = self._key.read(deadline=_soon())
            if standing is None or self._is_ours(standing):
                standing = self._create()
            self._seen = None if standing is None else standing.leader
            if standing is not None and self._is_ours(standing):
                self._hold(standing)
                return True
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            # There is no watch on one key here: who waits, waits for a lease to end, and that takes seconds.
            time.sleep(min(left, _LOOK_EVERY))

    def _create(self) -> Standing | None:
        if not self._lease:
            self._leader = Leader(self._who, secrets.randbits(63), self._clock.now())
            asked = self._monotonic()
            self._lease = self._strategy.grant_lease(self._ttl, deadline=_soon())
            self._certain_until = asked + self._ttl
        assert self._leader is not None  # made with the lease
        try:
            return self._key.create(self._leader, self._lease, deadline=_soon())
        except Ambiguous:
            # It may have landed, or land later: then it stands under our nonce and lease, which is all that counts.
            return self._key.read(deadline=_soon())
        except Fenced:  # the lease ended while we stood
            self._lease = 0
            return None

    def _is_ours(self, standing: Standing) -> bool:
        return self._leader is not None and standing.leader == self._leader

    def _hold(self, standing: Standing) -> None:
        with self._turned:
            self._created = standing.create_revision
        self._keeper = threading.Thread(
            target=self._keep, args=(self._lease,), name=f"etcdmeta-lead-{self.name}", daemon=True
        )
        self._keeper.start()
        log.info("leading %s, lease %x", self.name, self._lease)

    def _forget(self) -> None:
        """End the renewing; the lease stays. With the lock held."""
        with self._turned:
            self._created = 0
            self._turned.notify_all()
        if self._keeper is not None and self._keeper is not threading.current_thread():
            self._keeper.join()
        self._keeper = None
        self._leader = None

    def _drop_lease(self) -> None:
        """One that holds nothing; where that fails it ends by itself, and with it what may have landed."""
        lease, self._lease = self._lease, 0
        if lease:
            try:
                self._strategy.revoke_lease(lease, deadline=time.monotonic() + RELEASE_SECONDS)
            except (EtcdMetaError, Ambiguous) as error:
                log.info("a lease of %s ends by itself: %s", self.name, error)

    # --- keeping it: a thread of its own, so that long steps of the service cost no lead

    def _keep(self, lease: int) -> None:
        why = "its lease ended"
        try:
            while self._pause():
                sent = self._monotonic()
                try:
                    granted = self._strategy.keep_alive(lease, deadline=time.monotonic() + min(self._every, 3.0))
                except StoreClosed:
                    why = "the store was closed"
                    break
                except (EtcdMetaError, Ambiguous) as error:
                    why = f"its lease could not be renewed: {error}"
                    if self._monotonic() >= self._certain_until:
                        break
                    continue
                if granted <= 0:
                    break
                with self._turned:
                    self._certain_until = sent + granted
        finally:
            with self._turned:
                lost, self._created = bool(self._created), 0
            if lost:
                log.warning("the lead of %s is lost: %s", self.name, why)
                if self._on_lost is not None:
                    self._on_lost(why)

    def _pause(self) -> bool:
        """Wait for the next renewal; False where the lead was given back."""
        with self._turned:
            rest = min(self._every, max(0.1, self._certain_until - self._monotonic() - self._every))
            self._turned.wait_for(lambda: not self._created, rest)
            return bool(self._created)


def _soon() -> float:
    return time.monotonic() + CALL_SECONDS


def who_leads(store: MetaStore, name: str, *, timeout: float = 2.0) -> Leader | None:
    """Who leads that service now, by a linearizable read; None: nobody, or somebody whose record cannot be read."""
    standing = LeadKey(store.strategy, store.keyspace, name).read(deadline=time.monotonic() + timeout)
    return None if standing is None else standing.leader
