"""What was done, by whom and when: the ledger, read as a list."""

from __future__ import annotations

from dataclasses import dataclass

from etcdmeta.consensus.protocol import Compacted, FutureRevision, Strategy
from etcdmeta.errors import RecordUnreadable, Unavailable
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import RawKeyValue
from etcdmeta.store.ledger import LedgerEntry, decode_entry

_WITH_GENERATION = 200
"""How many of the newest entries get their generation looked up: one small read each."""


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """One settled operation. ``time``: nanoseconds since 1970, of the issuer's clock. ``generation`` is None where
    etcd has compacted the revision, or for a void one, which became none. ``touched``: keys, relative to the
    cluster's prefix; there were ``touched_count``."""

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


def read_history(
    strategy: Strategy,
    keyspace: Keyspace,
    snapshot: Snapshot,
    limit: int | None,
    operation_id: str | None,
    deadline: float,
) -> list[HistoryEntry]:
    """In order of commitment, the newest ``limit`` of them. Raises what the strategy raises."""
    if operation_id is None:
        start, end = (keyspace.absolute(key) for key in keys.LEDGER_SPAN)
    else:
        start = keyspace.absolute(keys.ledger(operation_id))
        end = start + b"0"
    kvs = [kv for page in strategy.list(start, end, deadline=deadline) for kv in page.kvs]
    entries = sorted((_entry(kv, keyspace) for kv in kvs), key=lambda entry: entry.revision)
    if limit is not None:
        entries = entries[-limit:] if limit else []
    base = snapshot.cluster.generation_base if snapshot.cluster else 0
    known: dict[int, int | None] = {}
    for entry in entries[-_WITH_GENERATION:]:
        if not entry.void and entry.revision not in known:
            known[entry.revision] = _generation(strategy, keyspace, entry.revision, base, deadline)
    return [
        HistoryEntry(
            operation_id=entry.operation_id,
            generation=None if entry.void else known.get(entry.revision),
            revision=entry.revision,
            time=entry.time,
            actor=entry.actor,
            command=entry.command,
            summary=entry.summary,
            touched=entry.touched,
            touched_count=entry.touched_count,
            void=entry.void,
        )
        for entry in entries
    ]


def _entry(kv: RawKeyValue, keyspace: Keyspace) -> LedgerEntry:
    """One that cannot be decoded is shown, and hides no other."""
    try:
        return decode_entry(kv)
    except RecordUnreadable as error:
        name = keyspace.relative(kv.key)[len(keys.LEDGER_SPAN[0]) :].decode("ascii", "backslashreplace")
        summary = f"unreadable: {error.message}"
        return LedgerEntry(name, kv.mod_revision, False, "", b"", summary, {}, "", 0, (), 0)


def _generation(strategy: Strategy, keyspace: Keyspace, revision: int, base: int, deadline: float) -> int | None:
    try:
        result = strategy.read(keyspace.absolute(keys.GENERATION), revision=revision, deadline=deadline)
    except (Compacted, FutureRevision, Unavailable):
        return None
    return base + result.kvs[0].version if result.kvs else None
