"""The consensus strategy: what the store asks of whatever orders its commands.

One protocol, several kinds: ``etcd`` (the members of an etcd cluster vote), ``local`` (one process, the same
revisions, compares, compaction and failure words), ``agent`` (delegates to agents, which have one of the others).
Nothing above knows which kind runs, but for the one place in the store that asks whether to plan itself, or to hand
commands to a `Delegate`.

All keys are absolute. ``deadline`` is an absolute time of ``time.monotonic()``, in seconds; no call is without one.
Every failure is a typed error of `etcdmeta.errors`, except the one that only a transaction can have:
`Ambiguous`. Definite refusals (permission, too large, no space …) are raised as what they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from etcdmeta.records.transaction import RawWatchResponse, ReadResult, Transaction, TxnResult

if TYPE_CHECKING:
    from etcdmeta.wire.pb import agent_pb2 as pb


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

    def peers(self, *, deadline: float) -> tuple[str, ...]:
        """Where a node that joins finds those who vote: the client URLs in etcd's own member list, so that it
        stays true when members change. Empty where nobody else can reach them."""

    def status(self, endpoint: str, *, deadline: float) -> MemberStatus: ...

    def close(self) -> None:
        """Ends streams and channels; leaves no thread."""


@runtime_checkable
class Delegate(Strategy, Protocol):
    """A strategy that does not order commands itself: it hands them to agents, each as often as the caller says so.

    `transact` is for liveness and progress alone here; all other transactions are `Defect`s.
    """

    def order(self) -> tuple[str, ...]:
        """The endpoints to send to, the likeliest to answer first; never empty."""

    def execute(self, request: pb.ExecuteRequest, endpoint: str, *, deadline: float) -> pb.ExecuteResponse:
        """Send once, to that agent. Raises the agent's own error, `Unavailable` where nothing was sent, and `Ambiguous`
        where no answer came; the same ids may then be sent again."""

    def conclude(self, request: pb.ConcludeRequest, *, deadline: float) -> pb.ConcludeResponse:
        """How an operation ended; as the rest, to any agent that answers, repeated until the deadline."""

    def verify_password(self, request: pb.VerifyPasswordRequest, *, deadline: float) -> pb.VerifyPasswordResponse: ...
    def prune_ledger(self, request: pb.PruneLedgerRequest, *, deadline: float) -> pb.PruneLedgerResponse: ...
    def join(self, request: pb.JoinRequest, *, deadline: float) -> pb.JoinResponse: ...
    def leave(self, request: pb.LeaveRequest, *, deadline: float) -> pb.LeaveResponse: ...
    def agent_status(self, endpoint: str, *, deadline: float) -> pb.StatusResponse:
        """What one agent says of itself, its picture and its source."""


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
