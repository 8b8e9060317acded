"""The pages that an import's commands carry, and what may stand on them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from etcdmeta.commands.importing.shipment import Pair
from etcdmeta.commands.plan import PlanBuilder
from etcdmeta.errors import InvalidInput
from etcdmeta.model.imports import Import
from etcdmeta.records import keys
from etcdmeta.records.decoding import check, parse
from etcdmeta.records.keys import Kind
from etcdmeta.records.pb import records_pb2 as pb

BELOW: Final = frozenset(
    {Kind.POLICY_NAME, Kind.POLICY, Kind.QUERY, Kind.GRANT, Kind.SUBSCRIPTION, Kind.GROUP}
)
"""What nobody sees before its database."""
ROOTS: Final = frozenset(
    {Kind.NODE, Kind.HOST_NAME, Kind.USER, Kind.USER_NAME, Kind.DATABASE, Kind.DATABASE_NAME}
)
_MAPS: Final = b"import/"


def put_below(builder: PlanBuilder, record: Import, pairs: Sequence[Pair]) -> None:
    """Puts what belongs below the import's own databases, or to its map. Raises `InvalidInput` for all else."""
    maps, maps_end = keys.import_maps_span(record.id)
    head = b""
    for key, value in pairs:
        if head and key.startswith(head):  # one more group of the same policy: nearly all
            _check_group(head, key, value)
        elif key.startswith(_MAPS):
            if not maps <= key < maps_end:
                raise _stranger(key, record)
        else:
            kind, where = keys.locate(key)
            if kind not in BELOW or not record.holds_database(int(where[0])):
                raise _stranger(key, record)
            if kind is Kind.GROUP:
                head = keys.groups_span(int(where[0]), int(where[1]))[0]
                _check_group(head, key, value)
            else:
                _check(kind, key, value)
    builder.put_all(pairs)


def put_roots(builder: PlanBuilder, record: Import, pairs: Iterable[Pair]) -> None:
    """Puts roots that are not there yet. Raises `InvalidInput` for what is no root of this import."""
    for key, value in pairs:
        kind, where = keys.locate(key)
        ids = {
            Kind.NODE: lambda n: n in record.new_nodes,
            Kind.USER: record.holds_user,
            Kind.DATABASE: record.holds_database,
        }
        if kind not in ROOTS or (kind in ids and not ids[kind](int(where[0]))):
            raise _stranger(key, record)
        _check(kind, key, value)
        if kind not in ids and not _is_own_name(kind, value, record):
            raise _stranger(key, record)
        builder.require_absent(key).put(key, value)


def put_secrets(builder: PlanBuilder, record: Import, pairs: Iterable[Pair]) -> None:
    """Raises `InvalidInput` for what is no secret of this import's users."""
    wanted = {keys.secret(record.first_user + number) for number in range(record.users)}
    for key, value in pairs:
        if key not in wanted:
            raise _stranger(key, record)
        builder.put(key, value)


def _is_own_name(kind: Kind, value: bytes, record: Import) -> bool:
    named = pb.NameRef.FromString(value).id
    match kind:
        case Kind.HOST_NAME:
            return named in record.new_nodes
        case Kind.USER_NAME:
            return record.holds_user(named)
        case _:
            return record.holds_database(named)


def _check(kind: Kind, key: bytes, value: bytes) -> None:
    try:
        check(kind, value)
    except ValueError as error:
        raise _unfit(key, str(error)) from None


def _unfit(key: bytes, why: str) -> InvalidInput:
    return InvalidInput(f"{_text(key)} cannot hold that: {why}", value=_text(key))


def _check_group(head: bytes, key: bytes, value: bytes) -> None:
    """That it is a group, and the one that its key says: no cache takes another."""
    try:
        group = parse(pb.ShardGroup, value)
    except ValueError as error:
        raise _unfit(key, str(error)) from None
    if key != keys.group_in(head, group.start, group.id):
        raise _unfit(key, "the group's start or id is not that of its key")


def _stranger(key: bytes, record: Import) -> InvalidInput:
    return InvalidInput(
        f"{_text(key)} is not for import {record.id} to write",
        value=_text(key),
        rule="an import writes below its own databases, and its own nodes, users and databases",
    )


def _text(key: bytes) -> str:
    return key.decode("ascii", "backslashreplace")
