"""The past of one shard's owners, as far as the ledger and etcd still know it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from etcdmeta.commands.copying import BeginCopy, CancelCopy, FinishCopy
from etcdmeta.commands.moving import AdvanceMove
from etcdmeta.commands.owner import FailOwner, RemoveOwner, SetOwnerStatus
from etcdmeta.errors import EtcdMetaError
from etcdmeta.model.entities import ShardOwner
from etcdmeta.model.times import format_time

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session
    from etcdmeta.store import MetaStore

_ABOUT_ONE_SHARD: Final = frozenset(
    kind.NAME for kind in (AdvanceMove, BeginCopy, CancelCopy, FailOwner, FinishCopy, RemoveOwner, SetOwnerStatus)
)
"""The others touch a group as a whole, and so each of its shards."""


class Event(Protocol):
    """One operation that touched the shard's group. ``time``: ns since 1970, by the clock of who issued it.

    ``owners``: the shard's owners after it, and what was committed with it; None where etcd has compacted that
    revision. ``shard_id``, ``node_id``: the one that it was about, 0 where that is no single one.
    """

    @property
    def time(self) -> int: ...
    @property
    def generation(self) -> int | None: ...
    @property
    def revision(self) -> int: ...
    @property
    def actor(self) -> str: ...
    @property
    def command(self) -> str: ...
    @property
    def summary(self) -> str: ...
    @property
    def operation_id(self) -> str: ...
    @property
    def owners(self) -> tuple[ShardOwner, ...] | None: ...
    @property
    def shard_id(self) -> int: ...
    @property
    def node_id(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Past:
    """Oldest first. ``gap``: what of it cannot be told, and why, in a sentence; "" where all of it is there."""

    events: Sequence[Event]
    gap: str = ""


def past_of(session: Session, store: MetaStore, shard_id: int) -> Past:
    """Read the ledger. Where it cannot be read, there is a gap, not an error: the present can still be told."""
    try:
        events = of_this_shard(store.owner_history(shard_id, timeout=session.remaining()), shard_id)
    except EtcdMetaError as error:
        return Past((), f"the history of shard {shard_id} cannot be read: {error.message}")
    if not events:
        return Past((), f"the history of shard {shard_id} is not kept any more")
    unknown = [number for number, event in enumerate(events) if event.owners is None]
    gap = ""
    if unknown:
        # The last one of which the owners before, or after, are gone: it may be what took the last of them away, and
        # the ledger keeps that, and who it was.
        last = events[min(unknown[-1] + 1, len(events) - 1)]
        gap = (
            f"etcd has compacted how the owners were after {len(unknown)} of {len(events)} changes; the last change "
            f"beside that gap, at {format_time(last.time // 10**9 * 10**9)} by {last.actor}: {last.summary} "
            f"(all: etcdmeta history --shard {shard_id})"
        )
    return Past(events, gap)


def of_this_shard(events: Iterable[Event], shard_id: int) -> list[Event]:
    """Without what was done to the owners of another shard of the group.

    An operation says which one it was about; of one that does not (of an earlier version), the owners of this shard are
    the same after it. Where that is not known any more, the operation stays.
    """
    found: list[Event] = []
    before: tuple[ShardOwner, ...] | None = None
    for event in events:
        same = event.owners is not None and event.owners == before
        if event.shard_id in (0, shard_id) and (event.shard_id or not (same and event.command in _ABOUT_ONE_SHARD)):
            found.append(event)
        before = event.owners
    return found
