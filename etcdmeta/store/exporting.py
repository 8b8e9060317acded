"""All that an export has to read, consistent at one revision: the picture, the users' hashes, the counters of ids."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol

from etcdmeta.commands.guard import KINDS
from etcdmeta.consensus.protocol import Compacted, Delegate, Strategy
from etcdmeta.errors import ConflictPersists, HistoryCompacted, NotInitialised, RecordUnreadable, Refused
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.decoding import decode_secret
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import RawKeyValue
from etcdmeta.store.ids import highest_of

PAGE: Final = 5_000
PAGE_SECONDS: Final = 15.0
"""How long one page may take. There is no bound on all of them: a backup takes as long as there is to read."""
_ATTEMPTS: Final = 20


class Exports(Protocol):
    """What of a `MetaStore` is needed here."""

    @property
    def strategy(self) -> Strategy: ...
    @property
    def keyspace(self) -> Keyspace: ...
    def read_consistent(self, timeout: float | None = None) -> Snapshot: ...


@dataclass(frozen=True, slots=True)
class Whole:
    """``hashes``: user id → bcrypt's. ``counters``: kind → the highest id that was ever handed out."""

    snapshot: Snapshot
    hashes: Mapping[int, bytes] = field(repr=False)
    counters: Mapping[str, int]


def read_whole(store: Exports, timeout: float | None = None) -> Whole:
    """The picture, proven current, and at its revision what no cache holds.

    Raises what `pin` raises, `HistoryCompacted` where etcd was compacted meanwhile, `PermissionDenied`
    for who may not read ``secret/``, `RecordUnreadable`.
    """
    snapshot, revision = pin(store, timeout)
    strategy, keyspace = store.strategy, store.keyspace
    hashes = {}
    for kv in read_pages(strategy, keyspace, b"secret/", revision):
        try:
            hashes[int(keyspace.relative(kv.key)[len(b"secret/") :], 16)] = decode_secret(kv.value)
        except ValueError:
            raise _unreadable(keyspace.relative(kv.key)) from None
    counters = dict.fromkeys(KINDS, 0)
    for kv in read_pages(strategy, keyspace, b"ids/", revision):
        counters[keyspace.relative(kv.key)[len(b"ids/") :].decode("ascii", "backslashreplace")] = highest_of([kv])
    return Whole(snapshot, hashes, counters)


def pin(store: Exports, timeout: float | None = None) -> tuple[Snapshot, int]:
    """A picture proven current, and etcd's own revision now, at which the records are those of the picture.

    The picture's revision is that of the last change here: on an etcd that others use, too, it may be compacted. Raises
    `Refused`, `NotInitialised`, `ConflictPersists` where others commit without a pause, `Unavailable`.
    """
    refuse_agents(store.strategy)
    for _ in range(_ATTEMPTS):
        snapshot = store.read_consistent(timeout)
        mark = snapshot.generation_mark
        if snapshot.cluster is None or mark is None:
            raise NotInitialised(
                f"no cluster {store.keyspace.cluster!r} yet",
                value=store.keyspace.cluster,
                remedy="check --cluster and --endpoints",
            )
        result = store.strategy.read(
            store.keyspace.absolute(keys.GENERATION), deadline=time.monotonic() + PAGE_SECONDS, keys_only=True
        )
        if [kv.mod_revision for kv in result.kvs] == [mark.mod_revision]:
            return snapshot, result.header.revision
    raise ConflictPersists(
        "the picture changed each time that it was read", value=_ATTEMPTS, remedy="try again when less is written"
    )


def refuse_agents(strategy: Strategy) -> None:
    """Raises `Refused` where agents are asked instead of etcd."""
    if isinstance(strategy, Delegate):
        raise Refused(
            "an agent does not give out passwords' hashes, counters and the history, which are part of it",
            value=",".join(strategy.endpoints),
            rule="what holds everything is read from etcd itself",
            remedy="give etcd's own --endpoints",
        )


def read_pages(
    strategy: Strategy, keyspace: Keyspace, section: bytes, revision: int, start: bytes = b""
) -> Iterator[RawKeyValue]:
    """All keys of a section, as ``secret/``, at a revision; from ``start`` on, where one is given.

    Raises `HistoryCompacted` and what the strategy raises.
    """
    begin, end = keyspace.absolute(start or section), keyspace.absolute(keys.prefix_end(section))
    while True:
        try:
            result = strategy.read(
                begin, range_end=end, revision=revision, limit=PAGE, deadline=time.monotonic() + PAGE_SECONDS
            )
        except Compacted:
            raise HistoryCompacted(
                f"etcd was compacted beyond revision {revision} while it was read",
                value=revision,
                rule="everything is read at one revision",
                remedy="try again",
            ) from None
        yield from result.kvs
        if not result.more:
            return
        begin = result.kvs[-1].key + b"\0"


def _unreadable(key: bytes) -> RecordUnreadable:
    name = key.decode("ascii", "backslashreplace")
    return RecordUnreadable(
        f"the record {name} cannot be decoded",
        value=name,
        rule="an export is complete",
        remedy="see who wrote it with `etcdctl get`",
    )
