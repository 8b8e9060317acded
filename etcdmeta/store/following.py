"""History as it happens: each commit's ledger entries, as soon as the picture shows it.

The generation's record names the operations that it came from, so a commit that the watch brings says which entries to
read. Where a step of the picture spans several commits (a new listing), the ledger is read from the last revision that
was told. Nothing asks etcd whether there is something new.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from etcdmeta.consensus.protocol import Strategy
from etcdmeta.errors import StoreClosed, Unavailable
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.keys import Keyspace
from etcdmeta.store.driver import Driver
from etcdmeta.store.generations import Generations, generation_or_none
from etcdmeta.store.history import HistoryEntry, HistoryFilter, history_entry, read_after, read_entries
from etcdmeta.store.ledger import LedgerEntry, generation_keys
from etcdmeta.store.listeners import Publication

_MOST_WAITING = 10_000
"""Commits that wait to be told; with more, what they did is read from the ledger instead."""


class _Step(NamedTuple):
    """``whole``: exactly the commit of ``snapshot``'s generation; else everything up to its revision."""

    snapshot: Snapshot
    whole: bool


class Follower:
    """What a follower has still to tell. `note` is called by who publishes, all else by one reader."""

    def __init__(self, after: int | None) -> None:
        """``after``: the revision that was told last; None: begin with what comes now."""
        self._mutex = threading.Lock()
        self._steps: deque[_Step] = deque()
        self._last: Snapshot | None = None
        self._after = after
        self.told = 0

    def note(self, publication: Publication) -> None:
        """Quick, and raises nothing."""
        snapshot, before = publication.snapshot, self._last
        with self._mutex:
            self._last = snapshot
            if before is None:
                self.told = snapshot.revision if self._after is None else self._after
                if self.told < snapshot.revision:
                    self._steps.append(_Step(snapshot, False))
                return
            first = before.cluster is None and snapshot.restores == before.restores
            another = not first and snapshot.position.epoch != before.position.epoch
            if another:
                self._enter(before, snapshot)
            elif _marked(snapshot) == _marked(before):
                return  # liveness, or progress
            whole = not publication.joined and snapshot.generation == before.generation + 1
            if another or len(self._steps) >= _MOST_WAITING:
                self._steps.clear()
                whole = False
            self._steps.append(_Step(snapshot, whole))

    def _enter(self, before: Snapshot, snapshot: Snapshot) -> None:
        """Another history begins, whose revisions are other commits. Until somebody accepts a restore nothing is
        committed; what was since then, and the guard says since when, is still to be told."""
        accepted = snapshot.cluster
        if snapshot.restores > before.restores or accepted is None:
            self.told = min(self.told, snapshot.revision)
        else:
            self.told = min(self.told, accepted.mod_revision - 1)

    def next(self) -> _Step | None:
        """The oldest step; it stays until `done`."""
        with self._mutex:
            return self._steps[0] if self._steps else None

    def done(self, step: _Step) -> None:
        """It was told."""
        with self._mutex:
            if self._steps and self._steps[0] is step:
                self._steps.popleft()
            if self._last is not None and self._last.position.epoch == step.snapshot.position.epoch:
                self.told = max(self.told, step.snapshot.revision)

    @property
    def waiting(self) -> bool:
        return bool(self._steps)


def follow(
    strategy: Strategy,
    keyspace: Keyspace,
    driver: Driver,
    tap: Callable[[Callable[[Publication], None]], Callable[[], None]],
    wanted: HistoryFilter,
    after: int | None,
    deadline: Callable[[float | None], float],
    timeout: float | None,
) -> Iterator[HistoryEntry]:
    """See `etcdmeta.store.looking.Looking.follow_history`."""
    follower = Follower(after)
    end = tap(follower.note)  # now, not when the first is asked for
    return _follow(strategy, keyspace, driver, follower, end, wanted, deadline, timeout)


def _follow(
    strategy: Strategy,
    keyspace: Keyspace,
    driver: Driver,
    follower: Follower,
    end: Callable[[], None],
    wanted: HistoryFilter,
    deadline: Callable[[float | None], float],
    timeout: float | None,
) -> Iterator[HistoryEntry]:
    try:
        while driver.wait_until(lambda: follower.waiting, float("inf") if timeout is None else deadline(timeout)):
            step = follower.next()
            if step is None:
                continue
            try:
                entries = _told(strategy, keyspace, follower.told, step, deadline(None))
            except Unavailable:
                driver.check_open()
                continue  # it tried until its deadline; the step waits
            follower.done(step)
            for entry, generation in entries:
                if wanted.takes(entry):
                    yield history_entry(entry, generation)
    except StoreClosed:
        return
    finally:
        end()


def _told(
    strategy: Strategy, keyspace: Keyspace, told: int, step: _Step, deadline: float
) -> list[tuple[LedgerEntry, int | None]]:
    snapshot, mark = step.snapshot, step.snapshot.generation_mark
    if mark is None or mark.mod_revision <= told:
        return []
    named = generation_keys(mark.value) if step.whole else ()
    if named:
        found = read_entries(strategy, keyspace, named, mark.mod_revision, deadline)
        return [(entry, snapshot.generation) for entry in found]
    generations = Generations(strategy, keyspace, snapshot, deadline)
    return [
        (entry, generation_or_none(generations, entry.revision))
        for entry in read_after(strategy, keyspace, told, deadline)
        if not entry.void and entry.revision <= snapshot.revision
    ]


def _marked(snapshot: Snapshot) -> int:
    mark = snapshot.generation_mark
    return 0 if mark is None else mark.mod_revision
