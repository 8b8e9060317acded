"""Refusing what would be planned on records that nobody can read (danger 13 of the protocol)."""

from __future__ import annotations

from etcdmeta.errors import RecordUnreadable
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.keys import Kind, locate


def unreadable_in(snapshot: Snapshot, start: bytes, end: bytes) -> tuple[bytes, ...]:
    """The quarantined keys in [start, end), relative."""
    return tuple(sorted(key for key in snapshot.unreadable if start <= key < end))


def require_readable(snapshot: Snapshot, start: bytes, end: bytes, what: str) -> None:
    """Raises `RecordUnreadable` where a record in [start, end), which ``what`` has to know, cannot be
    decoded.
    """
    _refuse(unreadable_in(snapshot, start, end), what)


def require_readable_key(snapshot: Snapshot, key: bytes, what: str) -> None:
    """Raises `RecordUnreadable` where the one record under ``key`` cannot be decoded."""
    _refuse((key,) if key in snapshot.unreadable else (), what)


def require_readable_groups(snapshot: Snapshot, what: str) -> None:
    """Raises `RecordUnreadable` where any shard group cannot be decoded: ``what`` has to know them all."""
    _refuse(tuple(sorted(key for key in snapshot.unreadable if locate(key)[0] is Kind.GROUP)), what)


def _refuse(keys: tuple[bytes, ...], what: str) -> None:
    if keys:
        raise RecordUnreadable(
            f"{what}: the record {keys[0].decode('ascii', 'replace')} cannot be decoded",
            value=len(keys),
            rule="a command that relies on a record, by range too, is refused while it is quarantined",
            remedy="mend or delete that key, or use the version of etcdmeta that wrote it",
        )
