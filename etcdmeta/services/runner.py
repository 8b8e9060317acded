"""Runs services: a thread for each stands for its lead and, while it has it, makes pass after pass."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from etcdmeta.errors import EtcdMetaError, Fenced, StoreClosed
from etcdmeta.services.election import Lead
from etcdmeta.services.service import Note, Service, Turn
from etcdmeta.store import MetaStore, SystemClock
from etcdmeta.store.clock import Clock

log = logging.getLogger(__name__)

LONGEST_REST = 60.0
"""Seconds after a pass that failed again and again."""
STOP_SECONDS = 3.0


@dataclass
class ServiceStatus:
    """Times are nanoseconds since 1970 by the own clock, 0: never. ``leader``, ``since``: who led when it was looked at
    last, this process or another; "": nobody. ``every``: seconds between two passes, 0 where one lasts for as long as
    the lead.

    The rest is this process's own, since its start. ``failures``: passes that failed, and ``problem`` the last one's;
    ``last_error``: of the last pass, None where it was made. ``did``: what the last pass did that did something.
    ``notes``: what the last pass left to people.
    """

    name: str
    every: float = 0.0
    leads: bool = False
    leader: str = ""
    since: int = 0
    passes: int = 0
    failures: int = 0
    pass_began: int = 0
    pass_ended: int = 0
    did: str = ""
    did_at: int = 0
    problem: str = ""
    problem_at: int = 0
    last_error: EtcdMetaError | None = None
    notes: tuple[Note, ...] = ()


@dataclass
class _Worker:
    service: Service
    lead: Lead
    status: ServiceStatus
    failures_in_a_row: int = 0
    nudged: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None


class ServiceRunner:
    """From `start` to `stop`. ``who`` is shown to people who ask who leads; ``ttl`` seconds from this process's death
    to another's turn. ``clock`` is the own clock that services go by, among others' (`etcdmeta.services.clocks`);
    ``node_id`` the node whose clock it is, 0 for none.
    """

    def __init__(
        self,
        store: MetaStore,
        services: Sequence[Service],
        *,
        who: str = "",
        ttl: float = 10.0,
        clock: Clock | None = None,
        node_id: int = 0,
    ) -> None:
        self._store = store
        self._node_id = node_id
        self._clock = clock or SystemClock()
        self._ttl = ttl
        self._stopping = threading.Event()
        self._workers = []
        for service in services:
            status = ServiceStatus(service.name, service.every)
            worker = _Worker(service, Lead(store, service.name, ttl=ttl, who=who), status)
            self._workers.append(worker)

    def start(self) -> None:
        """Begin to stand; returns at once."""
        for worker in self._workers:
            worker.thread = threading.Thread(
                target=self._run, args=(worker,), name=f"etcdmeta-service-{worker.service.name}", daemon=True
            )
            worker.thread.start()

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """End the passes and give the leads back; what does not end in ``timeout`` seconds ends by itself."""
        self._stopping.set()
        for worker in self._workers:
            worker.nudged.set()
            worker.service.interrupt()
        deadline = time.monotonic() + timeout
        for worker in self._workers:
            if worker.thread is not None:
                worker.thread.join(max(0.0, deadline - time.monotonic()))
                if worker.thread.is_alive():
                    log.warning("service %s did not end in %g s", worker.service.name, timeout)

    def status(self) -> tuple[ServiceStatus, ...]:
        """Of each service, as of now; from any thread."""
        return tuple(map(_status, self._workers))

    def nudge(self) -> None:
        """Make the next passes now, and not when their time has come."""
        for worker in self._workers:
            worker.nudged.set()

    def _run(self, worker: _Worker) -> None:
        rest = 0.0
        try:
            while not self._rest(worker, rest):
                rest = self._turn(worker)
        except StoreClosed:
            log.info("service %s ends: the store was closed", worker.service.name)
        except Exception:
            log.exception("service %s ended in an unforeseen way", worker.service.name)
            raise
        finally:
            self._give_back(worker)

    def _rest(self, worker: _Worker, seconds: float) -> bool:
        """Whether it is over."""
        worker.nudged.wait(seconds)
        worker.nudged.clear()
        return self._stopping.is_set()

    def _turn(self, worker: _Worker) -> float:
        """Stand, or make a pass; the seconds until the next time."""
        service, status = worker.service, worker.status
        try:
            leads = worker.lead.try_acquire(0.0)
            seen = worker.lead.seen
            status.leader, status.since = ("", 0) if seen is None else (seen.who, seen.since)
            if not leads:
                status.leads, status.notes = False, ()
                # Spread, so that not all look at the same moment; twice in the time that a lead lives unattended.
                return self._ttl * random.uniform(0.3, 0.5)
            if not status.leads:
                log.info("this process runs the service %s now", service.name)
                status.leads = True
            self._store.read_consistent()
            turn = Turn(self._store, service.name, worker.lead.fence, self._stopping, self._clock, self._node_id)
            status.pass_began = self._clock.now()
            did = service.run(turn)
        except Fenced as lost:
            status.leads, status.notes = False, ()
            log.warning("service %s: %s", service.name, lost.message)
            return 0.0
        except StoreClosed:
            raise
        except EtcdMetaError as error:
            worker.failures_in_a_row += 1
            status.failures += 1
            if status.last_error is None or type(status.last_error) is not type(error):
                log.warning("service %s: %s", service.name, error.message)
            status.last_error, status.problem, status.problem_at = error, error.message, self._clock.now()
            longest = min(LONGEST_REST, service.every or LONGEST_REST)
            return min(longest, 2.0 ** min(worker.failures_in_a_row, 6)) * random.random()
        status.passes += 1
        worker.failures_in_a_row = 0
        status.last_error, status.notes, status.pass_ended = None, tuple(turn.notes), self._clock.now()
        if did:
            status.did, status.did_at = did, status.pass_ended
            log.info("service %s: %s", service.name, did)
        return service.every

    def _give_back(self, worker: _Worker) -> None:
        worker.status.leads = False
        try:
            worker.lead.release()
        except EtcdMetaError as error:
            log.info("the lead of %s lapses by itself: %s", worker.service.name, error.message)


def _status(worker: _Worker) -> ServiceStatus:
    """A copy. A lead that is not certain any more is none, though the thread has not come to see it."""
    status = replace(worker.status)
    status.leads = status.leads and worker.lead.fence() is not None
    doing = worker.service.doing() if status.leads else ""
    if doing:
        status.did, status.did_at = doing, 0
    return status
