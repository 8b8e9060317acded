"""What InfluxDB wrote is read to the last field, and what is damaged is refused with its place."""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import pytest

from etcdmeta.influxdb import (
    InfluxDataInvalid,
    InfluxDataTooLarge,
    decode,
    encode,
    encode_as_is,
    encoding_notes,
    for_dialect,
    walking,
)
from etcdmeta.influxdb.data import UserInfo
from etcdmeta.influxdb.limits import MAX_GROUPS
from etcdmeta.influxdb.walking import walk
from tests.influxdb.worlds import DIALECTS, NEGATIVE, PAIRS, as_raw, name_of, verdicts

ODD = {verdict["file"]: verdict for verdict in verdicts()}
NEWEST = "1.6.7~rc0 (Debian)"


@pytest.mark.parametrize(("path", "truth"), PAIRS, ids=[name_of(path) for path, _ in PAIRS])
def test_every_field_is_as_another_reader_saw_it(path: Path, truth: Path) -> None:
    assert as_raw(decode(path.read_bytes())) == json.loads(truth.read_text())


@pytest.mark.parametrize("path", [path for path, _ in PAIRS], ids=[name_of(path) for path, _ in PAIRS])
def test_what_was_read_is_written_as_it_was(path: Path) -> None:
    raw = path.read_bytes()
    data = decode(raw)
    assert encode_as_is(data) == raw
    assert not walk(raw).notes
    assert not encoding_notes(raw).notes
    dialect = DIALECTS[path.parent.name]
    again = encode(data, dialect)
    assert decode(again) == for_dialect(data, dialect)
    if "ownerids" not in str(path) and path.name != "mixed.bin":
        assert again == raw


@pytest.mark.parametrize("file", sorted(ODD))
def test_damage_is_judged_as_by_the_real_decoder(file: str) -> None:
    """Of 1.6.7. Python's protobuf alone takes what lacks required fields."""
    raw = (NEGATIVE / file).read_bytes()
    if ODD[file]["go"][NEWEST]["ok"]:
        summary = ODD[file]["go"][NEWEST]["summary"]
        data = decode(raw)
        groups = [g for d in data.databases for p in d.retention_policies for g in p.shard_groups]
        assert summary["databases"] == len(data.databases)
        assert summary["shard_groups"] == len(groups)
        assert summary["shards"] == sum(len(group.shards) for group in groups)
        assert summary["shard_owners"] == sum(len(shard.effective_owners) for group in groups for shard in group.shards)
        assert summary["users"] == len(data.users)
        walk(raw)
    else:
        with pytest.raises(InfluxDataInvalid) as caught:
            decode(raw)
        assert 0 <= caught.value.offset <= len(raw)
        if file.startswith("missing-"):
            path = file.removeprefix("missing-").removesuffix(".bin")
            assert caught.value.path.replace("[0]", "") == path


def test_the_path_goes_down_to_the_field() -> None:
    raw = (NEGATIVE / "bitflip-17.bin").read_bytes()
    with pytest.raises(InfluxDataInvalid) as caught:
        decode(raw, base=1000)
    assert caught.value.path == "Databases[0].RetentionPolicies[0].ShardGroups[1].Shards[0].Owners[0].NodeID"
    assert caught.value.offset == 1163
    assert "byte 1163, Databases[0]" in str(caught.value)


def test_oddities_of_the_encoding_are_named() -> None:
    data = b"\x08\x00\x10\x00\x18\x00\x38\x00\x40\x00\x48\x00"
    odd = {
        data + b"\x08\x07": ("Term", "more than once"),
        data + b"\xf2\x3f\x01x": ("#1022", "does not have"),
        data + b"\x0a\x01x": ("Term", "wire type 2"),
        data[:-1] + b"\x80\x00": ("MaxShardID", "needless"),
    }
    for raw, (path, what) in odd.items():
        assert decode(raw)
        (note,) = encoding_notes(raw, base=5).notes
        assert note.path == path
        assert what in note.what
        assert note.offset in {5 + len(data), 5 + len(data) - 2}


def test_a_packed_list_of_owners_is_read_and_noted() -> None:
    shard = b"\x08\x01\x12\x03\x04\x05\x06"
    group = b"\x08\x01\x10\x00\x18\x01\x20\x00\x2a" + bytes([len(shard)]) + shard
    policy = b"\x0a\x01p\x10\x00\x18\x01\x20\x01\x2a" + bytes([len(group)]) + group
    database = b"\x0a\x01d\x12\x00\x1a" + bytes([len(policy)]) + policy
    raw = b"\x08\x00\x10\x00\x18\x00\x2a" + bytes([len(database)]) + database + b"\x38\x00\x40\x00\x48\x00"
    data = decode(raw)
    assert data.databases[0].retention_policies[0].shard_groups[0].shards[0].owner_ids == (4, 5, 6)
    assert [note.path for note in encoding_notes(raw).notes] == [
        "Databases[0].RetentionPolicies[0].ShardGroups[0].Shards[0].OwnerIDs"
    ]


def test_a_hash_is_never_shown() -> None:
    raw = (PAIRS[-1][0]).read_bytes()
    assert "$2a$" not in repr(decode(raw))
    assert "secret" not in repr(UserInfo("u", b"secret"))


# --- bombs: refused, and cheaply


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _field(tag: int, content: bytes) -> bytes:
    return bytes([tag]) + _varint(len(content)) + content


def _groups(group: bytes, count: int) -> bytes:
    policy = b"\x0a\x01p\x10\x00\x18\x01\x20\x01" + group * count
    return COUNTERS + _field(0x2A, b"\x0a\x01d\x12\x00" + _field(0x1A, policy))


COUNTERS = b"\x08\x00\x10\x00\x18\x00\x38\x00\x40\x00\x48\x00"
OWNER = b"\x1a\x02\x08\x01"
BOMBS = {
    "2 GiB are announced": b"\x08\x00\x2a\xff\xff\xff\xff\x07",
    "2^63 are announced": b"\x08\x00\x2a" + b"\xff" * 8 + b"\x7f",
    "groups within groups": b"\xa3\x3f" * 100_000,
    "more than a hundred groups within each other": b"\xa3\x3f" * 101 + b"\xa4\x3f" * 101 + COUNTERS,
    "a number of eleven bytes": b"\x08" + b"\xff" * 10 + b"\x01",
    "ten million groups of nothing": _groups(b"\x2a\x00", 10_000_000),
    "ten million empty databases": b"\x2a\x00" * 10_000_000,
    "a list of four million owners": _groups(
        _field(0x2A, b"\x08\x01\x10\x00\x18\x01\x20\x00" + _field(0x2A, b"\x08\x01" + OWNER * 4_000_000)), 1
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", sorted(BOMBS))
def test_bombs_are_refused_within_bounds(what: str) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    with pytest.raises(InfluxDataInvalid):
        decode(BOMBS[what])
    # Bounds, not speeds: a parser that believed the input would take gigabytes.
    assert time.process_time() - begun < 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 600 << 10


@pytest.mark.parametrize("depth", [99, 100, 101])
def test_both_readers_stop_at_the_same_depth(depth: int) -> None:
    """One level is the database's."""
    groups = b"\xa3\x3f" * (depth - 1) + b"\xa4\x3f" * (depth - 1)
    raw = COUNTERS + _field(0x2A, b"\x0a\x01d\x12\x00" + groups)
    if depth <= 100:
        assert decode(raw).databases[0].name == "d"
        (note,) = encoding_notes(raw).notes
        assert note.path == "Databases[0].#1012"
    else:
        for reader in (decode, walk):
            with pytest.raises(InfluxDataInvalid, match="within each other"):
                reader(raw)


@pytest.mark.slow
def test_more_whole_groups_than_the_limit_are_counted_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counting ends at a tenth of the limit, which is a tenth of the time; what would be kept is all of it."""
    monkeypatch.setattr(walking, "MAX_GROUPS", MAX_GROUPS // 10)
    raw = _groups(_field(0x2A, b"\x08\x01\x10\x00\x18\x01\x20\x00"), MAX_GROUPS + 1)
    assert len(raw) > 8 << 20
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InfluxDataTooLarge) as caught:
        decode(raw)
    assert caught.value.path == "Databases[0].RetentionPolicies[0].ShardGroups"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400 << 10
