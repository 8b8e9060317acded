"""Command ↔ its name and a ``google.protobuf.Struct`` of its fields: what a person can write for grpcurl, too.

What equals a field's default is left out, so that an older agent understands a newer caller that does not use what is
new. A Struct's numbers are doubles: an int beyond 2^53 travels as decimal text, and a number that large is refused,
since nobody knows which one was meant. Durations are nanoseconds or text (``720h``, ``30d``, ``INF``), times are
nanoseconds or RFC 3339. Bytes are base64. Its text is UTF-8: text with bytes that are none (names of old imports) is
the object ``{"base64": "…"}`` instead.

Secrets travel, the hashes of passwords and of nodes' identities; no error repeats a value that is not read as text.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from functools import cache
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from google.protobuf import struct_pb2

from etcdmeta.commands.cluster import InitCluster
from etcdmeta.commands.copying import BeginCopy, CancelCopy, FinishCopy
from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.commands.expiry import ExpireShardGroups
from etcdmeta.commands.group import CreateShardGroup, DeleteShardGroup
from etcdmeta.commands.group_upkeep import PrecreateShardGroups, PruneShardGroups, TruncateShardGroups
from etcdmeta.commands.guard import AcceptRestore, RaiseLedgerFloor, SetReadOnly
from etcdmeta.commands.importing.aborting import AbortImport
from etcdmeta.commands.importing.beginning import BeginImport
from etcdmeta.commands.importing.loading import LoadImport, PublishImport
from etcdmeta.commands.joining import JoinNode
from etcdmeta.commands.labelling import LabelNode
from etcdmeta.commands.moveplan import AbortPlan, AddPlanMoves, CreatePlan, FinishPlan, NotePlan, PausePlan, StartPlan
from etcdmeta.commands.moving import AdvanceMove
from etcdmeta.commands.node import AddNode, BeginNodeRemoval, FinishNodeRemoval, UpdateNode
from etcdmeta.commands.node_states import DrainNode, UndrainNode
from etcdmeta.commands.owner import FailOwner, RemoveOwner, SetOwnerStatus
from etcdmeta.commands.plan import Command
from etcdmeta.commands.policy import AlterPolicy, CreatePolicy, DropPolicy, SetDefaultPolicy
from etcdmeta.commands.query import CreateContinuousQuery, DropContinuousQuery
from etcdmeta.commands.subscription import CreateSubscription, DropSubscription
from etcdmeta.commands.untruncation import UntruncateShardGroups
from etcdmeta.commands.user import CreateUser, DropUser, GrantPrivilege, RevokePrivilege, SetAdmin, SetPassword
from etcdmeta.errors import InvalidInput, InvalidTime, UnknownCommand
from etcdmeta.model.names import from_bytes, to_bytes
from etcdmeta.model.times import parse_time
from etcdmeta.wire.pb import agent_pb2 as pb

_ALL: Final[tuple[type[Command], ...]] = (
    AbortImport,
    AbortPlan,
    AcceptRestore,
    AddNode,
    AddPlanMoves,
    AdvanceMove,
    AlterPolicy,
    BeginCopy,
    BeginImport,
    BeginNodeRemoval,
    CancelCopy,
    CreateContinuousQuery,
    CreateDatabase,
    CreatePlan,
    CreatePolicy,
    CreateShardGroup,
    CreateSubscription,
    CreateUser,
    DeleteShardGroup,
    DrainNode,
    DropContinuousQuery,
    DropDatabase,
    DropPolicy,
    DropSubscription,
    DropUser,
    ExpireShardGroups,
    FailOwner,
    FinishCopy,
    FinishNodeRemoval,
    FinishPlan,
    GrantPrivilege,
    InitCluster,
    JoinNode,
    LabelNode,
    LoadImport,
    NotePlan,
    PausePlan,
    PrecreateShardGroups,
    PruneShardGroups,
    PublishImport,
    RaiseLedgerFloor,
    RemoveOwner,
    RevokePrivilege,
    SetAdmin,
    SetDefaultPolicy,
    SetOwnerStatus,
    SetPassword,
    SetReadOnly,
    StartPlan,
    TruncateShardGroups,
    UndrainNode,
    UntruncateShardGroups,
    UpdateNode,
)
COMMANDS: Final[Mapping[str, type[Command]]] = {command.NAME: command for command in _ALL}
"""Every command by the name that the ledger and the wire give it."""

TIMES: Final = frozenset({"as_of", "at", "deleted_before", "now", "planned_at", "until"})
"""The int fields that are points in time, in nanoseconds since 1970; the others are counts and ids."""

_EXACT: Final = 2**53
_BASE64: Final = "base64"
_SHOWN: Final = 60


def to_wire(command: Command) -> pb.Command:
    """Raises `UnknownCommand` for one that is none of `COMMANDS`, `InvalidInput` for text that is no bytes'."""
    if COMMANDS.get(command.NAME) is not type(command):
        raise _unknown(command.NAME)
    message = pb.Command(name=command.NAME)
    for name, value in command.model_dump(exclude_defaults=True).items():
        _write(message.fields.fields[name], value)
    return message


def from_wire(message: pb.Command) -> Command:
    """Raises `UnknownCommand`, `InvalidInput` and the typed errors of the fields' own types; nothing else."""
    kind = COMMANDS.get(message.name)
    if kind is None:
        raise _unknown(message.name)
    known = _readers(kind)
    fields = {}
    for name, value in message.fields.fields.items():
        reader = known.get(name)
        if reader is None:
            raise InvalidInput(
                f"{kind.NAME}: there is no field {_shown(name)}",
                value=name[:_SHOWN],
                rule=f"its fields are {', '.join(known)}",
                remedy="is the caller newer than the agent?",
            )
        fields[name] = reader(f"{kind.NAME}: {name}", value)
    command = kind(**fields)
    for name in fields:
        _require_64_bits(f"{kind.NAME}: {name}", getattr(command, name))
    return command


def _unknown(name: str) -> UnknownCommand:
    return UnknownCommand(
        f"no command {_shown(name)}",
        value=name[:_SHOWN],
        rule=f"commands are {', '.join(COMMANDS)}",
        remedy="is the caller newer than the agent?",
    )


# --- writing


def _write(into: struct_pb2.Value, value: Any) -> None:
    match value:
        case None:
            into.null_value = struct_pb2.NULL_VALUE
        case bool():
            into.bool_value = value
        case int():
            if abs(value) <= _EXACT:
                into.number_value = value
            else:
                into.string_value = str(int(value))
        case Enum():
            _write(into, value.value)
        case str():
            _write_text(into, value)
        case bytes():
            into.string_value = base64.b64encode(value).decode("ascii")
        case Mapping():
            into.struct_value.SetInParent()
            for key, part in value.items():
                to_key = _key(key)
                _write(into.struct_value.fields[to_key], part)
        case _:
            into.list_value.SetInParent()
            for part in value:
                _write(into.list_value.values.add(), part)


def _write_text(into: struct_pb2.Value, text: str) -> None:
    encoded = to_bytes(text)
    try:
        into.string_value = encoded.decode()
    except UnicodeDecodeError:
        into.struct_value.fields[_BASE64].string_value = base64.b64encode(encoded).decode("ascii")


def _key(key: str) -> str:
    if not key.isascii() and to_bytes(key).decode("utf-8", "replace") != key:
        raise InvalidInput(f"{_shown(key)} cannot be a key", value=key, rule="a key is UTF-8")
    return key


# --- reading: what kind of field it is decides, never what the value looks like

_Reader = Callable[[str, struct_pb2.Value], Any]


@cache
def _readers(kind: type[Command]) -> Mapping[str, _Reader]:
    return {name: _reader(name, field.annotation) for name, field in kind.model_fields.items()}


def _reader(name: str, annotation: Any) -> _Reader:
    if name in TIMES:
        return _time
    kinds = set(_kinds(annotation))
    if bytes in kinds:
        return _bytes
    origins = {get_origin(kind) or kind for kind in kinds}
    if any(isinstance(origin, type) and issubclass(origin, Mapping) for origin in origins):
        return _mapping
    lists = [kind for kind in kinds if get_origin(kind) is tuple]
    return _list_of(_reader("", get_args(lists[0])[0])) if lists else _scalar


def _kinds(annotation: Any) -> Iterable[Any]:
    """The alternatives of a union; else the one."""
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _scalar(what: str, value: struct_pb2.Value) -> Any:
    """Text, number, bool or null; the field's own type says which of them it takes."""
    match value.WhichOneof("kind"):
        case "string_value":
            return value.string_value
        case "number_value":
            return _number(what, value.number_value)
        case "bool_value":
            return value.bool_value
        case "struct_value":
            return _text_of_bytes(what, value.struct_value)
        case "list_value":
            raise _cannot(what, "one value, not a list")
        case _:
            return None


def _number(what: str, number: float) -> int | float:
    if not number.is_integer():
        return number  # as are infinity and what is no number: no field takes them
    if abs(number) > _EXACT:
        raise _cannot(what, "a number beyond 2^53 is written as text, since a double cannot hold it exactly")
    return int(number)


def _time(what: str, value: struct_pb2.Value) -> Any:
    scalar = _scalar(what, value)
    if not isinstance(scalar, str):
        return scalar
    if scalar[:3].lower() == "now":
        raise InvalidTime(
            f"{what} is relative: {_shown(scalar)}",
            value=scalar[:_SHOWN],
            rule="a command is the same whenever it is carried out",
            remedy="write it as 2026-11-23T00:00:00Z or integer nanoseconds",
        )
    return parse_time(scalar, now=0)


def _bytes(what: str, value: struct_pb2.Value) -> Any:
    match value.WhichOneof("kind"):
        case "string_value":
            return _from_base64(what, value.string_value)
        case None | "null_value":
            return None
        case _:
            raise _cannot(what, "base64")


def _mapping(what: str, value: struct_pb2.Value) -> Any:
    if value.WhichOneof("kind") != "struct_value":
        return _scalar(what, value)
    return {key: _scalar(what, part) for key, part in value.struct_value.fields.items()}


def _list_of(read: _Reader) -> _Reader:
    """All parts are of one kind; how many there are, the field's own type says."""

    def read_list(what: str, value: struct_pb2.Value) -> Any:
        if value.WhichOneof("kind") != "list_value":
            return _scalar(what, value)
        return tuple(read(what, part) for part in value.list_value.values)

    return read_list


def _text_of_bytes(what: str, fields: struct_pb2.Struct) -> str:
    if set(fields.fields) != {_BASE64} or fields.fields[_BASE64].WhichOneof("kind") != "string_value":
        raise _cannot(what, f'text, or {{"{_BASE64}": "…"}} where it is no UTF-8')
    return from_bytes(_from_base64(what, fields.fields[_BASE64].string_value))


def _from_base64(what: str, text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise _cannot(what, "base64") from None


def _require_64_bits(what: str, value: Any) -> None:
    """No record, key or counter holds more. Raises `InvalidInput`."""
    parts = value.values() if isinstance(value, Mapping) else (value,)
    if any(isinstance(part, int) and not -(2**63) <= part < 2**64 for part in parts):
        raise _cannot(what, "a number has 64 bits")


def _cannot(what: str, rule: str) -> InvalidInput:
    """Without the value: it may be secret."""
    return InvalidInput(f"{what} cannot be that", value=what, rule=rule)


def _shown(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else text[:_SHOWN] + "…")
