"""Watch answers → complete revisions: half a transaction is never seen (danger 2).

etcd ends an answer at the end of a revision, unless it had to split one for its size: then all parts but
the last say ``fragment``. So a revision is complete when an event of a later one follows, or an answer
without ``fragment`` ends. The header plays no part: during catch-up it is newer than the events (danger 3).
What an agent joined (`Relayed`) is one step to the header's revision, whatever revisions its records are of.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from etcdmeta.records.transaction import RawEvent, RawWatchResponse, Relayed


class Revision(NamedTuple):
    """Everything that one revision did in the watched range."""

    number: int
    events: Sequence[RawEvent]
    joined: bool = False


class Disordered(Exception):
    """Within one answer, or the parts of one, an event was older than the event before it."""


class Assembly:
    """The parts of one stream. What is incomplete when the stream ends is dropped with it, and comes again
    on the next one. It holds at most one incomplete revision, whose size etcd bounds.
    """

    def __init__(self) -> None:
        self.ready: deque[Revision] = deque()
        """Complete revisions, for the reader to take."""
        self.ready_events = 0
        """How many events were made ready since a reader last set it back."""
        self._number = 0
        self._events: list[RawEvent] = []
        self._parts = 1

    def add(self, response: RawWatchResponse) -> None:
        """Make ready what this answer completes, in order. Raises `Disordered`."""
        if isinstance(response, Relayed) and response.joined:
            self._finish()
            self.ready.append(Revision(response.header.revision, response.events, joined=True))
            self.ready_events += len(response.events)
            return
        if self._events:
            self._parts += 1
        events: Sequence[RawEvent] = list(response.events)  # each is made once only
        if len({event.kv.mod_revision for event in events}) == 1 and self._number in {0, events[0].kv.mod_revision}:
            # All of one revision, which is by far the most common: half the time of one by one.
            self._number = events[0].kv.mod_revision
            self._events += events
            events = ()
        for event in events:
            number = event.kv.mod_revision
            if number != self._number:
                if number < self._number:
                    raise Disordered(f"revision {number} after {self._number}")
                self._finish()
                self._number = number
            self._events.append(event)
        if not response.fragment:
            self._finish()
            self._number = 0

    def _finish(self) -> None:
        if not self._events:
            return
        events = self._events
        if self._parts > 1:
            # One transaction writes a key once, so the same key again is a part that was delivered twice.
            events = list({event.kv.key: event for event in events}.values())
        self.ready.append(Revision(self._number, events))
        self.ready_events += len(events)
        self._events = []
        self._parts = 1
