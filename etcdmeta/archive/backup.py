"""The file of a backup: blocks with a checksum each, and the SHA-256 of all at the end.

``schemas/etcdmeta/v1/backup.proto`` has the layout. Records are in order of their keys, each once, so that two listings
can be compared as they stream by.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from google.protobuf.message import DecodeError

from etcdmeta.archive.errors import ArchiveDamaged, ArchiveTooNew
from etcdmeta.records import keys
from etcdmeta.records.pb import backup_pb2 as pb

MAGIC: Final = b"etcdmeta backup\n"
READER_VERSION: Final = 1
"""The newest format that this program reads, and the one that it writes."""
BLOCK_BYTES: Final = 256 << 10
"""About what a block of records holds: as much is read to find one record again."""
MAX_BLOCK: Final = 16 << 20
"""What no block exceeds: the largest record is 1 MiB."""

SECTIONS: Final = (b"ids/", b"import/", b"ledger/", b"secret/", b"state/")
"""What lasts of a cluster, below its prefix. Not in it: elections, waits, and a restore under way."""
ADVISORY: Final = (b"state/live/", b"state/progress/")
"""What is under leases, or ends with a copy: it says nothing of another time."""

_HEAD: Final = struct.Struct(">II")


def is_backup(first_bytes: bytes) -> bool:
    """Whether a file that begins so (16 bytes are enough) is a backup of ours."""
    return first_bytes.startswith(MAGIC)


class Stored(NamedTuple):
    """One key, below the cluster's prefix, with its value and etcd's counters of it."""

    key: bytes
    value: bytes
    create_revision: int
    mod_revision: int
    version: int


@dataclass(frozen=True, slots=True)
class Header:
    """What a backup is of. ``created_at``: nanoseconds since 1970."""

    cluster: str
    cluster_id: int
    epoch: int
    generation: int
    revision: int
    created_at: int
    made_by: str


@dataclass(frozen=True, slots=True)
class Summary:
    """The end of a backup: what it has held. ``counts``: records of each kind, by the words of `kind_of`."""

    sha256: bytes
    records: int
    counts: Mapping[str, int]


class BackupWriter:
    """Makes the bytes, piece by piece: `begin`, `add` as often as needed, `end`."""

    def __init__(self, header: Header) -> None:
        self._header = header
        self._digest = hashlib.sha256()
        self._block = pb.BackupRecords()
        self._size = 0
        self._counts: dict[str, int] = {}
        self._last = b""
        self.records = 0

    def begin(self) -> bytes:
        h = self._header
        header = pb.BackupHeader(
            oldest_reader=READER_VERSION,
            cluster=h.cluster,
            cluster_id=h.cluster_id,
            epoch=h.epoch,
            generation=h.generation,
            revision=h.revision,
            created_at=h.created_at,
            made_by=h.made_by,
        )
        return self._hashed(MAGIC + _framed(pb.BackupBlock(header=header)))

    def add(self, records: Iterable[Stored]) -> bytes:
        """The blocks that are full now; often none. Records come in order of their keys."""
        full = []
        counts = self._counts
        for record in records:
            if record.key <= self._last:
                raise ValueError(f"{record.key!r} after {self._last!r}")
            self._last = record.key
            self._block.records.add(
                key=record.key,
                value=record.value,
                create_revision=record.create_revision,
                mod_revision=record.mod_revision,
                version=record.version,
            )
            kind = kind_of(record.key)
            counts[kind] = counts.get(kind, 0) + 1
            self.records += 1
            self._size += len(record.key) + len(record.value) + 16
            if self._size >= BLOCK_BYTES:
                full.append(self._flush())
        return b"".join(full)

    def end(self) -> tuple[bytes, Summary]:
        """The rest of the file, and what it says of itself."""
        rest = self._flush() if self._block.records else b""
        summary = Summary(self._digest.digest(), self.records, dict(sorted(self._counts.items())))
        end = pb.BackupEnd(sha256=summary.sha256, records=summary.records, counts=summary.counts)
        return rest + _framed(pb.BackupBlock(end=end)), summary

    def _flush(self) -> bytes:
        framed = self._hashed(_framed(pb.BackupBlock(records=self._block)))
        self._block = pb.BackupRecords()
        self._size = 0
        return framed

    def _hashed(self, written: bytes) -> bytes:
        self._digest.update(written)
        return written


@dataclass(slots=True)
class BackupReader:
    """Reads one from its beginning. ``read(n)`` gives the next ``n`` bytes, fewer only at the end of the file.

    `blocks` checks everything, and ``summary`` is set when it has come to the end. Raises `ArchiveDamaged` and
    `ArchiveTooNew`.
    """

    read: Callable[[int], bytes]
    header: Header = field(init=False)
    summary: Summary | None = field(init=False, default=None)
    offset: int = field(init=False, default=0)
    _digest: hashlib._Hash = field(init=False, repr=False, default_factory=hashlib.sha256)

    def __post_init__(self) -> None:
        magic = self.read(len(MAGIC))
        if magic != MAGIC:
            rule = "a backup begins with the line 'etcdmeta backup'; other files are for import"
            raise ArchiveDamaged("this is no backup of etcdmeta", offset=0, rule=rule)
        self._digest.update(magic)
        self.offset = len(MAGIC)
        block = self._next()
        if block is None or block.WhichOneof("content") != "header":
            raise ArchiveDamaged("the backup has no header", offset=len(MAGIC))
        h = block.header
        if h.oldest_reader > READER_VERSION:
            raise ArchiveTooNew(
                f"the backup is of format {h.oldest_reader}, written by {h.made_by or 'a newer etcdmeta'}",
                offset=len(MAGIC),
                value=h.oldest_reader,
                rule=f"this program reads format {READER_VERSION}",
                remedy="use that version of etcdmeta",
            )
        self.header = Header(
            h.cluster, h.cluster_id, h.epoch, h.generation, h.revision, h.created_at, h.made_by
        )  # fmt: skip

    def blocks(self) -> Iterator[tuple[int, list[Stored]]]:
        """(byte at which it begins, its records) of each block; to the end, which is checked."""
        last = b""
        counts: dict[str, int] = {}
        while True:
            offset = self.offset
            digest = self._digest.digest()
            block = self._next()
            if block is None:
                raise ArchiveDamaged("the backup is cut off: its end is missing", offset=offset)
            match block.WhichOneof("content"):
                case "records":
                    records = _stored(block)
                    for record in records:
                        if record.key <= last:
                            raise ArchiveDamaged(f"the key {record.key!r} is out of order", offset=offset)
                        last = record.key
                        kind = kind_of(record.key)
                        counts[kind] = counts.get(kind, 0) + 1
                    yield offset, records
                case "end":
                    self._finish(offset, digest, block.end, counts)
                    return
                case _:
                    raise ArchiveDamaged("a block that is neither of records nor the end", offset=offset)

    def records(self) -> Iterator[Stored]:
        """All records, in order of their keys."""
        for _, block in self.blocks():
            yield from block

    def _finish(self, offset: int, digest: bytes, end: pb.BackupEnd, counts: dict[str, int]) -> None:
        if end.sha256 != digest:
            raise ArchiveDamaged("the backup does not have the SHA-256 that its end says", offset=offset)
        if dict(end.counts) != counts or end.records != sum(counts.values()):
            raise ArchiveDamaged("the backup does not hold as many records as its end says", offset=offset)
        if self.read(1):
            raise ArchiveDamaged("something stands behind the end of the backup", offset=self.offset)
        self.summary = Summary(digest, end.records, counts)

    def _next(self) -> pb.BackupBlock | None:
        """None at the end of the file."""
        offset = self.offset
        head = self.read(_HEAD.size)
        if not head:
            return None
        if len(head) < _HEAD.size:
            raise ArchiveDamaged("the backup is cut off within the head of a block", offset=offset)
        length, _ = _HEAD.unpack(head)
        if length > MAX_BLOCK:
            raise ArchiveDamaged(f"a block of {length} bytes is announced", offset=offset)
        message = self.read(length)
        if len(message) < length:
            raise ArchiveDamaged("the backup is cut off within a block", offset=offset)
        block = open_block(head + message, offset)
        self._digest.update(head + message)
        self.offset = offset + len(head) + length
        return block


def open_block(raw: bytes, offset: int) -> pb.BackupBlock:
    """One block of the file, as it lies there. Raises `ArchiveDamaged`."""
    message = raw[_HEAD.size :]
    if len(raw) < _HEAD.size or _HEAD.unpack_from(raw) != (len(message), _checksum(message)):
        raise ArchiveDamaged("a block does not have the checksum that it says", offset=offset)
    try:
        return pb.BackupBlock.FromString(message)
    except DecodeError as unreadable:
        raise ArchiveDamaged(f"a block cannot be decoded: {unreadable}", offset=offset) from None


def records_at(seek_and_read: Callable[[int, int], bytes], offset: int) -> list[Stored]:
    """The records of the block at a byte that `BackupReader.blocks` said. Raises `ArchiveDamaged`."""
    head = seek_and_read(offset, _HEAD.size)
    length = _HEAD.unpack(head)[0] if len(head) == _HEAD.size else 0
    if length > MAX_BLOCK:
        raise ArchiveDamaged(f"a block of {length} bytes is announced", offset=offset)
    return _stored(open_block(seek_and_read(offset, _HEAD.size + length), offset))


def kind_of(key: bytes) -> str:
    """What a key below the cluster's prefix is counted as."""
    section = key.partition(b"/")[0]
    if section == b"state":
        return str(keys.locate(key)[0])
    return _KINDS.get(section, "other")


_KINDS: Final = {b"ids": "id counter", b"import": "import", b"ledger": "ledger entry", b"secret": "secret"}


def _stored(block: pb.BackupBlock) -> list[Stored]:
    return [Stored(r.key, r.value, r.create_revision, r.mod_revision, r.version) for r in block.records.records]


def _framed(block: pb.BackupBlock) -> bytes:
    message = block.SerializeToString(deterministic=True)
    return _HEAD.pack(len(message), _checksum(message)) + message


def _checksum(message: bytes) -> int:
    """Of the length, too, so that a block whose length was changed does not seem to be a shorter one."""
    return zlib.crc32(message, zlib.crc32(len(message).to_bytes(4, "big")))
