"""What a follower is told: answers to its own requests, the watch's messages, and the time.

Requests and streams carry the number that the follower gave them; answers to one that was given up are
ignored. Whoever drives the follower turns the failures of its transport into these: `etcdmeta.consensus` is
a floor above.
"""

from __future__ import annotations

from dataclasses import dataclass

from etcdmeta.errors import EtcdMetaError
from etcdmeta.records.transaction import RawWatchResponse, ReadResult


@dataclass(frozen=True, slots=True)
class Started:
    """Begin."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed; due at the latest `WakeAt`, harmless at any time."""


@dataclass(frozen=True, slots=True)
class Closed:
    """End for good."""


@dataclass(frozen=True, slots=True)
class Distrusted:
    """Somebody met what the picture does not explain, as a compare that failed though nothing differs."""

    reason: str


@dataclass(frozen=True, slots=True)
class ListPage:
    """One page; all of a list are at the revision in the first page's header."""

    request_id: int
    page: ReadResult


@dataclass(frozen=True, slots=True)
class ListEnded:
    """The page before was the last."""

    request_id: int


@dataclass(frozen=True, slots=True)
class ListCompacted:
    """The list's revision was compacted away between two pages."""

    request_id: int


@dataclass(frozen=True, slots=True)
class ListFailed:
    """The list ended with an error; pages that came before count for nothing."""

    request_id: int
    error: EtcdMetaError


@dataclass(frozen=True, slots=True)
class ReadAnswered:
    """The header says at which revision etcd was, not which one was read."""

    request_id: int
    result: ReadResult


@dataclass(frozen=True, slots=True)
class ReadCompacted:
    """The revision of a pinned read is compacted away."""

    request_id: int


@dataclass(frozen=True, slots=True)
class ReadAhead:
    """The revision of a pinned read does not exist yet: etcd is behind what was published."""

    request_id: int


@dataclass(frozen=True, slots=True)
class ReadFailed:
    """No answer, or a refusal."""

    request_id: int
    error: EtcdMetaError


@dataclass(frozen=True, slots=True)
class WatchAnswer:
    """The next message of a stream, in its order."""

    stream_id: int
    response: RawWatchResponse


@dataclass(frozen=True, slots=True)
class WatchBroke:
    """The stream ended by itself, or could not be opened. ``error`` None: it ended without one."""

    stream_id: int
    error: EtcdMetaError | None


ReadOutcome = ReadAnswered | ReadCompacted | ReadAhead | ReadFailed

Input = (
    Started
    | Tick
    | Closed
    | Distrusted
    | ListPage
    | ListEnded
    | ListCompacted
    | ListFailed
    | ReadOutcome
    | WatchAnswer
    | WatchBroke
)
