"""Looking around: what was done, how it was, and how the members are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Protocol

from etcdmeta.consensus.protocol import MemberStatus, Strategy
from etcdmeta.errors import EtcdMetaError
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.keys import Keyspace
from etcdmeta.store.driver import Driver
from etcdmeta.store.following import follow
from etcdmeta.store.history import HistoryEntry, HistoryFilter, read_history
from etcdmeta.store.listeners import Publication
from etcdmeta.store.past import OwnerEvent, read_owner_history, read_snapshot, read_time
from etcdmeta.store.peers import ask_peers
from etcdmeta.store.touching import Touching


class Looks(Protocol):
    """What of a `MetaStore` these methods need."""

    _driver: Driver

    @property
    def strategy(self) -> Strategy: ...
    @property
    def keyspace(self) -> Keyspace: ...
    def latest(self) -> Snapshot: ...
    def read_consistent(self, timeout: float | None = None) -> Snapshot: ...
    def tap(self, callback: Callable[[Publication], None]) -> Callable[[], None]: ...
    def deadline(self, timeout: float | None) -> float: ...


class Looking:
    """Reads of etcd itself, beside the picture; nothing is written."""

    def history(
        self: Looks,
        *,
        limit: int | None = 50,
        operation_id: str | None = None,
        actors: Collection[str] | None = None,
        commands: Sequence[str] = (),
        since: int | None = None,
        until: int | None = None,
        touching: Sequence[Touching] = (),
        timeout: float | None = None,
    ) -> list[HistoryEntry]:
        """The ledger's newest ``limit`` entries that the filters take, oldest of them first; one operation's, where an
        id is given. The filters are those of `etcdmeta.store.history.HistoryFilter`; `etcdmeta.store.touching` makes
        ``touching`` of nouns and names. Only the newest 200 know their generation. Raises `Unavailable`.
        """
        wanted = HistoryFilter(actors, commands, since, until, touching)
        deadline = self.deadline(timeout)
        return read_history(self.strategy, self.keyspace, self.latest(), limit, operation_id, deadline, wanted)

    def follow_history(
        self: Looks,
        *,
        after: int | None = None,
        actors: Collection[str] | None = None,
        commands: Sequence[str] = (),
        until: int | None = None,
        touching: Sequence[Touching] = (),
        timeout: float | None = None,
    ) -> Iterator[HistoryEntry]:
        """What is done from now on, or from the revision ``after`` on, in order, each once, as the picture shows it.

        Driven by the watch; what a new listing had to bridge is read from the ledger. Void operations, which became no
        generation, are not told. While etcd is away it waits. Ends when the store is closed, or when nothing was
        committed for ``timeout`` seconds (None: never). Raises what reading the ledger raises, but for `Unavailable`.
        """
        wanted = HistoryFilter(actors, commands, None, until, touching)
        return follow(self.strategy, self.keyspace, self._driver, self.tap, wanted, after, self.deadline, timeout)

    def snapshot_at(self: Looks, generation: int, *, timeout: float | None = None) -> Snapshot:
        """The picture as it was at a generation, liveness included, as far back as etcd has not compacted.

        Raises `HistoryCompacted` with the oldest that is there, `InvalidInput` for a generation that has not come yet,
        `NotFound` for one that a restore took back, `Unavailable`.
        """
        current = self.latest()
        if generation > current.generation:
            current = self.read_consistent(timeout)
        return read_snapshot(self.strategy, self.keyspace, current, generation, self.deadline(timeout))

    def generation_time(self: Looks, snapshot: Snapshot, *, timeout: float | None = None) -> int | None:
        """When the picture's generation was issued, in nanoseconds since 1970, by the issuer's clock; None where the
        ledger does not know it any more. Raises `Unavailable`."""
        return read_time(self.strategy, self.keyspace, snapshot, self.deadline(timeout))

    def owner_history(self: Looks, shard_id: int, *, timeout: float | None = None) -> list[OwnerEvent]:
        """What was done to the shard's group, oldest first, with the shard's owners after each.

        As far back as the ledger goes, which keeps at least 30 days. Raises `ShardNotFound`, `Unavailable`.
        """
        return read_owner_history(self.strategy, self.keyspace, self.latest(), shard_id, self.deadline(timeout))

    def members(self: Looks, *, timeout: float | None = None) -> dict[str, MemberStatus | EtcdMetaError]:
        """What each endpoint's member says of itself, or why it does not. All are asked at once."""
        return ask_peers(self.strategy, self.deadline(timeout))
