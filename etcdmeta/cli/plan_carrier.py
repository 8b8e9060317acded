"""Carrying a plan out from the command line: this process stands for the lead of plans as agents do, and one acts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from etcdmeta.errors import EtcdMetaError, Fenced, StoreClosed
from etcdmeta.model.moveplans import PlanState

if TYPE_CHECKING:
    from etcdmeta.services.applying import Applier
    from etcdmeta.store import Fence, MetaStore

LEAD = "plans"
"""The election that agents stand for, too."""
STAND_EVERY = 5.0
"""Seconds between two tries to win the lead: half of what it lives without being renewed."""

_STANDS_LONG = 1.0


class Carrier:
    """One thread, until `stop`. While it leads, it carries out every plan that is at work, until ``plan_id`` is
    settled; else it stands again now and then, so that it goes on where another agent's process has died.

    ``on_news`` is called, from that thread, when `leads` or `problem` has changed, and where it ends by itself.
    """

    def __init__(self, store: MetaStore, plan_id: int, on_news: Callable[[], None]) -> None:
        self._store = store
        self._plan_id = plan_id
        self._on_news = on_news
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._applier: Applier | None = None
        self._thread = threading.Thread(target=self._run, name="etcdmeta-plan", daemon=True)
        self.leads = False
        self.has_led = False
        self.problem = ""
        """Why it cannot stand, or could not go on, last; "" where it could."""
        self.defect: BaseException | None = None
        """What ended the thread, and nobody foresaw."""

    def start(self) -> None:
        """Begin to stand."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more, wait for what is being committed, and give the lead back. Who only stands is not waited
        for long: what it may still win, it gives back at once, or it lapses.
        """
        self._stop.set()
        with self._lock:
            if self._applier is not None:
                self._applier.stop()
        if self._thread.ident is not None:
            self._thread.join(None if self.leads else _STANDS_LONG)

    def _run(self) -> None:
        try:
            while not self._stop.is_set():
                if self._is_at_work():  # it may be paused, and go on before anybody saw that
                    self._stand()
                self._stop.wait(STAND_EVERY)
        except StoreClosed:
            pass
        except BaseException as error:  # noqa: BLE001 - raised where the plan is watched
            self.defect = error
        finally:
            self._on_news()

    def _is_at_work(self) -> bool:
        plan = self._store.latest().find_plan(self._plan_id)
        return plan is not None and plan.state in {PlanState.RUNNING, PlanState.ABORTING}

    def _stand(self) -> None:
        """Lead, if nobody does, until the plan is settled."""
        from etcdmeta.services.election import Lead

        lead = Lead(self._store, LEAD, who="etcdmeta plan apply")
        try:
            won = lead.try_acquire(STAND_EVERY)
            self._tell(leads=won, problem="")
            if won:
                self._carry(lead.fence)
        except StoreClosed:
            raise
        except Fenced:
            pass  # it lost the lead, and stands again
        except EtcdMetaError as error:
            self._tell(leads=False, problem=error.message)
        finally:
            try:
                lead.release()
            except EtcdMetaError as error:  # it lapses by itself
                self._tell(leads=False, problem=error.message)
            self._tell(leads=False, problem=self.problem)

    def _carry(self, fence: Callable[[], Fence | None]) -> None:
        from etcdmeta.services.applying import Applier

        applier = Applier(self._store, fence)
        with self._lock:
            self._applier = applier
            if self._stop.is_set():
                return
        try:
            applier.run(until_settled=self._plan_id)
        finally:
            with self._lock:
                self._applier = None

    def _tell(self, *, leads: bool, problem: str) -> None:
        if (leads, problem) != (self.leads, self.problem):
            self.leads, self.problem = leads, problem
            self.has_led |= leads
            self._on_news()
