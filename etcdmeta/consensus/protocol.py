"""The consensus strategy: what the store asks of whatever orders its commands.

One protocol, several kinds: ``etcd`` (the members of an etcd cluster vote), ``local`` (one process, the same
revisions, compares, compaction and failure words). Nothing above knows which kind runs.

All keys are absolute. ``deadline`` is an absolute time of ``time.monotonic()``, in seconds; no call is without one.
Every failure is a typed error of `etcdmeta.errors`, except the one that only a transaction can have:
`Ambiguous`. Definite refusals (permission, too large, no space …) are raised as what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from etcdmeta.records.transaction import RawWatchResponse, ReadResult, Transaction, TxnResult


class Ambiguous(Exception):
    """A transaction was sent and no proof came back: it may have happened, or may yet happen.

    Internal: the commit loop settles it by writing (see the protocol's "Outcomes"); no caller sees it.
    """


class Compacted(Exception):
    """The asked-for revision is compacted away; ``compact_revision`` is the oldest there is (0: not said)."""

    def __init__(self, compact_revision: int) -> None:
        super().__init__(f"compacted at revision {compact_revision}")
        self.compact_revision = compact_revision


class FutureRevision(Exception):
    """The asked-for revision does not exist yet: etcd is behind what was seen before (a restore)."""


class WatchStream(Protocol):
    """One watch on one member. Iterating blocks; ends after `cancel`; raises typed errors when the stream breaks."""

    @property
    def endpoint(self) -> str: ...
    def __iter__(self) -> Iterator[RawWatchResponse]: ...
    def cancel(self) -> None:
        """End the stream from any thread, at once, without error."""


class Strategy(Protocol):
    """List, watch, commit, position, peers."""

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where the members are asked; ("local",) for the in-process kind."""

    def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
        """Send once, to one member, never again. Raises `Ambiguous` for every outcome that is not definite."""

    def read(
        self,
        key: bytes,
        *,
        deadline: float,
        range_end: bytes | None = None,
        revision: int = 0,
        limit: int = 0,
        keys_only: bool = False,
        endpoint: str | None = None,
    ) -> ReadResult:
        """A linearizable read, or one pinned to a revision. Without ``endpoint`` other members are tried until the
        deadline. Raises `Compacted`, `FutureRevision`, and typed errors."""

    def list(
        self,
        start: bytes,
        end: bytes,
        *,
        deadline: float,
        revision: int = 0,
        page: int = 10_000,
        endpoint: str | None = None,
    ) -> Iterator[ReadResult]:
        """Pages of a range, all at one revision (the first page's, where 0), the next one requested before this one
        is worked on."""

    def watch(self, start: bytes, end: bytes, *, from_revision: int, endpoint: str) -> WatchStream:
        """Everything in the range from that revision on, with fragments allowed and ``hasleader`` demanded."""

    def grant_lease(self, ttl: int, *, deadline: float) -> int:
        """A new lease of ``ttl`` seconds; its id."""

    def keep_alive(self, lease: int, *, deadline: float) -> int:
        """Renew once; the seconds granted, 0 where the lease is gone."""

    def revoke_lease(self, lease: int, *, deadline: float) -> None: ...

    def status(self, endpoint: str, *, deadline: float) -> MemberStatus: ...

    def close(self) -> None:
        """Ends streams and channels; leaves no thread."""


class MemberStatus(Protocol):
    """What one member says of itself."""

    @property
    def endpoint(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def db_size(self) -> int:
        """Bytes."""

    @property
    def is_leader(self) -> bool: ...
    @property
    def leader(self) -> int:
        """The leader's member id; 0: none."""

    @property
    def member_id(self) -> int: ...
    @property
    def revision(self) -> int: ...
    @property
    def alarms(self) -> tuple[str, ...]: ...
