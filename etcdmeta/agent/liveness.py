"""Keeps a node live: a thread that renews its lease, whatever etcd does meanwhile. The rules are `tenure`'s."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from etcdmeta.agent.comings import Comings
from etcdmeta.agent.report import Report
from etcdmeta.agent.tenure import LONGEST_TTL, RENEWALS, LivenessState, Tenure, lease_seconds
from etcdmeta.consensus.protocol import Ambiguous
from etcdmeta.errors import (
    ConfigurationInvalid,
    Defect,
    EtcdMetaError,
    Fenced,
    NodeIdentityRefused,
    StoreClosed,
    Unavailable,
)
from etcdmeta.replica.backoff import Backoff
from etcdmeta.store import Fence, MetaStore, SystemClock
from etcdmeta.store.clock import Clock
from etcdmeta.store.listeners import Publication

__all__ = ["Liveness", "LivenessState", "LivenessStatus", "lease_seconds"]

log = logging.getLogger("etcdmeta.agent")

SHORTEST_TTL = 1.0
"""Seconds. etcd grants no lease below two."""
STOP_SECONDS = 3.0
_LEAST_PAUSE = 0.05
_SETTLED = (LivenessState.LIVE, LivenessState.REFUSED, LivenessState.STOPPED)


@dataclass(frozen=True, slots=True)
class LivenessStatus:
    """Counts are since the start. ``lease`` 0: none. ``since``: nanoseconds, None while the node is not live.
    ``interruptions``: those of earlier processes, too. ``last_error``: of the latest step, None where it succeeded."""

    state: LivenessState
    instance: int
    lease: int
    since: int | None
    renewals: int
    losses: int
    failures: int
    interruptions: int
    last_error: EtcdMetaError | None


class Liveness:
    """From `start` to `stop`. Thread-safe.

    ``ttl``: seconds from a process's death to the node's being down, at least; twice that at most, but for an election.
    ``starts``: a file in the data directory that remembers when the node became live, so that one that keeps being
    restarted is seen to be flapping. ``on_refused`` is called once, in the keeper's thread, when another live process
    has the node's id (`NodeAlreadyRunning`) or the node was removed (`NodeRemoved`); the keeper has ended then.
    ``clock``, ``monotonic`` and ``random`` are for tests. Raises `ConfigurationInvalid` for a ttl out of bounds.
    """

    def __init__(
        self,
        store: MetaStore,
        node_id: int,
        *,
        host: str,
        version: str,
        agent_address: str = "",
        ttl: float = 10.0,
        starts: Path | None = None,
        on_refused: Callable[[NodeIdentityRefused], None] | None = None,
        clock: Clock | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        random: Callable[[], float] = random.random,
    ) -> None:
        if not SHORTEST_TTL <= ttl <= LONGEST_TTL:
            raise ConfigurationInvalid(
                f"a time to live of {ttl:g} s",
                value=ttl,
                rule=f"a node is live for {SHORTEST_TTL:g} s to {LONGEST_TTL:g} s without a sign of life",
                remedy="choose another --ttl; 10s is usual",
            )
        self._store = store
        self._node_id = node_id
        self._comings = Comings(starts)
        self._report = Report(
            store,
            node_id,
            self._comings,
            host=host,
            version=version,
            agent_address=agent_address,
            ttl=ttl,
            lease_seconds=lease_seconds(ttl),
        )
        self._tenure = Tenure(store, self._report, self._comings, clock or SystemClock(), ttl=ttl, monotonic=monotonic)
        self._on_refused = on_refused
        self._monotonic = monotonic
        self._random = random
        self._backoff = Backoff(free=0, first=0.0, base=ttl / 20, cap=ttl / RENEWALS)
        self._turned = threading.Condition()
        self._stopping = False
        self._shown = False  # the picture has the node's key, whoever's it is
        self._untap: Callable[[], None] | None = None
        self._nudged = False
        self._failures = 0
        self._last_error: EtcdMetaError | None = None
        self._refusal: NodeIdentityRefused | None = None
        self._thread = threading.Thread(target=self._run, name="etcdmeta-liveness", daemon=True)

    def start(self) -> None:
        """Begin; once. Returns at once: see `wait_live`. Raises `StoreClosed`."""
        self._untap = self._store.tap(self._published)
        self._thread.start()

    def wait_live(self, timeout: float) -> bool:
        """Until the node is live; False where that took longer, in seconds. Raises the refusal, where there is one."""
        with self._turned:
            self._turned.wait_for(lambda: self._tenure.state in _SETTLED, timeout)
            if self._refusal is not None:
                raise self._refusal
            return self._tenure.state is LivenessState.LIVE

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """End the lease, so that the node is down at once; where etcd is away it ends by itself. Twice is no error."""
        with self._turned:
            self._stopping = True
            self._turned.notify_all()
        if self._thread.ident is None or self._thread is threading.current_thread():
            return
        self._thread.join(timeout)
        if self._thread.is_alive():
            log.warning("the lease of node %d was not ended in %g s; it will end by itself", self._node_id, timeout)

    def status(self) -> LivenessStatus:
        """For the agent's status and its metrics."""
        tenure = self._tenure
        live = tenure.state is LivenessState.LIVE
        return LivenessStatus(
            state=LivenessState.LOST if live and self._monotonic() > tenure.certain_until else tenure.state,
            instance=self._report.instance,
            lease=tenure.lease,
            since=tenure.since if live else None,
            renewals=tenure.renewals,
            losses=tenure.losses,
            failures=self._failures,
            interruptions=len(self._comings.interruptions()),
            last_error=self._last_error,
        )

    def fence(self) -> Fence | None:
        """What the node's commits compare; None while it is not live for certain. From any thread."""
        return self._tenure.fence()

    def nudge(self) -> None:
        """Take the next step now, and not when its time has come."""
        with self._turned:
            self._nudged = True
            self._turned.notify_all()

    def _published(self, publication: Publication) -> None:
        """In the store's thread. A key that goes, ours or that of a holder that is waited for, is news at once."""
        shown, self._shown = self._shown, self._node_id in publication.snapshot.tables.liveness
        if shown and not self._shown:
            self.nudge()

    # --- the keeper's thread

    def _run(self) -> None:
        try:
            while not self._stopping:
                pause = self._turn()
                with self._turned:
                    self._turned.notify_all()
                    self._turned.wait_for(lambda: self._stopping or self._nudged, max(0.0, pause))
                    self._nudged = False
        except NodeIdentityRefused as error:
            self._end(error)
            log.error("node %d: %s", self._node_id, error.message)  # noqa: TRY400  no defect, so no trace
            if self._on_refused is not None:
                self._on_refused(error)
        except StoreClosed as error:
            log.info("node %d: %s, so its liveness is kept no longer", self._node_id, error.message)
        finally:
            if self._refusal is None:
                self._end(None)

    def _turn(self) -> float:
        """One step; seconds until the next. Raises `NodeIdentityRefused` and `StoreClosed`, which are for good."""
        try:
            pause = self._tenure.step()
        except (NodeIdentityRefused, StoreClosed):
            raise
        except Ambiguous as lost:
            # A creation is tried again under the same lease, and finds itself; a put is said again.
            return self._failed(Unavailable(f"etcd did not say whether it was written: {lost}"), written=True)
        except Fenced as error:
            self._tenure.lose(error.message)
            return self._failed(error)
        except EtcdMetaError as error:
            return self._failed(error)
        except Exception as error:
            log.exception("node %d: keeping it live failed", self._node_id)
            return self._failed(Defect(f"keeping node {self._node_id} live failed: {type(error).__name__}"))
        self._backoff.forget()
        self._last_error = None
        return pause

    def _failed(self, error: EtcdMetaError, *, written: bool = False) -> float:
        """Count it; the seconds to wait."""
        if self._last_error is None or type(self._last_error) is not type(error):
            log.warning("node %d: its lease could not be kept: %s", self._node_id, error.message)
        self._failures += 1
        self._last_error = error
        self._tenure.doubt(written=written)
        return max(_LEAST_PAUSE, self._backoff.failed(self._random()))

    def _end(self, refusal: NodeIdentityRefused | None) -> None:
        if self._untap is not None:
            self._untap()
        try:
            self._tenure.let_go()
        except (EtcdMetaError, Ambiguous) as error:
            log.info("the lease of node %d was not ended, and will end by itself: %s", self._node_id, error)
        with self._turned:
            self._refusal = refusal
            self._tenure.state = LivenessState.STOPPED if refusal is None else LivenessState.REFUSED
            self._turned.notify_all()
