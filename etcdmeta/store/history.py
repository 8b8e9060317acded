"""What was done, by whom and when: the ledger, read as a list."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from etcdmeta.consensus.protocol import Strategy
from etcdmeta.errors import RecordUnreadable, Unavailable
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import RawKeyValue
from etcdmeta.store.generations import Generations, generation_or_none
from etcdmeta.store.ledger import LedgerEntry, decode_entry
from etcdmeta.store.touching import Touching

_WITH_GENERATION = 200
"""How many of the newest entries get their generation looked up: one small read each."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One settled operation. ``time``: nanoseconds since 1970, of the issuer's clock. ``generation`` is None where
    etcd has compacted the revision, or for a void one, which became none. ``touched``: keys, relative to the
    cluster's prefix; there were ``touched_count``. ``shard_id``, ``node_id``: what it was about, where that is one
    shard, or one node; else 0."""

    operation_id: str
    generation: int | None
    revision: int
    time: int
    actor: str
    command: str
    summary: str
    touched: tuple[str, ...]
    touched_count: int
    void: bool
    shard_id: int = 0
    node_id: int = 0


@dataclass(frozen=True, slots=True)
class HistoryFilter:
    """What to show; None or empty: all.

    ``actors``: with or without the agent that did it for them. ``commands``: names, or how they begin. ``since`` and
    ``until`` in nanoseconds since 1970, both included, by the issuers' clocks. ``touching``: any of them is enough;
    what an entry touched is known as far as its list goes, which is cut after 4 KiB.
    """

    actors: Collection[str] | None = None
    commands: Sequence[str] = ()
    since: int | None = None
    until: int | None = None
    touching: Sequence[Touching] = ()

    def takes(self, entry: LedgerEntry) -> bool:
        """Whether an entry is to be shown."""
        return (
            (self.actors is None or entry.actor in self.actors or entry.actor.rpartition(" via ")[0] in self.actors)
            and (not self.commands or entry.command.startswith(tuple(self.commands)))
            and (self.since is None or entry.time >= self.since)
            and (self.until is None or entry.time <= self.until)
            and (not self.touching or any(each.matches(entry.touched) for each in self.touching))
        )


def read_history(
    strategy: Strategy,
    keyspace: Keyspace,
    snapshot: Snapshot,
    limit: int | None,
    operation_id: str | None,
    deadline: float,
    wanted: HistoryFilter | None = None,
) -> list[HistoryEntry]:
    """In order of commitment, the newest ``limit`` of those that are wanted. Raises what the strategy raises."""
    taken: list[LedgerEntry] = []
    for entry in _newest_first(strategy, keyspace, operation_id, 0, deadline):
        if limit is not None and len(taken) >= limit:
            break
        if wanted is None or wanted.takes(entry):
            taken.append(entry)
    generations = Generations(strategy, keyspace, snapshot, deadline)
    known: dict[int, int | None] = {}
    for entry in taken[:_WITH_GENERATION]:
        if not entry.void and entry.revision not in known:
            try:
                known[entry.revision] = generation_or_none(generations, entry.revision)
            except Unavailable:
                known[entry.revision] = None
    return [history_entry(entry, known.get(entry.revision)) for entry in reversed(taken)]


def read_after(strategy: Strategy, keyspace: Keyspace, revision: int, deadline: float) -> list[LedgerEntry]:
    """All entries that were put after a revision, in order of commitment. Raises what the strategy raises."""
    return list(_newest_first(strategy, keyspace, None, revision, deadline))[::-1]


def read_entries(
    strategy: Strategy, keyspace: Keyspace, operation_ids: Iterable[str], revision: int, deadline: float
) -> list[LedgerEntry]:
    """The entries that operations made at that very revision. Raises what the strategy raises."""
    return [
        entry
        for operation_id in operation_ids
        for entry in _newest_first(strategy, keyspace, operation_id, 0, deadline)
        if entry.revision == revision
    ]


def history_entry(entry: LedgerEntry, generation: int | None) -> HistoryEntry:
    """An entry as people see it; a void one has no generation."""
    return HistoryEntry(
        operation_id=entry.operation_id,
        generation=None if entry.void else generation,
        revision=entry.revision,
        time=entry.time,
        actor=entry.actor,
        command=entry.command,
        summary=entry.summary,
        touched=entry.touched,
        touched_count=entry.touched_count,
        void=entry.void,
        shard_id=_id(entry, "shard_id"),
        node_id=_id(entry, "node_id"),
    )


def _id(entry: LedgerEntry, name: str) -> int:
    found = entry.result.get(name)
    return found if isinstance(found, int) else 0


def _newest_first(
    strategy: Strategy, keyspace: Keyspace, operation_id: str | None, after: int, deadline: float
) -> Iterator[LedgerEntry]:
    """Decoded one by one, as they are asked for: of a large ledger mostly the newest few are."""
    if operation_id is None:
        start, end = (keyspace.absolute(key) for key in keys.LEDGER_SPAN)
    else:
        start = keyspace.absolute(keys.ledger(operation_id))
        end = start + b"0"
    kvs = [kv for page in strategy.list(start, end, deadline=deadline) for kv in page.kvs if kv.mod_revision > after]
    kvs.sort(key=lambda kv: (kv.mod_revision, kv.key), reverse=True)
    return (_entry(kv, keyspace) for kv in kvs)


def _entry(kv: RawKeyValue, keyspace: Keyspace) -> LedgerEntry:
    """One that cannot be decoded is shown, and hides no other."""
    try:
        return decode_entry(kv)
    except RecordUnreadable as error:
        name = keyspace.relative(kv.key)[len(keys.LEDGER_SPAN[0]) :].decode("ascii", "backslashreplace")
        summary = f"unreadable: {error.message}"
        return LedgerEntry(name, kv.mod_revision, False, "", b"", summary, {}, "", 0, (), 0)
