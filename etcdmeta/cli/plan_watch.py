"""Watching a plan while it is carried out: how far it is, what goes wrong, and what it waits for, on stderr."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from etcdmeta.cli.plan_moves import Agreement, rows_of
from etcdmeta.cli.plan_tally import Tally
from etcdmeta.cli.text import cut
from etcdmeta.model.health import span_text
from etcdmeta.model.moveplans import MovePlan, PlanState
from etcdmeta.model.moves import MoveState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.keys import Kind

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session
    from etcdmeta.store import MetaStore
    from etcdmeta.store.listeners import Publication

WHY_AFTER = 5.0
"""Seconds in which nothing moved, after which it is said why."""
_LOOKED_AT = 1000
"""Moves, at most, that are asked why they stand still."""
_TOLD = 3
_ENOUGH = 3
"""Moves that have to be done before it is said how long the others may take."""
_NAMED = 5
_CLEAR = "\r\x1b[K"
_AT_WORK = frozenset({PlanState.RUNNING, PlanState.ABORTING})


class Touched(NamedTuple):
    """``groups`` None: anything may have changed."""

    groups: set[int] | None


class News:
    """What the store published since the last look, of what a plan depends on; bounded by how many groups there are."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._groups: set[int] = set()
        self._everything = False
        self._woken = False

    def hear(self, publication: Publication) -> None:
        """Called under the publisher's lock: quick."""
        with self._condition:
            if publication.joined or not publication.changes:
                self._everything = True
            for change in publication.changes:
                kind, where = change.place
                if kind is Kind.GROUP:
                    self._groups.add(int(where[3]))
                elif kind is Kind.NODE:
                    self._everything = True
            self._woken = True
            self._condition.notify()

    def wake(self) -> None:
        """Something else is worth a look."""
        with self._condition:
            self._woken = True
            self._condition.notify()

    def take(self, timeout: float) -> Touched:
        """Wait for the next piece of news at most that long."""
        with self._condition:
            if not self._woken:
                self._condition.wait(max(0.0, timeout))
            taken = Touched(None if self._everything else self._groups)
            self._groups, self._everything, self._woken = set(), False, False
        return taken


@contextmanager
def news_of(store: MetaStore) -> Iterator[News]:
    """What happens while the block runs."""
    news = News()
    untap = store.tap(news.hear)
    try:
        yield news
    finally:
        untap()


class Telling:
    """Says on stderr how far a plan is: one line in place on a terminal, else a line at each change of note."""

    def __init__(self, session: Session, snapshot: Snapshot, plan: MovePlan) -> None:
        self._session = session
        self._tally = Tally(snapshot, plan)
        self._inline = session.stderr.isatty() and not session.quiet and not session.verbosity
        self._drawn = ""
        self._said: dict[str, str] = {}
        self._began = self._moved = time.monotonic()
        self._settled_at_first = self._tally.settled
        self._tenth = -1
        self._carried = True

    def look(self, snapshot: Snapshot, touched: Touched, *, carried: str, is_carried: bool) -> MovePlan:
        """Say what is new in this picture. ``carried``: by whom the plan is carried out, in a sentence; "" not known.

        Raises `PlanNotFound` where the plan was forgotten.
        """
        plan = snapshot.plan(self._tally.plan.id)
        before = self._tally.plan.state
        changed = self._tally.take_in(snapshot, touched.groups)
        if changed or plan.state != before or is_carried != self._carried:
            self._moved = time.monotonic()
        self._carried = is_carried
        self._once("carried", carried)
        how = " is aborting" if plan.state == PlanState.ABORTING else ""  # then the note is why
        self._once("note", f"plan {plan.id}{how}: {plan.note}" if plan.note and plan.state in _AT_WORK else "")
        self._tell_failures(snapshot, plan, changed)
        if self._inline:
            self._draw(f"plan {plan.id}: {self._words(snapshot)}")
        else:
            tenth = 10 * self._tally.settled // max(1, plan.moves)
            if tenth != self._tenth:
                self._tenth = tenth
                self._session.note(f"plan {plan.id}: {self._words(snapshot)}")
        stands = time.monotonic() - self._moved >= WHY_AFTER and not self._tally.counts[MoveState.COPYING]
        if stands and plan.state in _AT_WORK:
            self._once("why", self._why(snapshot, plan))
        return plan

    @property
    def counts(self) -> Mapping[MoveState, int]:
        """The moves by state, as they were last."""
        return self._tally.counts

    def say(self, text: str, *, level: str = "info") -> None:
        """A line of its own; the line that is drawn in place comes again below."""
        self._clear()
        self._session.note(text, level=level)

    def close(self) -> None:
        """Nothing stays drawn."""
        self._clear()

    def _words(self, snapshot: Snapshot) -> str:
        text = self._tally.words(snapshot)
        done = self._tally.settled - self._settled_at_first
        left = len(self._tally.moves) - self._tally.settled
        seconds = left * (time.monotonic() - self._began) / done if done >= _ENOUGH else 0.0  # as the others took
        return f"{text}, about {span_text(seconds)} left" if seconds >= 1 else text

    def _tell_failures(self, snapshot: Snapshot, plan: MovePlan, changed: list[int]) -> None:
        failed = [number for number in changed if self._tally.states[number] is MoveState.FAILED]
        for row in rows_of(snapshot, plan, ((n, self._tally.moves[n]) for n in failed[:_NAMED]), limits=False):
            move = row.move
            self.say(f"plan {plan.id}, move {row.number}: shard {move.shard_id} to node {move.to_node}: {row.why}")
        if len(failed) > _NAMED:
            self.say(f"plan {plan.id}: {len(failed) - _NAMED} more copies failed")

    def _why(self, snapshot: Snapshot, plan: MovePlan) -> str:
        """What the moves that are left wait for, the most frequent reasons first; "" where nothing keeps them."""
        numbers = self._tally.numbers(MoveState.WAITING, MoveState.FAILED, MoveState.COPIED, MoveState.LEAVING)
        rows = rows_of(snapshot, plan, ((n, self._tally.moves[n]) for n in numbers[:_LOOKED_AT]))
        reasons = Counter(row.why for row in rows if row.why and row.agreement is not Agreement.LEFT)
        if not reasons:
            return ""
        told = [f"{why} ({count} moves)" if count > 1 else why for why, count in reasons.most_common(_TOLD)]
        more = len(reasons) - len(told)
        return f"plan {plan.id} waits: {'; '.join(told)}" + (f"; and {more} more reasons" if more else "")

    def _once(self, what: str, text: str) -> None:
        if text and self._said.get(what) != text:
            self.say(text)
        self._said[what] = text

    def _draw(self, text: str) -> None:
        room = max(20, shutil.get_terminal_size().columns - 1)
        text = cut(text, room, "…" if self._session.output.utf8 else "...")
        if text != self._drawn:
            self._session.stderr.write(_CLEAR + text)
            self._session.stderr.flush()
            self._drawn = text

    def _clear(self) -> None:
        if self._drawn:
            self._session.stderr.write(_CLEAR)
            self._session.stderr.flush()
            self._drawn = ""
