"""What a follower asks for, in the order in which it is to be done.

Keys are absolute. ``deadline`` and ``time`` are in seconds of the clock that `Follower.receive` is given;
every request is to be answered, or failed, by its deadline. None of them may block the driver.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etcdmeta.errors import EtcdMetaError
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.transaction import RawEvent
from etcdmeta.replica.changes import Change
from etcdmeta.replica.states import FollowerState


@dataclass(frozen=True, slots=True)
class List:
    """Read [start, end) in pages, all at one revision. ``deadline`` is the first page's; each later page has
    ``page_timeout`` seconds.
    """

    request_id: int
    endpoint: str
    start: bytes
    end: bytes
    deadline: float
    page_timeout: float


@dataclass(frozen=True, slots=True)
class Read:
    """A linearizable read of one key, or of [key, range_end); at ``revision`` where that is not 0."""

    request_id: int
    endpoint: str
    key: bytes
    deadline: float
    revision: int = 0
    range_end: bytes | None = None


@dataclass(frozen=True, slots=True)
class OpenWatch:
    """Watch [start, end) from a revision on; every answer comes back under ``stream_id``."""

    stream_id: int
    endpoint: str
    start: bytes
    end: bytes
    from_revision: int


@dataclass(frozen=True, slots=True)
class CancelWatch:
    """End the stream; what it still says is ignored."""

    stream_id: int


@dataclass(frozen=True, slots=True)
class Publish:
    """The next picture, by one reference swap, and what changed since the one before.

    ``joined``: the changes are the difference of two lists, which may span several commits. A picture whose
    position has another epoch does not continue the one before: etcd was restored. ``events`` are the revision's own,
    as they came, where it is one revision; else none.
    """

    snapshot: Snapshot
    changes: Sequence[Change]
    joined: bool
    events: Sequence[RawEvent] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """State, problem or member have changed. ``problem`` None: nothing is wrong."""

    state: FollowerState
    problem: EtcdMetaError | None
    endpoint: str | None


@dataclass(frozen=True, slots=True)
class Warn:
    """For the log: what happened, under which of the `Counters`, and how often by now."""

    text: str
    counter: str
    total: int


@dataclass(frozen=True, slots=True)
class WakeAt:
    """Send a `Tick` at this time. It replaces the one before; every tick is answered by one, until the end."""

    time: float


Action = List | Read | OpenWatch | CancelWatch | Publish | Report | Warn | WakeAt
