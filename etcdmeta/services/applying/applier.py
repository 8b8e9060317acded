"""`Applier`: carries out the plans that run, and settles those that are aborted.

Any number may run; under an election one acts, so that the limits hold. Nothing of a plan is kept in the process: each
step is one guarded transaction that follows from the picture, so that another goes on wherever this one stops. The
picture is followed, not asked for again and again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from etcdmeta.commands.moveplan import FinishPlan, NotePlan
from etcdmeta.commands.moving import AdvanceMove
from etcdmeta.commands.plan import Command
from etcdmeta.commands.shard_edit import LONGEST_REASON
from etcdmeta.errors import (
    CommandTooLarge,
    ConflictPersists,
    EtcdMetaError,
    Fenced,
    InvalidInput,
    NodeOwnsShards,
    NotFound,
    Refused,
    StoreClosed,
)
from etcdmeta.model.moveplans import MovePlan, PlanState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.keys import Kind
from etcdmeta.services.applying.work import Order, PlanWork, Retries, load_with
from etcdmeta.store import Fence, MetaStore
from etcdmeta.store.listeners import Publication

_log = logging.getLogger(__name__)

AT_ONCE = 60
"""Steps that are being committed at the same time."""
TOGETHER = 30
"""Steps of one transaction at most: a copy's beginning is three compares and three operations of its own, and 100 of
each are allowed. Half as many, and half of that, where nodes and policies that are compared, too, make it too large.
"""
_LOOK_AT_FENCE = 1.0
"""Seconds; a local look, for where nothing happens that would show that the lead is lost."""
_OF_ONE = (Refused, NotFound, InvalidInput, ConflictPersists)
"""What a transaction may be refused for because of one of its steps: alone, each shows whether it is that one."""
_AT_WORK = frozenset({PlanState.RUNNING, PlanState.ABORTING})


class _Sent(NamedTuple):
    """A command on its way. ``order`` None: it is about the plan itself."""

    plan_id: int
    order: Order | None
    command: Command


class _Ended(NamedTuple):
    """A command came back."""

    sent: _Sent
    error: BaseException | None


class _News:
    """What changed since the last look, of what matters here; filled by the store's publisher, quickly."""

    def __init__(self) -> None:
        self.groups: set[int] = set()
        self.plans = False
        self.nodes = False
        self.everything = False
        self.ended: list[_Ended] = []

    def add(self, publication: Publication) -> bool:
        """Whether there was anything of interest."""
        before = len(self.groups), self.plans, self.nodes, self.everything
        self.everything |= publication.joined or not publication.changes
        for change in publication.changes:
            kind, where = change.place
            if kind is Kind.GROUP:
                self.groups.add(int(where[3]))
            elif kind is Kind.PLAN:
                self.plans = True
            elif kind in {Kind.NODE, Kind.POLICY} or (kind is Kind.LIVENESS and change.action != "changed"):
                self.nodes = True
        return before != (len(self.groups), self.plans, self.nodes, self.everything)


class Applier:
    """Runs in the thread that calls `run`, with a few of its own that commit; `stop` ends it from any thread.

    Steps that can be taken at the same time share a transaction, and are one generation; where one of them is refused,
    each goes alone. While one transaction is on its way, the next is planned.

    ``fence``: what every commit compares, and None while the lead is not held; without one it acts whoever else does.
    """

    def __init__(
        self,
        store: MetaStore,
        fence: Callable[[], Fence | None] | None = None,
        *,
        retries: Retries | None = None,
        at_once: int = AT_ONCE,
        timeout: float | None = None,
    ) -> None:
        """``at_once``: steps on their way; ``timeout``: seconds for one transaction, the store's own by default."""
        self._store = store
        self._fence = fence
        self._retries = retries or Retries()
        self._at_once = at_once
        self._timeout = timeout
        self._condition = threading.Condition()
        self._news = _News()
        self._stopping = False
        self._works: dict[int, PlanWork] = {}
        self._finish_after: dict[int, tuple[float, int]] = {}
        self._notes: dict[int, str] = {}
        self._under_way = 0
        self.steps = 0
        """Steps committed, of moves and of plans."""

    def stop(self) -> None:
        """Begin no more; `run` returns when the steps that are being committed are."""
        with self._condition:
            self._stopping = True
            self._condition.notify()

    def run(self, until_settled: int | None = None) -> None:
        """Until `stop`, or until the plan ``until_settled`` is neither running nor being aborted.

        Raises `Fenced` as soon as the lead is lost, `StoreClosed`; what etcd refuses or does not answer is tried again.
        """
        untap = self._store.tap(self._hear)
        pool = ThreadPoolExecutor(-(-self._at_once // TOGETHER), "etcdmeta-applier")
        try:
            while True:
                news = self._next_news()
                if self._stopping:
                    return
                self._require_lead()
                snapshot = self._store.latest()
                self._take_in(snapshot, news)
                if until_settled is not None and not self._is_at_work(snapshot, until_settled):
                    return
                self._give_out(snapshot, pool)
        finally:
            untap()
            pool.shutdown(wait=True, cancel_futures=True)

    def _hear(self, publication: Publication) -> None:
        with self._condition:
            if self._news.add(publication):
                self._condition.notify()

    def _next_news(self) -> _News:
        times = [work.next_time for work in self._works.values()]
        times += [after for plan_id, (after, _) in self._finish_after.items() if self._works[plan_id].is_over]
        soonest = min((t for t in times if t is not None), default=float("inf"))
        with self._condition:
            news = self._news
            if not (news.groups or news.plans or news.nodes or news.everything or news.ended or self._stopping):
                self._condition.wait(max(0.0, min(_LOOK_AT_FENCE, soonest - time.monotonic())))
            self._news = _News()
        return news

    # --- what has happened

    def _take_in(self, snapshot: Snapshot, news: _News) -> None:
        """``snapshot`` was taken after the news, so that it shows what came of every step."""
        now = time.monotonic()
        for ended in news.ended:
            self._under_way -= 1
            self._take_back(snapshot, ended, now)
        if news.everything or news.plans:
            self._keep_plans(snapshot, now, anew=news.everything)
        for work in self._works.values():
            work.touched(snapshot, news.groups, now)
            if news.nodes:
                work.nodes_changed(snapshot, now)

    def _take_back(self, snapshot: Snapshot, ended: _Ended, now: float) -> None:
        (plan_id, order, command), error = ended
        work = self._works.get(plan_id)
        if isinstance(error, Fenced | StoreClosed) or (error is not None and not isinstance(error, EtcdMetaError)):
            raise error
        if error is None:
            self.steps += 1
        else:
            _log.info("plan %d: %s: %s", plan_id, command.NAME, error)
        if work is None:
            return
        if order is not None:
            work.settle(snapshot, order.number, now, failed=error is not None)
        elif isinstance(command, FinishPlan):
            work.finishing = False
            tries = self._finish_after.get(plan_id, (0.0, 0))[1] + 1
            self._finish_after[plan_id] = (now + self._retries.rest(tries), tries)
            if isinstance(error, Refused):
                self._notes[plan_id] = _cannot_end(snapshot, work.plan, error)

    def _keep_plans(self, snapshot: Snapshot, now: float, *, anew: bool) -> None:
        """The work of each plan that is at work; anew where its state changed, so that what was given up is tried."""
        at_work = {plan.id: plan for plan in snapshot.plans() if plan.state in _AT_WORK}
        for plan_id in self._works.keys() - at_work.keys():
            del self._works[plan_id]
            self._finish_after.pop(plan_id, None)
        for plan_id, plan in at_work.items():
            work = self._works.get(plan_id)
            if work is None or anew or work.plan.state != plan.state:
                busy = None if work is None else work.busy
                self._works[plan_id] = PlanWork.of(snapshot, plan, now, self._retries, busy)
                self._finish_after.pop(plan_id, None)
            else:
                work.plan = plan

    # --- what is done next

    def _give_out(self, snapshot: Snapshot, pool: ThreadPoolExecutor) -> None:
        now = time.monotonic()
        load = load_with(snapshot, self._works.values())
        for plan_id, work in self._works.items():
            steps = [
                _Sent(plan_id, order, AdvanceMove(plan_id=plan_id, number=order.number, source=order.source))
                for order in work.take(snapshot, load, self._at_once - self._under_way, now)
            ]
            for first in range(0, len(steps), TOGETHER):
                self._send(pool, *steps[first : first + TOGETHER])
            given_up = work.given_up()
            if given_up:
                self._notes[plan_id] = _gave_up(work, given_up[-1], self._retries.attempts)
            self._note(pool, work, self._notes.pop(plan_id, ""))
            if work.is_over and self._finish_after.get(plan_id, (0.0, 0))[0] <= now:
                work.finishing = True
                self._send(pool, _Sent(plan_id, None, FinishPlan(plan_id=plan_id)))

    def _note(self, pool: ThreadPoolExecutor, work: PlanWork, text: str) -> None:
        note = "".join(c if c.isprintable() else " " for c in text).encode()[:LONGEST_REASON].decode(errors="ignore")
        if note and work.plan.note != note:
            self._send(pool, _Sent(work.plan.id, None, NotePlan(plan_id=work.plan.id, note=note)))

    def _send(self, pool: ThreadPoolExecutor, *together: _Sent) -> None:
        self._under_way += len(together)
        pool.submit(self._perform, together)

    def _perform(self, together: Sequence[_Sent]) -> None:
        errors = self._commit_together([sent.command for sent in together])
        with self._condition:
            self._news.ended += map(_Ended, together, errors)
            self._condition.notify()

    def _commit_together(self, commands: Sequence[Command]) -> list[BaseException | None]:
        """What became of each; None: committed. Errors are judged, or raised, in the thread of `run`."""
        if len(commands) > 1:
            try:
                self._store.execute_all(commands, timeout=self._timeout, fence=self._require_lead())
            except CommandTooLarge:
                half = len(commands) // 2
                return self._commit_together(commands[:half]) + self._commit_together(commands[half:])
            except _OF_ONE as refused:
                _log.debug("%d steps go alone: %s", len(commands), refused)
            except BaseException as error:  # noqa: BLE001 - see above
                return [error] * len(commands)
            else:
                return [None] * len(commands)
        return [self._commit(command) for command in commands]

    def _commit(self, command: Command) -> BaseException | None:
        try:
            self._store.execute(command, timeout=self._timeout, fence=self._require_lead())
        except BaseException as error:  # noqa: BLE001 - see above
            return error
        return None

    def _require_lead(self) -> Fence | None:
        """Raises `Fenced` where the lead is not held."""
        if self._fence is None:
            return None
        fence = self._fence()
        if fence is None:
            raise Fenced(
                "the lead of plans is not held any more",
                rule="one applier acts at a time",
                remedy="whoever leads now goes on",
            )
        return fence

    @staticmethod
    def _is_at_work(snapshot: Snapshot, plan_id: int) -> bool:
        plan = snapshot.find_plan(plan_id)
        return plan is not None and plan.state in _AT_WORK


def _gave_up(work: PlanWork, number: int, attempts: int) -> str:
    move = work.moves[number]
    return f"move {number}: the copy of shard {move.shard_id} to node {move.to_node} failed {attempts} times"


def _cannot_end(snapshot: Snapshot, plan: MovePlan, error: Refused) -> str:
    """With what to type. A node that is being removed cannot be drained, as who removes one by hand is told."""
    way_out = error.remedy
    if isinstance(error, NodeOwnsShards) and isinstance(error.value, tuple):
        shard_id = error.value[0]
        group_id = snapshot.tables.shards.get(shard_id)
        group = None if group_id is None else snapshot.find_group(group_id)
        shard = None if group is None else group.shard(shard_id)
        owners = [n for n in plan.subjects if shard is not None and shard.owner(n) is not None]
        way_out = f"`etcdmeta shard explain {shard_id}` says what keeps it"
        if owners:
            way_out += f"; where that is given up, `etcdmeta shard remove-owner {shard_id} {owners[0]}`"
    return f"cannot end: {error.message}" + (f"; {way_out}" if way_out else "")
