"""A SOURCE says by its bytes what it is."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from etcdmeta.influxdb import InfluxDataInvalid, SourceKind, SourceUnreadable, decode, detect
from etcdmeta.influxdb.sources import check_manifest, check_snapshot, crc64, find_in_folder, newest_snapshot
from tests.influxdb.worlds import FIXTURES

SERVER = FIXTURES / "v0.9-server-owners"
PORTABLE = FIXTURES / "v1.6" / "backup-portable"
STATE = (SERVER / "state.bin").read_bytes()
RESPONSE = (SERVER / "fetchdata-response.bin").read_bytes()


@pytest.mark.parametrize(
    ("file", "kind"),
    [
        ("v0.9-server-owners/state.bin", SourceKind.BARE),
        ("v0.9-server-owners/fetchdata-response.bin", SourceKind.FETCH_RESPONSE),
        ("v0.9-server-ownerids/fetchdata-response.bin", SourceKind.FETCH_RESPONSE),
        ("v1.6/meta.db", SourceKind.BARE),
        ("v1.6/backup-legacy/meta.00", SourceKind.LEGACY_BACKUP),
        ("v1.6/backup-portable/20261123T131227Z.meta", SourceKind.PORTABLE_BACKUP),
        ("v0.10.0/zero.bin", SourceKind.BARE),
    ],
)
def test_fixtures_are_known_for_what_they_are(file: str, kind: SourceKind) -> None:
    blob = (FIXTURES / file).read_bytes()
    source = detect(blob)
    assert source.kind is kind
    assert blob[source.offset : source.offset + len(source.data)] == source.data
    source.decode()


def test_a_fetch_response_carries_the_same_as_the_state() -> None:
    source = detect(RESPONSE)
    assert source.data == STATE
    assert source.index == decode(STATE).index == 64
    assert detect(RESPONSE[16:]).data == STATE


def test_three_copies_of_one_server_hold_the_same_but_for_the_order_of_privileges() -> None:
    files = ("v1.6/meta.db", "v1.6/backup-legacy/meta.00", "v1.6/backup-portable/20261123T131227Z.meta")
    one, *others = [detect((FIXTURES / file).read_bytes()).decode() for file in files]
    for other in others:
        assert other.databases == one.databases
        assert [(u.name, u.hash, set(u.privileges)) for u in other.users] == [
            (u.name, u.hash, set(u.privileges)) for u in one.users
        ]


@pytest.mark.parametrize(
    ("blob", "word"),
    [
        (b"", "empty"),
        (RESPONSE[:8] + (1).to_bytes(8, "big") + RESPONSE[16:], "error response"),
        ((8 + 8).to_bytes(8, "big") + (2).to_bytes(8, "big") + b"\x0a\x02\x08\x01\x10\x40\x18\x01", "was current"),
        ((0x59590101).to_bytes(8, "big") + (99).to_bytes(8, "big") + b"x", "legacy backup of 99 bytes"),
        (b"\0" * 16 + bytes.fromhex("edda0ced") + b"\0" * 99, "bolt"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"\0" * 257 + b"ustar", "tar"),
        (b'{"meta": {}}', "JSON"),
    ],
)
def test_what_holds_no_metadata_is_named(blob: bytes, word: str) -> None:
    with pytest.raises(SourceUnreadable, match=word):
        detect(blob)


def test_what_is_nothing_says_what_was_tried() -> None:
    with pytest.raises(InfluxDataInvalid, match=r"tried: legacy backup, portable backup, 0\.9 fetch response"):
        detect(b"\x07not metadata").decode()


def test_offsets_count_from_the_beginning_of_the_file() -> None:
    damaged = bytearray(RESPONSE)
    damaged[-1] |= 0x80
    with pytest.raises(InfluxDataInvalid) as caught:
        detect(bytes(damaged)).decode()
    assert caught.value.offset == len(RESPONSE) - 1
    assert caught.value.path == "MaxShardID"


def test_a_snapshot_is_checked_by_its_meta_json() -> None:
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA  # the check value of CRC-64/XZ
    crc = base64.b64encode(crc64(STATE).to_bytes(8, "big")).decode()
    about = {"ID": "1-64-0", "Index": 64, "Term": 1, "Size": len(STATE), "CRC": crc}
    source = check_snapshot(STATE, json.dumps(about).encode())
    assert (source.kind, source.index) == (SourceKind.RAFT_SNAPSHOT, 64)
    for damage in (STATE[:-1], STATE[:-1] + b"\x01"):
        with pytest.raises(SourceUnreadable):
            check_snapshot(damage, json.dumps(about).encode())
    with pytest.raises(SourceUnreadable):
        check_snapshot(STATE, b"[")


def test_a_manifest_says_how_long_the_metadata_are() -> None:
    source = detect((PORTABLE / "20261123T131227Z.meta").read_bytes())
    assert check_manifest(source, (PORTABLE / "20261123T131227Z.manifest").read_bytes()).data == source.data
    with pytest.raises(SourceUnreadable, match="its manifest says 1"):
        check_manifest(source, b'{"meta": {"size": 1}}')


def test_folders() -> None:
    assert find_in_folder(["x", "state.bin", "meta.json"])[1:] == ("state.bin", "meta.json")
    assert find_in_folder([p.name for p in Path(PORTABLE).iterdir()])[1:] == (
        "20261123T131227Z.meta",
        "20261123T131227Z.manifest",
    )
    assert find_in_folder(["meta.00", "meta.10", "meta.9"]).name == "meta.10"
    with pytest.raises(SourceUnreadable, match=r"looked for: state\.bin"):
        find_in_folder(["wal"])
    assert newest_snapshot(["2-9-100", "2-10-99", "3-1-1.tmp", "1-99-1"]) == "2-10-99"
    assert newest_snapshot(["x"]) is None
