"""The words of a transaction, and the shapes of what etcd says, without any I/O.

A plan speaks in relative keys; whoever commits puts the cluster's prefix in front. Counters are etcd's: `create` and
`mod` are the revisions of a key's creation and last change, `version` counts its changes since creation.
The `Raw…` protocols are the field names of etcd's own protobuf messages: a list of 100,000 records is handed
on as etcd's client library decoded it, since turning each into an object of ours would cost more than reading it.
What a transaction is made of are named tuples: one takes some twenty of them, and a frozen dataclass takes more than
twice as long to make and to hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol


class Counter(StrEnum):
    """Which of a key's counters a compare looks at."""

    CREATE = "create"
    MOD = "mod"
    VERSION = "version"


class Compare(NamedTuple):
    """One guard of a transaction: every existing key in [key, range_end) must satisfy it.

    Where there is no such key, all counters are 0 (measured on etcd 3.5.1, for ranges, too). So an empty range meets
    `none_in` and `unchanged_in`, and a delete goes unseen by them: what they protect is marked, not deleted (law 1).
    """

    key: bytes
    counter: Counter
    number: int
    less: bool = False
    range_end: bytes | None = None

    @classmethod
    def absent(cls, key: bytes) -> Compare:
        return cls(key, Counter.CREATE, 0)

    @classmethod
    def created(cls, key: bytes, revision: int) -> Compare:
        """The incarnation of the key that was read still lives."""
        return cls(key, Counter.CREATE, revision)

    @classmethod
    def modified(cls, key: bytes, revision: int) -> Compare:
        """The key has not changed since it was read."""
        return cls(key, Counter.MOD, revision)

    @classmethod
    def none_in(cls, start: bytes, end: bytes) -> Compare:
        """No key exists in [start, end)."""
        return cls(start, Counter.CREATE, 0, range_end=end)

    @classmethod
    def unchanged_in(cls, start: bytes, end: bytes, revision: int) -> Compare:
        """Nothing in [start, end) was put after ``revision``; deletes are not seen (law 1)."""
        return cls(start, Counter.MOD, revision + 1, less=True, range_end=end)

    def covers(self, key: bytes) -> bool:
        """Whether the compare looks at this key."""
        if self.range_end is None:
            return key == self.key
        return self.key <= key < self.range_end


class Put(NamedTuple):
    """``lease`` 0: none. ``return_previous``: the answer brings what stood there."""

    key: bytes
    value: bytes
    lease: int = 0
    return_previous: bool = False


class Delete(NamedTuple):
    """One key goes."""

    key: bytes


class DeleteRange(NamedTuple):
    """All keys in [start, end) go: one operation, whatever there is."""

    start: bytes
    end: bytes


Write = Put | Delete | DeleteRange


class Read(NamedTuple):
    """What the else-branch of a transaction reads."""

    key: bytes
    range_end: bytes | None = None
    keys_only: bool = False


@dataclass(frozen=True, slots=True)
class Transaction:
    """If every compare holds, all writes; else the reads. Keys are absolute here."""

    compares: tuple[Compare, ...]
    writes: tuple[Write, ...]
    reads: tuple[Read, ...] = ()


class RawKeyValue(Protocol):
    """etcd's ``mvccpb.KeyValue``."""

    @property
    def key(self) -> bytes: ...
    @property
    def value(self) -> bytes: ...
    @property
    def create_revision(self) -> int: ...
    @property
    def mod_revision(self) -> int: ...
    @property
    def version(self) -> int: ...
    @property
    def lease(self) -> int: ...


@dataclass(frozen=True, slots=True)
class KeyValue:
    """A `RawKeyValue` of our own making."""

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int = 1
    lease: int = 0


class RawHeader(Protocol):
    """etcd's ``ResponseHeader``: who answered, at which revision and raft term."""

    @property
    def cluster_id(self) -> int: ...
    @property
    def member_id(self) -> int: ...
    @property
    def revision(self) -> int: ...
    @property
    def raft_term(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Header:
    """A `RawHeader` of our own making."""

    revision: int
    cluster_id: int = 1
    member_id: int = 1
    raft_term: int = 1


PUT_EVENT = 0
DELETE_EVENT = 1


class RawEvent(Protocol):
    """etcd's ``mvccpb.Event``: ``type`` 0 is a put, 1 a delete (``kv`` then has key and mod_revision only)."""

    @property
    def type(self) -> int: ...
    @property
    def kv(self) -> RawKeyValue: ...


@dataclass(frozen=True, slots=True)
class Event:
    """A `RawEvent` of our own making."""

    type: int
    kv: KeyValue


class RawWatchResponse(Protocol):
    """etcd's ``WatchResponse``. ``fragment``: more of the same revision follows in the next response."""

    @property
    def header(self) -> RawHeader: ...
    @property
    def events(self) -> Sequence[RawEvent]: ...
    @property
    def created(self) -> bool: ...
    @property
    def canceled(self) -> bool: ...
    @property
    def compact_revision(self) -> int: ...
    @property
    def cancel_reason(self) -> str: ...
    @property
    def fragment(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class WatchResponse:
    """A `RawWatchResponse` of our own making."""

    header: Header
    events: tuple[Event, ...] = ()
    created: bool = False
    canceled: bool = False
    compact_revision: int = 0
    cancel_reason: str = ""
    fragment: bool = False


@dataclass(frozen=True, slots=True)
class Relayed:
    """A `RawWatchResponse` that an agent hands on, with what only the agent knows: how old its own picture is.

    ``age``: seconds since that was last proven current, None where it never was; ``live``: the agent follows at this
    moment, so that the age does not grow. ``joined``: the events are one step to the header's revision, which spans
    several revisions whose order nobody knows.
    """

    header: RawHeader
    age: float | None
    live: bool
    events: Sequence[RawEvent] = ()
    created: bool = False
    canceled: bool = False
    compact_revision: int = 0
    cancel_reason: str = ""
    fragment: bool = False
    joined: bool = False


@dataclass(frozen=True, slots=True)
class TxnResult:
    """The answer to a transaction. ``previous`` holds the prior values of puts that asked for them."""

    succeeded: bool
    header: RawHeader
    previous: dict[bytes, RawKeyValue]
    reads: tuple[Sequence[RawKeyValue], ...] = ()


@dataclass(frozen=True, slots=True)
class ReadResult:
    """The answer to a read: the header says the revision it was answered at.

    A page of a list that an agent answers from its memory says how old that is, as `Relayed` does.
    """

    header: RawHeader
    kvs: Sequence[RawKeyValue]
    more: bool = False
    age: float | None = None
    live: bool = True
