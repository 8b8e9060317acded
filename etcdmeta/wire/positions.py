"""Position ↔ bytes that callers hand back as they got them.

A version byte, then epoch and revision, big-endian: 17 bytes. No bytes: the caller has nothing yet. Another form gets
another first byte, so that an agent tells a newer one from garbage.
"""

from __future__ import annotations

import struct
from typing import Final

from etcdmeta.errors import UnreadableRequest
from etcdmeta.model.snapshot import Position

_FORM: Final = struct.Struct(">BQQ")
_VERSION: Final = 1
_LAST_REVISION: Final = 2**63 - 1  # etcd's revisions are int64


def encode_position(position: Position | None) -> bytes:
    return b"" if position is None else _FORM.pack(_VERSION, position.epoch, position.revision)


def decode_position(encoded: bytes) -> Position | None:
    """None for no bytes. Raises `UnreadableRequest` for what `encode_position` never made."""
    if not encoded:
        return None
    if len(encoded) != _FORM.size or encoded[0] != _VERSION:
        raise _unreadable(encoded)
    _, epoch, revision = _FORM.unpack(encoded)
    if revision > _LAST_REVISION:
        raise _unreadable(encoded)
    return Position(epoch, revision)


def _unreadable(encoded: bytes) -> UnreadableRequest:
    return UnreadableRequest(
        f"{len(encoded)} bytes that are no position",
        value=encoded[: _FORM.size].hex(),
        rule="a position is given as an agent gave it, or left empty",
        remedy="leave it empty to get the whole picture",
    )
