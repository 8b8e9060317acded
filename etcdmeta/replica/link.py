"""The outgoing side of a follower: members in turn, requests and streams in flight, what is to be done next.

Ids of requests and streams are never used again, so that a late answer to one that was given up finds
nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from etcdmeta.errors import Unavailable
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Kind, prefix_end
from etcdmeta.records.transaction import RawEvent
from etcdmeta.replica import actions, advisory
from etcdmeta.replica.actions import Action
from etcdmeta.replica.changes import Change
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.replica.counters import Counters


class Purpose(Enum):
    """What a read is to show."""

    PINNED = "the generation at the published revision"
    LEDGER = "the ledger entry of the published generation"
    PROBE = "the generation now"
    ADVISORY = "liveness or progress at the published revision"


@dataclass(frozen=True, slots=True)
class Pending:
    """A read in flight. ``snapshot`` is what was published when it was sent, at ``sent_at`` seconds."""

    purpose: Purpose
    sent_at: float
    snapshot: Snapshot
    kind: Kind | None = None
    """Which of the advisory kinds."""


class Link:
    """``member`` is the index of the first endpoint to use; ``out`` collects the actions of one step."""

    def __init__(self, endpoints: Sequence[str], prefix: bytes, config: FollowerConfig, member: int) -> None:
        self.counters = Counters()
        self.out: list[Action] = []
        self.stream_id: int | None = None
        self.list_id: int | None = None
        self._endpoints = tuple(endpoints)
        self._member = member
        self._prefix = prefix
        self._span = prefix + keys.STATE, prefix_end(prefix + keys.STATE)
        self._config = config
        self._numbers = itertools.count(1)
        self._reads: dict[int, Pending] = {}

    @property
    def endpoint(self) -> str:
        """The member whose turn it is."""
        return self._endpoints[self._member]

    @property
    def members(self) -> int:
        """How many there are."""
        return len(self._endpoints)

    def next_member(self) -> None:
        """Go round."""
        self._member = (self._member + 1) % len(self._endpoints)

    def list(self, now: float) -> None:
        """Ask for everything below ``state/``."""
        self.list_id = next(self._numbers)
        timeout = self._config.page_timeout
        self.out.append(actions.List(self.list_id, self.endpoint, *self._span, now + timeout, timeout))

    def open_watch(self, from_revision: int) -> None:
        """Ask for everything that happens below ``state/``."""
        self.stream_id = next(self._numbers)
        self.out.append(actions.OpenWatch(self.stream_id, self.endpoint, *self._span, from_revision))

    def ask_pinned(self, now: float, snapshot: Snapshot) -> None:
        """Read the generation at the published revision."""
        self._read(Pending(Purpose.PINNED, now, snapshot), keys.GENERATION, revision=snapshot.revision)

    def ask_ledger(self, now: float, snapshot: Snapshot, key: bytes) -> None:
        """Read what became of the last published commit."""
        self._read(Pending(Purpose.LEDGER, now, snapshot), key)

    def ask_generation(self, now: float, snapshot: Snapshot) -> None:
        """Probe: read the generation as it is now."""
        self._read(Pending(Purpose.PROBE, now, snapshot), keys.GENERATION)

    def ask_advisory(self, now: float, snapshot: Snapshot) -> None:
        """Read liveness and progress at the published revision."""
        for kind, (start, end) in advisory.SPANS.items():
            pending = Pending(Purpose.ADVISORY, now, snapshot, kind)
            self._read(pending, start, revision=snapshot.revision, range_end=end)

    def _read(self, pending: Pending, key: bytes, *, revision: int = 0, range_end: bytes | None = None) -> None:
        number = next(self._numbers)
        self._reads[number] = pending
        config = self._config
        timeout = config.probe_timeout if pending.purpose is Purpose.PROBE else config.request_timeout
        end = None if range_end is None else self._prefix + range_end
        deadline = pending.sent_at + timeout
        self.out.append(actions.Read(number, self.endpoint, self._prefix + key, deadline, revision, end))

    def publish(
        self, snapshot: Snapshot, changes: Sequence[Change], *, joined: bool, events: Sequence[RawEvent] = ()
    ) -> None:
        """Hand a picture out; new ones in quarantine are news of their own (danger 13)."""
        self.out.append(actions.Publish(snapshot, changes, joined, events))
        unreadable = len(snapshot.unreadable)
        if unreadable > self.counters.unreadable:
            last = list(snapshot.unreadable)[-1].decode("ascii", "backslashreplace")
            text = f"{unreadable} records cannot be read and are quarantined, the last is {last}"
            self.out.append(actions.Warn(text, "unreadable", unreadable))
        self.counters.unreadable = unreadable

    def take_read(self, number: int) -> Pending | None:
        """What an answer is for; None: it was given up."""
        pending = self._reads.pop(number, None)
        if pending is None:
            self.counters.superseded += 1
        return pending

    def is_current(self, number: int, expected: int | None) -> bool:
        """Whether an answer belongs to the list or stream in flight."""
        if number == expected:
            return True
        self.counters.superseded += 1
        return False

    def give_up_reads(self, purpose: Purpose | None = None) -> None:
        """All of one purpose, or all; their answers will be ignored."""
        self._reads = {
            number: pending
            for number, pending in self._reads.items()
            if purpose is not None and pending.purpose is not purpose
        }

    def disconnect(self) -> None:
        """Give up everything in flight."""
        if self.stream_id is not None:
            self.out.append(actions.CancelWatch(self.stream_id))
        self.stream_id = self.list_id = None
        self.give_up_reads()

    def count(self, counter: str, text: str) -> None:
        """Count something that went wrong, and say so; "": nothing did."""
        if not counter:
            return
        total = getattr(self.counters, counter) + 1
        setattr(self.counters, counter, total)
        self.out.append(actions.Warn(text, counter, total))

    def unavailable(self, what: str) -> Unavailable:
        """The error for something that this member did; ``what`` continues a sentence."""
        return Unavailable(f"{self.endpoint} {what}", value=self.endpoint)

    def blame(self, counter: str, what: str) -> Unavailable:
        """The same, and counted as a reason to leave."""
        setattr(self.counters, counter, getattr(self.counters, counter) + 1)
        return self.unavailable(what)
