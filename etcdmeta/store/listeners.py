"""Handing changes to those who listen; the cache never waits for one (danger 12).

Each listener has a bounded queue. When it overflows, all of it becomes one `Lagged` with the picture to go on
from. The last changes are also kept in a bounded log, so that a listener who says since when it wants to know gets
them one by one, and only where the log does not reach, the difference of the two pictures.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.transaction import RawEvent
from etcdmeta.replica.changes import Change, Lagged, news_of
from etcdmeta.replica.listing import diff, events_between
from etcdmeta.store.waiters import seconds_until

QUEUE_LIMIT = 10_000
LOG_LIMIT = 4096


class Publication(NamedTuple):
    """One step of the picture. ``events`` as a watch delivers them, with absolute keys: all of one revision, or, where
    the step is ``joined``, the difference to the picture before; none of a first picture."""

    snapshot: Snapshot
    changes: Sequence[Change]
    joined: bool
    events: Sequence[RawEvent]


class Listener:
    """One reader's queue. `offer` never blocks; `take` does."""

    def __init__(self, limit: int = QUEUE_LIMIT) -> None:
        self._limit = limit
        self._condition = threading.Condition()
        self._items: deque[Change | Lagged] = deque()
        self._closed = False

    def offer(self, snapshot: Snapshot, changes: Sequence[Change]) -> None:
        with self._condition:
            if len(self._items) + len(changes) > self._limit:
                self._items.clear()
                self._items.append(Lagged(snapshot))
            elif self._items and isinstance(self._items[0], Lagged):
                # Still not read: the picture it goes on from may as well be this one.
                self._items.clear()
                self._items.append(Lagged(snapshot))
            else:
                self._items.extend(changes)
            self._condition.notify()

    def take(self, deadline: float) -> Change | Lagged | None:
        """The next item; None past the deadline (monotonic seconds), or after the end."""
        with self._condition:
            while not self._items and not self._closed and time.monotonic() < deadline:
                self._condition.wait(seconds_until(deadline))
            return self._items.popleft() if self._items else None

    @property
    def closed(self) -> bool:
        return self._closed

    def close(self) -> None:
        with self._condition:
            self._closed = True
            self._condition.notify_all()


class Listeners:
    """All listeners of one store. The publisher calls `publish`, under the lock that orders publications."""

    def __init__(self, prefix: bytes = b"") -> None:
        self._prefix = prefix
        self._taps: tuple[Callable[[Publication], None], ...] = ()
        self._mutex = threading.Lock()
        self._listeners: set[Listener] = set()
        self._log: list[Sequence[Change]] = []
        self._logged = 0
        self._log_from: Snapshot | None = None
        self._current: Snapshot | None = None

    def tap(self, callback: Callable[[Publication], None]) -> Callable[[], None]:
        """Hear of every publication, in order, from the current picture on; what ends it."""
        with self._mutex:
            self._taps = (*self._taps, callback)
            if self._current is not None:
                callback(Publication(self._current, (), False, ()))

        def end() -> None:
            with self._mutex:
                self._taps = tuple(each for each in self._taps if each is not callback)

        return end

    def publish(
        self, snapshot: Snapshot, changes: Sequence[Change], joined: bool = False, events: Sequence[RawEvent] = ()
    ) -> None:
        news = news_of(changes)
        with self._mutex:
            if self._log_from is None:
                self._log_from = self._current or snapshot
            other_epoch = self._log_from.position.epoch != snapshot.position.epoch
            if other_epoch or self._logged + len(news) > LOG_LIMIT:
                self._log, self._logged = [], 0
                self._log_from = snapshot
            elif news:
                self._log.append(news)
                self._logged += len(news)
            self._current = snapshot
            if self._taps:
                if joined:
                    events = events_between(changes, snapshot, self._prefix)
                publication = Publication(snapshot, changes, joined, events)
                for tap in self._taps:
                    tap(publication)
            if news:
                for listener in self._listeners:
                    listener.offer(snapshot, news)

    def subscribe(self, since: Snapshot | None) -> tuple[Listener, tuple[Change, ...]]:
        """A listener from now on, and what changed between ``since`` and now (nothing where it is None)."""
        listener = Listener()
        with self._mutex:
            self._listeners.add(listener)
            current = self._current
            if since is None or current is None or since.position == current.position:
                return listener, ()
            start = self._log_from
            covered = (
                start is not None
                and start.position.epoch == since.position.epoch == current.position.epoch
                and start.revision <= since.revision
            )
            logged = [news for news in self._log if news[0].revision > since.revision] if covered else None
        missed: Iterable[Change] = news_of(diff(since, current)) if logged is None else chain.from_iterable(logged)
        return listener, tuple(missed)

    def unsubscribe(self, listener: Listener) -> None:
        with self._mutex:
            self._listeners.discard(listener)
        listener.close()

    def close(self) -> None:
        with self._mutex:
            listeners, self._listeners = list(self._listeners), set()
        for listener in listeners:
            listener.close()
