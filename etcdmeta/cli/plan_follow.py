"""Following a plan to its end: telling how far it is, carrying it out where nobody else does, and being interrupted."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from etcdmeta.cli.plan_carrier import Carrier
from etcdmeta.cli.plan_screen import resuming
from etcdmeta.cli.plan_watch import News, Telling, Touched, news_of
from etcdmeta.cli.text import counted
from etcdmeta.cli.waiting import waiting
from etcdmeta.errors import EtcdMetaError, WaitTimedOut
from etcdmeta.model.moveplans import MovePlan, PlanState
from etcdmeta.model.moves import MoveState

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session
    from etcdmeta.store import MetaStore

AT_WORK = frozenset({PlanState.RUNNING, PlanState.ABORTING})

_LOOK_EVERY = 1.0
"""Seconds; for the remaining time, and for why nothing moves. What happens is seen sooner."""
_LOOK_PAUSE = 0.1
_AGENTS = ("agent://", "agents://")
_NAMED = 5
_PAUSED_WITHIN = 10.0
"""Seconds for the last thing that an interrupted process does."""


class Following:
    """One watching; with the thread that carries the plan out, where there is one."""

    def __init__(self, session: Session, store: MetaStore, plan: MovePlan, pause_on_interrupt: bool) -> None:
        self._session = session
        self._store = store
        self._plan = plan
        self._pauses = pause_on_interrupt
        self._carrier: Carrier | None = None

    def run(self, *, carries: bool) -> tuple[MovePlan, Mapping[MoveState, int]]:
        """The plan as it stands when it is not at work any more, and its moves by state."""
        if carries and self._session.settings.endpoints.startswith(_AGENTS):
            carries = False
            number = self._plan.id
            self._session.note(f"through agents plan {number} is only watched: an agent that has etcd carries it out")
        try:
            with news_of(self._store) as news:
                with waiting(self._session, f"counting {counted(self._plan.moves, 'move')}"):
                    telling = Telling(self._session, self._store.latest(), self._plan)
                with closing(telling):
                    if carries:
                        self._carrier = Carrier(self._store, self._plan.id, news.wake)
                        self._carrier.start()
                    return self._follow(news, telling), telling.counts
        except KeyboardInterrupt:
            self._interrupted()
            raise
        finally:
            if self._carrier is not None:
                self._carrier.stop()
                self._tell_left_alone(self._carrier)

    def _follow(self, news: News, telling: Telling) -> MovePlan:
        touched = Touched(None)
        while True:
            looked = time.monotonic()
            carried = self._carried()
            self._plan = telling.look(self._store.latest(), touched, carried=carried[0], is_carried=carried[1])
            if self._plan.state not in AT_WORK:
                return self._plan
            left = self._session.remaining()
            if left is not None and left <= 0:
                raise WaitTimedOut(
                    f"plan {self._plan.id} is still {self._plan.state}",
                    value=str(self._plan.state),
                    remedy=f"`{resuming(self._plan)}` goes on with it; give it more --timeout",
                )
            # Not at each of a thousand steps a second: they are committed by threads of this process.
            time.sleep(max(0.0, looked + _LOOK_PAUSE - time.monotonic()))
            touched = news.take(_LOOK_EVERY if left is None else min(left, _LOOK_EVERY))

    def _carried(self) -> tuple[str, bool]:
        """By whom the plan is carried out, in a sentence, and whether anybody does, as far as this process knows."""
        carrier = self._carrier
        if carrier is None:
            return "", True
        if carrier.defect is not None:
            raise carrier.defect
        leads = carrier.leads  # asked before the picture: it gives the lead back when that shows the end
        over = self._store.latest().plan(self._plan.id).state not in AT_WORK
        if leads or (carrier.has_led and over):
            return f"this process carries plan {self._plan.id} out; Ctrl-C pauses it", True
        if carrier.has_led:
            return "this process has lost the lead of plans, and stands for it again", False
        if carrier.problem:
            return f"plan {self._plan.id} cannot be carried out from here: {carrier.problem}", False
        return "", True

    def _tell_left_alone(self, carrier: Carrier) -> None:
        """Who leads carries out all plans at work; the others may have nobody now."""
        others = [plan for plan in self._store.latest().plans() if plan.state in AT_WORK and plan.id != self._plan.id]
        if carrier.has_led and others:
            named = ", ".join(str(plan.id) for plan in others[:_NAMED]) + ("" if len(others) <= _NAMED else ", …")
            are = f"plan {named} is" if len(others) == 1 else f"plans {named} are"
            self._session.note(
                f"{are} at work, too, and left to whoever leads plans next: an agent, or `{resuming(others[0])}`"
            )

    def _interrupted(self) -> None:
        """Pause the plan where nobody else goes on with it, or where that was asked for; and say how to resume."""
        number, session = self._plan.id, self._session
        here = self._carrier is not None and self._carrier.leads
        resumed = f"`{resuming(self._plan)}` goes on with it, from any machine"
        if not here and not self._pauses:
            session.note(
                f"plan {number} goes on where plans are carried out; `etcdmeta plan show {number}` says how far it is,"
                f" `etcdmeta plan pause {number}` stops it"
            )
            return
        if self._plan.state == PlanState.ABORTING:
            session.note(f"what plan {number} began is not settled yet; {resumed}")
            return
        try:
            self._store.pause_plan(number, "interrupted", timeout=_PAUSED_WITHIN)
            session.note(f"plan {number} is paused; {resumed}")
        except EtcdMetaError as error:
            session.note(f"plan {number} could not be paused: {error.message}; {resumed}", level="warning")
