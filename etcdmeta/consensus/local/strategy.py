"""`LocalStrategy`: one client of a `LocalCluster`, with faults that tests can order."""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from etcdmeta.consensus.local.cluster import PROGRESS, LocalCluster
from etcdmeta.consensus.local.refusals import check_transaction
from etcdmeta.consensus.protocol import Ambiguous, Compacted
from etcdmeta.errors import ForkedProcess, InvalidAddress, InvalidInput, StoreClosed, Unavailable
from etcdmeta.records.transaction import WatchResponse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etcdmeta.records.transaction import ReadResult, Transaction, TxnResult

ENDPOINT = "local"


class _Fault(Enum):
    LOSE_ANSWER = "the answer was lost"
    LOSE_REQUEST = "the request was lost"
    HOLD_REQUEST = "the request is held up"


@dataclass(frozen=True, slots=True)
class LocalMemberStatus:
    """The one member there is; `etcdmeta.consensus.protocol.MemberStatus` says what the fields are."""

    revision: int
    endpoint: str = ENDPOINT
    version: str = "local"
    db_size: int = 0
    is_leader: bool = True
    leader: int = 1
    member_id: int = 1
    alarms: tuple[str, ...] = ()


class LocalStrategy:
    """A `etcdmeta.consensus.protocol.Strategy`. Thread-safe; of one process, as the kind over etcd is.

    Faults, for tests: each of `lose_answer`, `lose_request` and `hold_request` concerns one transaction, in
    the order in which they were called; `disconnect` lasts until `reconnect`.
    """

    def __init__(self, cluster: LocalCluster | None = None) -> None:
        self.cluster = cluster or LocalCluster()
        self._pid = os.getpid()
        self._closed = False
        self._connected = True
        self._faults: deque[_Fault] = deque()
        self._held: list[Transaction] = []

    @property
    def endpoints(self) -> tuple[str, ...]:
        """Where the members are asked."""
        return (ENDPOINT,)

    def lose_answer(self) -> None:
        """The next transaction is applied, and raises `Ambiguous`."""
        self._faults.append(_Fault.LOSE_ANSWER)

    def lose_request(self) -> None:
        """The next transaction is not applied, and raises `Ambiguous`."""
        self._faults.append(_Fault.LOSE_REQUEST)

    def hold_request(self) -> None:
        """The next transaction raises `Ambiguous`, and is applied at `release`."""
        self._faults.append(_Fault.HOLD_REQUEST)

    def release(self) -> tuple[TxnResult, ...]:
        """Applies what was held, in order; what came of each."""
        with self.cluster.changed:
            held, self._held = self._held, []
            return tuple(self.cluster.transact(txn) for txn in held)

    def disconnect(self) -> None:
        """Every call raises `Unavailable`, and so does every watch of this client."""
        with self.cluster.changed:
            self._connected = False
            self.cluster.changed.notify_all()

    def reconnect(self) -> None:
        """Ends `disconnect`."""
        with self.cluster.changed:
            self._connected = True

    def transact(self, txn: Transaction, *, deadline: float) -> TxnResult:
        """Applies the transaction, but for ordered faults. Raises what etcd would raise."""
        self._check(deadline)
        check_transaction(txn)
        with self.cluster.changed:
            fault = self._faults.popleft() if self._faults else None
            if fault is None:
                return self.cluster.transact(txn)
            if fault is _Fault.LOSE_ANSWER:
                self.cluster.transact(txn)
            elif fault is _Fault.HOLD_REQUEST:
                self._held.append(txn)
            raise Ambiguous(f"{ENDPOINT}: {fault.value}")

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
        """A read, now or at a revision. Raises `Compacted`, `FutureRevision`, `Unavailable`."""
        self._check(deadline, endpoint)
        if not key:
            raise InvalidInput("the key is empty", value=key, rule="etcd's keys have at least a byte")
        return self.cluster.read(key, range_end, revision=revision, limit=limit, keys_only=keys_only)

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
        """Pages of a range, at one revision."""
        while True:
            result = self.read(
                start, range_end=end, deadline=deadline, revision=revision, limit=page, endpoint=endpoint
            )
            yield result
            if not result.more:
                return
            revision = revision or result.header.revision
            start = result.kvs[-1].key + b"\0"

    def watch(self, start: bytes, end: bytes, *, from_revision: int, endpoint: str) -> LocalWatchStream:
        """A stream that begins when it is iterated."""
        self._check_usable(endpoint)
        return LocalWatchStream(self, start, end, from_revision)

    def grant_lease(self, ttl: int, *, deadline: float) -> int:
        """A new lease of ``ttl`` seconds; its id."""
        self._check(deadline)
        return self.cluster.grant_lease(ttl)

    def keep_alive(self, lease: int, *, deadline: float) -> int:
        """Renew once; the seconds granted, 0 where the lease is gone."""
        self._check(deadline)
        return self.cluster.keep_alive(lease)

    def revoke_lease(self, lease: int, *, deadline: float) -> None:
        """End a lease and its keys; one that is gone is no error."""
        self._check(deadline)
        self.cluster.revoke_lease(lease)

    def peers(self, *, deadline: float) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """None: no other process reaches this one's memory."""
        return ()

    def status(self, endpoint: str, *, deadline: float) -> LocalMemberStatus:
        """What the member says of itself."""
        self._check(deadline, endpoint)
        return LocalMemberStatus(self.cluster.revision)

    def close(self) -> None:
        """Ends calls and streams; leaves no thread. Twice is no error."""
        with self.cluster.changed:
            self._closed = True
            self.cluster.changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def check_connected(self) -> None:
        """Raises `Unavailable` between `disconnect` and `reconnect`."""
        if not self._connected:
            raise Unavailable(f"{ENDPOINT} is disconnected", value=ENDPOINT)

    def _check_usable(self, endpoint: str | None = None) -> None:
        if os.getpid() != self._pid:
            raise ForkedProcess(
                "the store was opened before this process was forked",
                rule="what is in memory is not shared with a child",
                remedy="open a store in the child",
            )
        if self._closed:
            raise StoreClosed("the connection is closed")
        if endpoint not in {None, ENDPOINT}:
            raise InvalidAddress(f"{endpoint} is not one of this connection's endpoints", value=endpoint, rule=ENDPOINT)

    def _check(self, deadline: float, endpoint: str | None = None) -> None:
        self._check_usable(endpoint)
        self.check_connected()
        if time.monotonic() >= deadline:
            raise Unavailable("no time was left to ask", rule="the caller's deadline had passed")


class LocalWatchStream:
    """A `etcdmeta.consensus.protocol.WatchStream`. It holds a place in the history, and no queue."""

    def __init__(self, client: LocalStrategy, start: bytes, end: bytes, from_revision: int) -> None:
        self._client = client
        self._cluster = client.cluster
        self._start, self._end = start, end
        self._next_revision = from_revision
        self._cancelled = threading.Event()

    @property
    def endpoint(self) -> str:
        """Where it watches."""
        return ENDPOINT

    def __iter__(self) -> Iterator[WatchResponse]:
        """Blocks for each answer; ends after `cancel`. Raises `Unavailable` where it is cut off."""
        with self._cluster.changed:
            era, header = self._cluster.era, self._cluster.header()
            self._next_revision = self._next_revision or header.revision + 1
        yield WatchResponse(header, created=True)
        while True:
            with self._cluster.changed:
                response = self._next(era)
            if response is None:
                return
            yield response
            if response.canceled:
                return

    def _next(self, era: int) -> WatchResponse | None:
        """Waits for something to tell, at most until progress is due; None after `cancel` or `close`."""
        progress_due = time.monotonic() + PROGRESS
        while not (self._cancelled.is_set() or self._client.closed):
            self._client.check_connected()
            if self._cluster.era != era:
                raise Unavailable(f"{ENDPOINT} ended the watch", value=ENDPOINT)
            try:
                response = self._cluster.watched(self._start, self._end, self._next_revision)
            except Compacted as compacted:
                return WatchResponse(self._cluster.header(), canceled=True, compact_revision=compacted.compact_revision)
            # Never back: a watch may begin in the future.
            self._next_revision = max(self._next_revision, response.header.revision + 1)
            if response.events or time.monotonic() >= progress_due:
                return response
            self._cluster.changed.wait(self._cluster.quiet_seconds())
        return None

    def cancel(self) -> None:
        """Ends the stream from any thread, at once, without error."""
        with self._cluster.changed:
            self._cancelled.set()
            self._cluster.changed.notify_all()
