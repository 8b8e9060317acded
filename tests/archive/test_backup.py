"""The file of a backup: every damage is found, and said with its byte."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from etcdmeta.archive import ArchiveDamaged, ArchiveTooNew, BackupWriter, Stored, incoming_of, is_backup, read_backup
from etcdmeta.archive.backup import BLOCK_BYTES, BackupReader, Header
from etcdmeta.archive.checking import check_backup
from etcdmeta.errors import NotInitialised, Refused
from etcdmeta.records import keys
from etcdmeta.records.decoding import decode_secret
from etcdmeta.records.pb import backup_pb2 as pb
from etcdmeta.records.pb import records_pb2
from etcdmeta.records.transaction import Put, Transaction
from etcdmeta.store.backups import write_backup
from etcdmeta.store.exporting import read_whole
from etcdmeta.testing import local_store
from tests.archive.worlds import NOW, fill

if TYPE_CHECKING:
    from collections.abc import Iterator

    from etcdmeta.store import MetaStore

HEADER = Header("c", 7, 9, 5, 100, NOW, "tests")


@pytest.fixture(scope="module")
def store() -> Iterator[MetaStore]:
    with local_store() as made:
        fill(made)
        yield made


@pytest.fixture(scope="module")
def blob(store: MetaStore, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("b") / "b"
    write_backup(store, path, now=NOW)
    return path.read_bytes()


def made(records: list[Stored], header: Header = HEADER) -> bytes:
    writer = BackupWriter(header)
    return writer.begin() + writer.add(records) + writer.end()[0]


def guard() -> list[Stored]:
    """What every backup holds."""
    cluster = records_pb2.Cluster(cluster_id=7, epoch=9, generation_base=2).SerializeToString()
    return [Stored(keys.CLUSTER, cluster, 2, 2, 1), Stored(keys.GENERATION, b"", 2, 50, 3)]


def check(blob: bytes) -> object:
    return check_backup(io.BytesIO(blob).read)


def test_it_is_recognised(blob: bytes) -> None:
    assert is_backup(blob[:16])
    assert not is_backup(b'{"apiVersion": "etcdmeta/v1"')
    assert not is_backup(b"")


def test_all_of_it_comes_back(store: MetaStore, blob: bytes) -> None:
    whole = read_whole(store)
    assert read_backup(blob) == incoming_of(whole.snapshot, whole.hashes, whole.counters)
    found = read_backup(blob)
    assert found.highest["node"] == 4
    assert {user.name for user in found.users} == {"zoe", "ann", "O'Hara \"q\""}
    assert all(user.hash.startswith(b"$2a$") for user in found.users)
    groups = [group for database in found.databases for policy in database.policies for group in policy.groups]
    owners = [owner for group in groups for shard in group.shards for owner in shard.owners]
    assert {owner.status for owner in owners} == {"", "copying", "leaving", "failed"}


def test_every_flipped_bit_is_found(blob: bytes, rng: random.Random) -> None:
    places = {rng.randrange(len(blob)) for _ in range(400)} | set(range(120)) | set(range(len(blob) - 120, len(blob)))
    for at in sorted(places):
        damaged = bytearray(blob)
        damaged[at] ^= 1 << rng.randrange(8)
        with pytest.raises(ArchiveDamaged) as caught:
            check(bytes(damaged))
        assert caught.value.offset <= at, at
        assert f"(byte {caught.value.offset})" in str(caught.value)


def test_every_cut_is_found(blob: bytes, rng: random.Random) -> None:
    for end in sorted({rng.randrange(len(blob)) for _ in range(200)} | set(range(40))):
        with pytest.raises(ArchiveDamaged) as caught:
            check(blob[:end])
        assert caught.value.offset <= end
    with pytest.raises(ArchiveDamaged, match="something stands behind the end"):
        check(blob + b"\0")


def test_blocks_cannot_be_left_out_or_swapped() -> None:
    size = BLOCK_BYTES // 2 + 1
    many = [Stored(b"ids/%d" % n, bytes(size), 1, 1, 1) for n in range(6)]
    blob = made([*many, *guard()])
    offsets = [offset for offset, _ in BackupReader(io.BytesIO(blob).read).blocks()]
    assert len(offsets) == 4
    one, two, three = offsets[:3]
    with pytest.raises(ArchiveDamaged, match="SHA-256"):
        check(blob[:one] + blob[two:])
    with pytest.raises(ArchiveDamaged, match="out of order"):
        check(blob[:one] + blob[two:three] + blob[one:two] + blob[three:])


@pytest.mark.parametrize(
    ("records", "why"),
    [
        ([], "no guard"),
        ([Stored(keys.CLUSTER, b"\xff", 1, 1, 1), guard()[1]], "no guard"),
        ([*guard(), Stored(b"state/live/0000000000000001", b"", 1, 1, 1)], "belongs in no backup"),
        ([Stored(b"lead/retention", b"", 1, 1, 1), *guard()], "belongs in no backup"),
        (guard()[:1], "say different things"),
    ],
)
def test_what_cannot_be_a_backup(records: list[Stored], why: str) -> None:
    with pytest.raises(ArchiveDamaged, match=why):
        check(made(records))


def test_newer_formats_are_said_so() -> None:
    block = pb.BackupBlock(header=pb.BackupHeader(oldest_reader=2, made_by="etcdmeta 9")).SerializeToString()
    checksum = zlib.crc32(block, zlib.crc32(len(block).to_bytes(4, "big")))
    with pytest.raises(ArchiveTooNew, match="format 2, written by etcdmeta 9"):
        check(b"etcdmeta backup\n" + struct.pack(">II", len(block), checksum) + block)


def test_huge_lengths_cost_nothing() -> None:
    asked = []

    def read(size: int) -> bytes:
        asked.append(size)
        return b"etcdmeta backup\n" if size == 16 else b"\xff" * size

    with pytest.raises(ArchiveDamaged, match="4294967295 bytes is announced"):
        check_backup(read)
    assert max(asked) == 16


def test_records_that_cannot_be_read_are_kept_and_named(tmp_path: Path) -> None:
    with local_store() as store:
        store.create_database("a")
        key = store.keyspace.absolute(b"state/node/00000000000000ff")
        generation = store.keyspace.absolute(keys.GENERATION)
        mark = records_pb2.Generation(nonce=1).SerializeToString()
        store.strategy.transact(
            Transaction((), (Put(key, b"\xff\xff"), Put(generation, mark))), deadline=float("inf")
        )
        store.wait_for(lambda snapshot: snapshot.unreadable)
        written = write_backup(store, tmp_path / "b", now=NOW)
        assert written.unreadable == (b"state/node/00000000000000ff",)
        with pytest.raises(ArchiveDamaged, match="1 records cannot be decoded"):
            read_backup((tmp_path / "b").read_bytes())


def test_a_quiet_cluster_on_an_etcd_that_is_compacted(tmp_path: Path) -> None:
    """The picture's own revision may be gone: others write, and etcd forgets."""
    with local_store() as store:
        store.create_user("u", "a password")
        cluster = store.strategy.cluster  # type: ignore[attr-defined]
        for number in range(9):
            store.strategy.transact(Transaction((), (Put(b"/other/%d" % number, b""),)), deadline=float("inf"))
        cluster.compact(cluster.revision)
        assert len(read_whole(store).hashes) == 1
        assert write_backup(store, tmp_path / "b", now=NOW).summary.counts["secret"] == 1


def test_files_are_there_as_a_whole_or_not(tmp_path: Path) -> None:
    path = tmp_path / "b"
    with local_store(init=False) as empty:
        with pytest.raises(NotInitialised):
            write_backup(empty, path, now=NOW)
        assert list(tmp_path.iterdir()) == []
    with local_store() as store:
        path.write_text("mine")
        with pytest.raises(Refused, match="is there already"):
            write_backup(store, path, now=NOW)
        assert path.read_text() == "mine"
        write_backup(store, path, now=NOW, overwrite=True)
        assert [entry.name for entry in tmp_path.iterdir()] == ["b"]


def test_hashes_are_in_it_and_in_no_repr(store: MetaStore, blob: bytes) -> None:
    whole = read_whole(store)
    (first, *_) = whole.hashes.values()
    assert first in blob
    assert first.decode() not in repr(whole)
    assert decode_secret(records_pb2.Secret(bcrypt_hash=first).SerializeToString()) == first
