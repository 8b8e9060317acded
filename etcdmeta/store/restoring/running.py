"""Loading a backup step by step, and the last step, in which the cluster appears."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from etcdmeta.archive.backup import Header
from etcdmeta.archive.loading import Load, Loading
from etcdmeta.consensus.protocol import Strategy
from etcdmeta.errors import SchemaTooNew
from etcdmeta.records import keys
from etcdmeta.records.decoding import RecordDecoder
from etcdmeta.records.encoding import encode
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.pb import backup_pb2 as pb
from etcdmeta.records.pb import records_pb2
from etcdmeta.store.exporting import refuse_agents
from etcdmeta.store.ledger import clean, encode_generation
from etcdmeta.store.limits import WRITER_VERSION
from etcdmeta.store.operations import new_operation_id
from etcdmeta.store.restoring.hold import PATIENCE, Hold, not_empty

STEP_RECORDS: Final = 98
"""With the marker, within law 5."""
STEP_BYTES: Final = 900_000
Report = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Restored:
    """``generation``: the one that the restore itself became."""

    header: Header
    records: int
    generation: int
    revision: int
    operation_id: str
    resumed_from: int


def restore_backup(
    strategy: Strategy,
    keyspace: Keyspace,
    path: Path,
    *,
    actor: str,
    now: int,
    checked: Report = lambda _records, _size: None,
    loaded: Report = lambda _records, _size: None,
    patience: float = PATIENCE,
) -> Restored:
    """The backup's cluster in an empty prefix: its ids, cluster id and counters, its history; under a new epoch, and
    with the next generation. Nothing of it shows before the last step; interrupted anywhere, the same call goes on.

    ``checked`` and ``loaded`` are told how far it is: records and bytes. ``now``: nanoseconds since 1970. Raises
    `ArchiveDamaged`, `ArchiveTooNew`, `PrefixNotEmpty`, `Refused`, `SchemaTooNew`, `Fenced`, `Unavailable`, OSError.
    """
    refuse_agents(strategy)
    with path.open("rb") as file:

        def read(offset: int, size: int) -> bytes:
            file.seek(offset)
            return file.read(size)

        loading = Loading.of(read, checked)
        check_schema(loading)
        wanted = pb.Restore(
            digest=loading.check.summary.sha256,
            records=loading.records,
            source=clean(str(path))[:256],
            author=clean(actor)[:256],
            started_at=now,
        )
        hold = Hold.claim(strategy, keyspace, wanted, patience=patience)
        try:
            resumed_from = hold.done
            size = 0
            for step in steps(islice(loading.order(), resumed_from, None)):
                hold.step([(load.key, load.value) for load in step])
                size += sum(len(load.key) + len(load.value) for load in step)
                loaded(hold.done, size)
            operation_id = new_operation_id()
            revision = hold.finish(last_records(loading, operation_id, actor, now), keys.ledger(operation_id))
        finally:
            hold.release()
    header = loading.check.header
    return Restored(header, loading.records, header.generation + 1, revision, operation_id, resumed_from)


def check_place(strategy: Strategy, keyspace: Keyspace, deadline: float) -> pb.Restore | None:
    """For a dry run: the restore that is under way there, None where nothing is. Raises `PrefixNotEmpty`."""
    found = strategy.read(keyspace.absolute(keys.RESTORE_MARKER), deadline=deadline).kvs
    if found:
        return pb.Restore.FromString(found[0].value)
    prefix = keyspace.prefix
    if strategy.read(prefix, range_end=keys.prefix_end(prefix), limit=1, keys_only=True, deadline=deadline).kvs:
        raise not_empty(keyspace)
    return None


def steps(order: Iterator[Load]) -> Iterator[list[Load]]:
    """What fits in one transaction, and may stand in one."""
    step: list[Load] = []
    size = 0
    for load in order:
        more = len(load.key) + len(load.value) + 64
        if step and (load.apart or len(step) == STEP_RECORDS or size + more > STEP_BYTES):
            yield step
            step, size = [], 0
        step.append(load)
        size += more
    if step:
        yield step


def last_records(loading: Loading, operation_id: str, actor: str, now: int) -> list[tuple[bytes, bytes]]:
    """The guard under a new epoch, the first generation of this life, and the ledger's entry."""
    check = loading.check
    cluster = RecordDecoder().cluster((check.guard, 0, 0))
    # Revisions of the old life say nothing here: of the ledger, nothing that is younger than the restore was pruned.
    changes: dict[str, Any] = {
        "epoch": secrets.randbits(63) + 1,
        "generation_base": check.header.generation,
        "ledger_floor": 0,
    }
    entry = records_pb2.LedgerEntry(
        operation_id=operation_id,
        command="restore backup",
        fingerprint=check.summary.sha256,
        summary=f"restored generation {check.header.generation} of cluster {check.header.cluster_id} "
        f"({clean(check.header.cluster)[:80]!r}) from a backup: {loading.records} records",
        actor=clean(actor)[:256],
        time=now,
        touched=["state/*", "secret/*", "ids/*", "ledger/*", "import/*"],
        touched_count=loading.records,
        lasting=True,
    )
    return [
        (keys.CLUSTER, encode(cluster.model_copy(update=changes))),
        (keys.GENERATION, encode_generation(secrets.randbits(63), [operation_id])),
        (keys.ledger(operation_id), entry.SerializeToString()),
    ]


def check_schema(loading: Loading) -> None:
    """Raises `SchemaTooNew` where this program may not write what the backup holds."""
    cluster = RecordDecoder().cluster((loading.check.guard, 0, 0))
    if max(cluster.oldest_writer, cluster.oldest_reader) > WRITER_VERSION:
        raise SchemaTooNew(
            f"the backup's schema wants version {max(cluster.oldest_writer, cluster.oldest_reader)}",
            value=cluster.oldest_writer,
            rule=f"this program writes version {WRITER_VERSION}",
            remedy="restore it with a newer etcdmeta",
        )
