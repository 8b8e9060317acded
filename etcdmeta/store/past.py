"""Pictures of the past, as far back as etcd has not compacted, and what became of one shard's owners."""

from __future__ import annotations

from dataclasses import dataclass

from etcdmeta.consensus.protocol import Compacted, FutureRevision, Strategy
from etcdmeta.errors import InvalidInput
from etcdmeta.model.entities import ShardOwner
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.decoding import RecordDecoder
from etcdmeta.records.keys import Keyspace
from etcdmeta.replica.loader import Loader
from etcdmeta.store.generations import Generations
from etcdmeta.store.history import HistoryEntry, HistoryFilter, read_entries, read_history
from etcdmeta.store.ledger import generation_keys
from etcdmeta.store.touching import touching


@dataclass(frozen=True, slots=True)
class OwnerEvent:
    """One operation that touched the shard's group. ``time``: nanoseconds since 1970, of the issuer's clock.

    ``owners``: the shard's, as the operation, and those that were committed with it, left them; None where etcd has
    compacted that revision. ``shard_id``: the one that it was about, 0 where it was about the group; ``node_id``: the
    owner that it was about, or 0.
    """

    time: int
    generation: int | None
    revision: int
    actor: str
    command: str
    summary: str
    operation_id: str
    owners: tuple[ShardOwner, ...] | None
    shard_id: int = 0
    node_id: int = 0


def read_snapshot(
    strategy: Strategy, keyspace: Keyspace, current: Snapshot, generation: int, deadline: float
) -> Snapshot:
    """The picture as it was when that generation was committed; liveness and progress as of then, too.

    Where that very revision is compacted but the generation still stood later, it is the oldest there is of it.
    Raises `HistoryCompacted`, `InvalidInput` for a generation that has not come yet, `NotFound`, and what the strategy
    raises.
    """
    if not 1 <= generation <= current.generation:
        raise InvalidInput(
            f"there is no generation {generation}" + (" yet" if generation > 0 else ""),
            value=generation,
            rule=f"generations go from 1 to {current.generation} now",
        )
    generations = Generations(strategy, keyspace, current, deadline)
    place = generations.find(generation)
    for revision in dict.fromkeys(place):
        try:
            return _load(strategy, keyspace, revision, current.restores, deadline)
        except Compacted:
            continue
    raise generations.compacted_away(generation)


def _load(strategy: Strategy, keyspace: Keyspace, revision: int, restores: int, deadline: float) -> Snapshot:
    loader = Loader(len(keyspace.prefix))
    for page in strategy.list(*keyspace.state_range, revision=revision, deadline=deadline):
        loader.add(page.kvs)
    return loader.finish(revision, restores=restores)


def read_time(strategy: Strategy, keyspace: Keyspace, snapshot: Snapshot, deadline: float) -> int | None:
    """When a picture's generation was issued, by the ledger: nanoseconds since 1970; None where it knows no more."""
    mark = snapshot.generation_mark
    if mark is None:
        return None
    found = read_entries(strategy, keyspace, generation_keys(mark.value), mark.mod_revision, deadline)
    return max((entry.time for entry in found), default=None)


def read_owner_history(
    strategy: Strategy, keyspace: Keyspace, snapshot: Snapshot, shard_id: int, deadline: float
) -> list[OwnerEvent]:
    """Oldest first. Raises `ShardNotFound`, and what the strategy raises."""
    group = snapshot.group_of_shard(shard_id)
    key = keys.group(group.database_id, group.policy_id, group.start, group.id)
    wanted = HistoryFilter(touching=touching(snapshot, "group", group.id))
    entries = read_history(strategy, keyspace, snapshot, None, None, deadline, wanted)
    events: list[OwnerEvent] = []
    compacted = False
    for entry in reversed(entries):
        if entry.void:
            continue
        owners = None
        if not compacted:
            try:
                owners = _owners(strategy, keyspace.absolute(key), shard_id, entry, deadline)
            except Compacted:
                compacted = True  # and so is all that is older
            except FutureRevision:
                owners = None  # of before a restore
        events.append(
            OwnerEvent(
                entry.time,
                entry.generation,
                entry.revision,
                entry.actor,
                entry.command,
                entry.summary,
                entry.operation_id,
                owners,
                entry.shard_id,
                entry.node_id,
            )
        )
    return events[::-1]


def _owners(
    strategy: Strategy, key: bytes, shard_id: int, entry: HistoryEntry, deadline: float
) -> tuple[ShardOwner, ...] | None:
    kvs = strategy.read(key, revision=entry.revision, deadline=deadline).kvs
    if not kvs:
        return ()
    group = RecordDecoder().group((kvs[0].value, kvs[0].mod_revision, kvs[0].create_revision, 0, 0))
    shard = group.shard(shard_id)
    return () if shard is None else shard.owners
