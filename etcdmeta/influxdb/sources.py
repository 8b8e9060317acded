"""What the bytes of a SOURCE are, and where in them the `Data` message lies.

=====================  ===========================================================================================
bare                   the message alone: ``meta.db`` of 1.x, ``state.bin`` of a 0.9/0.10 raft snapshot
fetch response         0.9's answer between nodes: 8 bytes size, 8 bytes type 2 (big endian), a message of header,
                       index, term and Data; or that message without the 16 bytes
legacy backup          ``meta.NN``: 0x59590101 and the length in 8 bytes each (big endian), Data, 8 bytes length, JSON
portable backup        ``*.meta``: a message of Data and MaxNodeID; ``*.manifest``: JSON that names it and its size
raft snapshot          a folder of ``state.bin`` and ``meta.json``, whose size and CRC-64 (ECMA, as Go's) are checked
=====================  ===========================================================================================

Pure: whoever calls reads files and lists folders.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cache
from typing import Any, Final, NamedTuple

from etcdmeta.influxdb.data import Data
from etcdmeta.influxdb.errors import InfluxDataInvalid, InfluxDataTooLarge, SourceUnreadable
from etcdmeta.influxdb.reading import decode
from etcdmeta.influxdb.wire import WireFault, read_length, read_tag, read_varint, skip


class SourceKind(StrEnum):
    """In the words that people get to read."""

    BARE = "a bare Data message"
    FETCH_RESPONSE = "a 0.9 fetch response"
    LEGACY_BACKUP = "a legacy backup"
    PORTABLE_BACKUP = "a portable backup"
    RAFT_SNAPSHOT = "a raft snapshot"


@dataclass(frozen=True, slots=True)
class Source:
    """``data`` is the `Data` message, ``offset`` its place in the input. ``index`` and ``max_node_id`` are what the
    wrapping says of it; None: nothing."""

    kind: SourceKind
    data: bytes = field(repr=False)
    offset: int = 0
    index: int | None = None
    max_node_id: int | None = None

    def decode(self) -> Data:
        """Raises `InfluxDataInvalid`, with offsets in the input; of a bare message, it says what else was tried."""
        try:
            return decode(self.data, base=self.offset)
        except InfluxDataTooLarge:
            raise
        except InfluxDataInvalid as invalid:
            if self.kind is SourceKind.BARE:
                invalid.remedy = f"{invalid.remedy}; tried: {_TRIED}"
            raise


class FolderFile(NamedTuple):
    """What to read of a folder: ``name``, and ``beside`` (meta.json, *.manifest) to check it by."""

    kind: SourceKind
    name: str
    beside: str | None = None


LEGACY_MAGIC: Final = (0x59590101).to_bytes(8, "big")
_BOLT_MAGIC: Final = (0xED0CDAED).to_bytes(4, "little")  # at byte 16 of a page
_FETCH_TYPE: Final = 2
_ERROR_TYPE: Final = 1
_TRIED: Final = "legacy backup, portable backup, 0.9 fetch response, bare Data message (meta.db, state.bin)"
_LEGACY_NAME: Final = re.compile(r"meta\.[0-9]+")
_SNAPSHOT_NAME: Final = re.compile(r"([0-9]+)-([0-9]+)-([0-9]+)")


def detect(blob: bytes) -> Source:
    """By what stands at the beginning. Raises `SourceUnreadable` for what begins as one of the kinds, or as something
    that is known and holds no metadata, and is not whole."""
    if not blob:
        raise _unreadable("the input is empty", f"give one that holds something: {_TRIED}", 0)
    if blob.startswith(LEGACY_MAGIC):
        return _legacy(blob)
    if len(blob) >= 16 and int.from_bytes(blob[:8], "big") == len(blob) - 8:
        return _framed(blob)
    if blob[16:20] == _BOLT_MAGIC:
        raise _unreadable(
            "this is a bolt file, as 0.9's raft.db: raft's log, not the state that it leads to",
            "give the folder of a raft snapshot, or a fetch response",
        )
    if blob.startswith(b"\x1f\x8b"):
        raise _unreadable("this is gzip", "unpack it and give what is in it")
    if blob[257:262] == b"ustar":
        raise _unreadable("this is a tar archive", "unpack it and give what is in it")
    if blob.lstrip()[:1] in {b"{", b"["}:
        raise _unreadable("this is JSON, perhaps a backup's manifest", "give the folder, or the .meta file beside it")
    fields = _top_fields(blob)
    if fields is not None and fields.get(1, (0,))[0] == 2:
        if set(fields) == {1, 2} and fields[2][0] == 0:
            begin, end = fields[1][1], fields[1][2]
            return Source(SourceKind.PORTABLE_BACKUP, blob[begin:end], begin, max_node_id=fields[2][1])
        if 4 in fields and fields[4][0] == 2 and fields.get(2, (2,))[0] == 0:
            return _fetched(blob, 0)
    return Source(SourceKind.BARE, blob)


def find_in_folder(names: Collection[str]) -> FolderFile:
    """Which of a folder's files holds the metadata; the newest where there are several backups.

    Raises `SourceUnreadable`.
    """
    if "state.bin" in names:
        return FolderFile(SourceKind.RAFT_SNAPSHOT, "state.bin", "meta.json" if "meta.json" in names else None)
    if "meta.db" in names:
        return FolderFile(SourceKind.BARE, "meta.db")
    if manifests := sorted(name for name in names if name.endswith(".manifest")):
        return FolderFile(SourceKind.PORTABLE_BACKUP, manifests[-1].removesuffix("manifest") + "meta", manifests[-1])
    if portable := sorted(name for name in names if name.endswith(".meta")):
        return FolderFile(SourceKind.PORTABLE_BACKUP, portable[-1])
    if legacy := sorted((name for name in names if _LEGACY_NAME.fullmatch(name)), key=lambda name: int(name[5:])):
        return FolderFile(SourceKind.LEGACY_BACKUP, legacy[-1])
    raise _unreadable(
        "the folder holds no metadata of InfluxDB", "looked for: state.bin, meta.db, *.manifest, *.meta, meta.NN"
    )


def newest_snapshot(names: Collection[str]) -> str | None:
    """Of raft's ``snapshots/`` folder: the one of the highest term and index. None: there is none that is whole."""
    whole = [(tuple(map(int, match.groups())), name) for name in names if (match := _SNAPSHOT_NAME.fullmatch(name))]
    return max(whole)[1] if whole else None


def check_snapshot(state: bytes, meta_json: bytes) -> Source:
    """A raft snapshot whose size and CRC-64 are those that ``meta.json`` says. Raises `SourceUnreadable`."""
    about = _json_object(meta_json, "meta.json")
    size, crc = about.get("Size"), about.get("CRC")
    if isinstance(size, int) and size != len(state):
        raise _unreadable(f"state.bin has {len(state)} bytes, meta.json says {size}", "take the snapshot again")
    if isinstance(crc, str):
        try:
            expected = b64decode(crc, validate=True)
        except (BadBase64, ValueError):
            raise _unreadable("meta.json has an unreadable CRC", "take the snapshot again") from None
        if expected and expected != crc64(state).to_bytes(8, "big"):
            raise _unreadable("state.bin does not have the CRC-64 that meta.json says", "take the snapshot again")
    index = about.get("Index")
    return Source(SourceKind.RAFT_SNAPSHOT, state, index=index if isinstance(index, int) else None)


def check_manifest(source: Source, manifest: bytes) -> Source:
    """A portable backup whose metadata are as long as its manifest says. Raises `SourceUnreadable`."""
    meta = _json_object(manifest, "the manifest").get("meta")
    size = meta.get("size") if isinstance(meta, dict) else None
    if isinstance(size, int) and size != len(source.data):
        raise _unreadable(
            f"the backup holds {len(source.data)} bytes of metadata, its manifest says {size}", "take the backup again"
        )
    return replace(source, kind=SourceKind.PORTABLE_BACKUP)


def crc64(data: bytes) -> int:
    """CRC-64 of ECMA-182, reflected, as Go's hash/crc64 with its ECMA table."""
    table, crc = _crc_table(), 2**64 - 1
    for byte in data:
        crc = table[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ (2**64 - 1)


@cache
def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0xC96C5795D7870F42 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


def _legacy(blob: bytes) -> Source:
    size = int.from_bytes(blob[8:16], "big")
    if len(blob) < 16 or size > len(blob) - 16:
        raise _unreadable(
            f"this begins as a legacy backup of {size} bytes of metadata, {max(0, len(blob) - 16)} are there",
            "the file is cut off",
            len(blob),
        )
    return Source(SourceKind.LEGACY_BACKUP, blob[16 : 16 + size], 16)


def _framed(blob: bytes) -> Source:
    kind = int.from_bytes(blob[8:16], "big")
    if kind == _FETCH_TYPE:
        return _fetched(blob, 16)
    what = "an error response" if kind == _ERROR_TYPE else f"a response of type {kind}"
    raise _unreadable(f"this is {what} of a 0.9 node, not a fetch response (type {_FETCH_TYPE})", "fetch again", 8)


def _fetched(blob: bytes, base: int) -> Source:
    try:
        fields = _read_fields(blob, base)
    except WireFault as fault:
        what = f"this begins as a 0.9 fetch response and cannot be read on: {fault.why}"
        raise _unreadable(what, "the response is damaged", fault.offset) from None
    if 4 not in fields or fields[4][0] != 2:
        raise _unreadable(
            "this 0.9 fetch response carries no metadata: the asker was current",
            "ask with index 0 and without Blocking",
        )
    _, begin, end = fields[4]
    index = fields[2][1] if 2 in fields and fields[2][0] == 0 else None
    return Source(SourceKind.FETCH_RESPONSE, blob[begin:end], begin, index=index)


def _top_fields(blob: bytes) -> dict[int, tuple[int, int, int]] | None:
    """None where it is no message of few fields."""
    try:
        return _read_fields(blob)
    except WireFault:
        return None


def _read_fields(blob: bytes, at: int = 0) -> dict[int, tuple[int, int, int]]:
    """Field → (wire type, begin or number, end) of a message of few fields. Raises `WireFault`."""
    fields: dict[int, tuple[int, int, int]] = {}
    end = len(blob)
    while at < end:
        number, wire_type, at = read_tag(blob, at, end)
        if wire_type == 0:
            value, at = read_varint(blob, at, end)
            fields[number] = (0, value, at)
        elif wire_type == 2:
            begin, at = read_length(blob, at, end)
            fields[number] = (2, begin, at)
        else:
            at = skip(blob, at, end, number, wire_type)
    return fields


def _json_object(text: bytes, what: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise _unreadable(f"{what} is no JSON", "the file is damaged") from None
    if not isinstance(found, dict):
        raise _unreadable(f"{what} is no JSON object", "the file is damaged")
    return found


def _unreadable(message: str, remedy: str, offset: int | None = None) -> SourceUnreadable:
    return SourceUnreadable(message, offset=offset, rule="a source holds InfluxDB's metadata", remedy=remedy)
