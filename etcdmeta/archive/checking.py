"""Reading a whole backup to see that it can be restored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from etcdmeta.archive.backup import ADVISORY, SECTIONS, BackupReader, Header, Stored, Summary
from etcdmeta.archive.errors import ArchiveDamaged
from etcdmeta.records import keys
from etcdmeta.records.decoding import check, parse
from etcdmeta.records.pb import records_pb2 as pb


@dataclass(frozen=True, slots=True)
class Check:
    """``guard``: the value of the guard's record. ``unreadable``: keys whose values cannot be decoded; etcd had them
    so, too."""

    header: Header
    summary: Summary
    guard: bytes
    unreadable: tuple[bytes, ...]


def check_backup(
    read: Callable[[int], bytes],
    report: Callable[[int, int], None] = lambda _records, _size: None,
    each: Callable[[int, list[Stored]], None] = lambda _offset, _records: None,
) -> Check:
    """Checksums, order, counts; every record decoded; guard and generation as the header says.

    ``report`` is told records and bytes, ``each`` gets every block's offset and records. Raises `ArchiveDamaged`,
    `ArchiveTooNew`.
    """
    reader = BackupReader(read)
    unreadable: list[bytes] = []
    done = 0
    guard: bytes | None = None
    version = 0
    for offset, records in reader.blocks():
        for record in records:
            key = record.key
            if not key.startswith(SECTIONS) or key.startswith(ADVISORY):
                raise ArchiveDamaged(f"the key {key!r} belongs in no backup", offset=offset)
            if key == keys.CLUSTER:
                guard = record.value
            elif key == keys.GENERATION:
                version = record.version
            try:
                check_record(key, record.value)
            except ValueError:
                unreadable.append(key)
        each(offset, records)
        done += len(records)
        report(done, reader.offset)
    assert reader.summary is not None
    header = reader.header
    if guard is None or keys.CLUSTER in unreadable:
        raise ArchiveDamaged("the backup holds no guard (state/cluster) that can be read", offset=reader.offset)
    said = parse(pb.Cluster, guard)
    if said.cluster_id != header.cluster_id or said.generation_base + version != header.generation:
        raise ArchiveDamaged("the backup's header and its guard say different things", offset=reader.offset)
    return Check(header, reader.summary, guard, tuple(unreadable))


def check_record(key: bytes, value: bytes) -> None:
    """Raises ValueError where the value is none of its key's kind; what is of a later version passes."""
    if key.startswith(b"state/"):
        check(keys.locate(key)[0], value)
    elif key.startswith(b"secret/"):
        parse(pb.Secret, value)
    elif key.startswith(b"ids/"):
        parse(pb.IdCounter, value)
    elif key.startswith(b"ledger/"):
        parse(pb.LedgerEntry, value)
    elif key.startswith(b"import/"):
        parse(pb.IdRuns, value)
