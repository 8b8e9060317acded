"""Backups: every record that lasts of a cluster, at one revision, in one file; read back before it gets its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from etcdmeta.archive.backup import ADVISORY, SECTIONS, BackupReader, BackupWriter, Header, Stored, Summary
from etcdmeta.archive.checking import Check, check_backup
from etcdmeta.consensus.protocol import Strategy
from etcdmeta.errors import HistoryCompacted
from etcdmeta.records.keys import Keyspace
from etcdmeta.store.exporting import Exports, pin, read_pages
from etcdmeta.store.filing import atomic

Report = Callable[[int, int], None]
"""Told how many records, and how many bytes, are done."""

_PORTION: Final = 1_000
_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class Written:
    """A backup that was written and read back. ``size``: bytes."""

    header: Header
    summary: Summary
    size: int
    unreadable: tuple[bytes, ...]


def write_backup(
    store: Exports, path: Path, *, now: int, overwrite: bool = False, timeout: float | None = None,
    report: Report = lambda _records, _size: None,
) -> Written:  # fmt: skip
    """Mode 0600, and under its name only when it is whole: a reader finds the old file, or the new one.

    ``now``: nanoseconds since 1970. Records that cannot be decoded are kept as they are, and named. Raises what
    `pin` raises, `HistoryCompacted` where etcd is compacted faster than it can be read, `InvalidInput` where the file
    cannot be written.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        snapshot, revision = pin(store, timeout)
        cluster = snapshot.cluster
        assert cluster is not None
        header = Header(
            cluster=store.keyspace.cluster,
            cluster_id=cluster.cluster_id,
            epoch=cluster.epoch,
            generation=snapshot.generation,
            revision=revision,
            created_at=now,
            made_by=f"etcdmeta {_version()}",
        )
        try:
            with atomic(path, overwrite=overwrite) as file:
                _write(file, header, store.strategy, store.keyspace, report)
                size = file.tell()
                file.seek(0)
                check = check_backup(file.read)
            return Written(header, check.summary, size, check.unreadable)
        except HistoryCompacted:
            if attempt == _ATTEMPTS:
                raise
    raise AssertionError


def read_back(path: Path, report: Report = lambda _records, _size: None) -> tuple[Check, int]:
    """Checks all of a backup; with its size. Raises `ArchiveDamaged`, `ArchiveTooNew`, OSError."""
    with path.open("rb") as file:
        check = check_backup(file.read, report)
        return check, file.tell()


def lasting(strategy: Strategy, keyspace: Keyspace, revision: int) -> Iterator[Stored]:
    """Every record that a backup holds, as etcd has it at a revision, in order of the keys."""
    skip = len(keyspace.prefix)
    for section in SECTIONS:
        for kv in read_pages(strategy, keyspace, section, revision):
            key = kv.key[skip:]
            if not kv.lease and not key.startswith(ADVISORY):
                yield Stored(key, kv.value, kv.create_revision, kv.mod_revision, kv.version)


@dataclass(frozen=True, slots=True)
class Difference:
    """What is not the same in etcd and in a backup: how many, and which key is the first. The guard, the generation
    and the ledger's newer entries are not counted: a restore itself makes them."""

    missing: int = 0
    changed: int = 0
    added: int = 0
    first: bytes = b""

    @property
    def is_none(self) -> bool:
        return not (self.missing or self.changed or self.added)


def compare(store: Exports, path: Path, report: Report = lambda _records, _size: None) -> Difference:
    """Whether etcd holds what the backup holds, byte for byte. Raises what `pin` and `read_back` raise."""
    _, revision = pin(store)
    counts = {"missing": 0, "changed": 0, "added": 0}
    first = b""
    done = 0
    with path.open("rb") as file:
        reader = BackupReader(file.read)
        for what, key in _differences(reader.records(), lasting(store.strategy, store.keyspace, revision)):
            done += 1
            if done % _PORTION == 0:
                report(done, file.tell())
            if what and key not in _OWN and not (what == "added" and key.startswith(b"ledger/")):
                counts[what] += 1
                first = first or key
    return Difference(**counts, first=first)


_OWN: Final = (b"state/cluster", b"state/generation")


def _differences(theirs: Iterator[Stored], ours: Iterator[Stored]) -> Iterator[tuple[str, bytes]]:
    """Each key of either, in order; "" where both have the same."""
    wanted, found = next(theirs, None), next(ours, None)
    while wanted is not None or found is not None:
        if found is None or (wanted is not None and wanted.key < found.key):
            assert wanted is not None
            yield "missing", wanted.key
            wanted = next(theirs, None)
        elif wanted is None or found.key < wanted.key:
            yield "added", found.key
            found = next(ours, None)
        else:
            yield "" if wanted.value == found.value else "changed", found.key
            wanted, found = next(theirs, None), next(ours, None)


def _write(
    file: BinaryIO, header: Header, strategy: Strategy, keyspace: Keyspace, report: Report
) -> None:
    writer = BackupWriter(header)
    file.write(writer.begin())
    records = lasting(strategy, keyspace, header.revision)
    while portion := list(islice(records, _PORTION)):
        file.write(writer.add(portion))
        report(writer.records, file.tell())
    file.write(writer.end()[0])
    file.flush()
    os.fsync(file.fileno())


def _version() -> str:
    try:
        return version("etcdmeta")
    except PackageNotFoundError:
        return "of unknown version"
