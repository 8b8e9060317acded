"""Bytes → `Data`, complete and checked, at about the speed of protobuf's runtime.

The runtime (C) parses, and its serialiser tells whether a required field is missing, which its parser does not. Only
where either objects does our own reader run, to say where and why. Groups become Python objects when they are looked
at. Against InfluxDB's decoder: what Go refuses is refused, but for numbers beyond 64 bits, which protobuf's runtime
cuts (`encoding_notes` names them); text that is not UTF-8 is kept, as in Go; unknown fields are skipped, as in Go, and
listed by `encoding_notes`; numbers and tags longer than protobuf allows are refused, also where an early Go version let
them pass.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from google.protobuf.message import DecodeError, EncodeError

from etcdmeta.influxdb.data import (
    ContinuousQueryInfo,
    Data,
    DatabaseInfo,
    GroupList,
    NodeInfo,
    RetentionPolicyInfo,
    SubscriptionInfo,
    UserInfo,
    UserPrivilege,
)
from etcdmeta.influxdb.errors import InfluxDataInvalid
from etcdmeta.influxdb.limits import MAX_BYTES, MAX_GROUPS, MESSAGE_MEMORY, TRUSTED_BYTES, TRUSTED_MEMORY
from etcdmeta.influxdb.schema import MESSAGES, DataMessage, Kind
from etcdmeta.influxdb.walking import Walk, too_large, walk
from etcdmeta.model.names import from_bytes

# The bytes that can begin a field that is a message, also with a tag longer than need be (bit 7).
_TAGS: Final = frozenset(f.number << 3 | 2 for fields in MESSAGES.values() for f in fields if f.kind is Kind.MESSAGE)
_MESSAGE_TAGS: Final = bytes(byte for byte in range(256) if byte & 0x7F in _TAGS)
_NUMBER_MEMORY: Final = 16  # of the runtime, for a number of one byte in a list


def decode(data: bytes, *, base: int = 0) -> Data:
    """One `Data` message of any version. ``base``: its offset in the input, for what errors say.

    Raises `InfluxDataInvalid` with offset and path; `InfluxDataTooLarge`.
    """
    if len(data) > MAX_BYTES:
        raise too_large(base, "", f"{len(data)} bytes of metadata", f"at most {MAX_BYTES} are read")
    if len(data) > TRUSTED_BYTES and _most_memory(data) > TRUSTED_MEMORY:
        walk(data, base=base)
    try:
        message = DataMessage.FromString(data)
        _check_required(message)
    except (DecodeError, EncodeError) as refusal:
        _explain(data, base, refusal)
    groups = sum(len(policy.ShardGroups) for database in message.Databases for policy in database.RetentionPolicies)
    if groups > MAX_GROUPS:
        walk(data, base=base)  # says which one is too many
    return _data(message)


def encoding_notes(data: bytes, *, base: int = 0) -> Walk:
    """What is odd in the encoding of a message that `decode` took: unknown fields, values given twice or cut, numbers
    with needless bytes. As a writer of InfluxDB wrote it, there is nothing, and the answer is quick."""
    message = DataMessage.FromString(data)
    if message.SerializeToString() == data:
        message.DiscardUnknownFields()
        if message.ByteSize() == len(data):
            return Walk(base)
    return walk(data, base=base)


def _most_memory(data: bytes) -> int:
    messages = len(data) - len(data.translate(None, _MESSAGE_TAGS))
    return messages * MESSAGE_MEMORY + len(data) * _NUMBER_MEMORY


def _check_required(message: Any) -> None:
    """Raises EncodeError. In pieces, since one buffer for all costs twice the time."""
    if not all(map(message.HasField, ("Term", "Index", "ClusterID", "MaxNodeID", "MaxShardGroupID", "MaxShardID"))):
        raise EncodeError("a counter is missing")
    for pieces in (message.Nodes, message.Databases, message.Users, message.DataNodes, message.MetaNodes):
        for piece in pieces:
            piece.SerializeToString()


def _explain(data: bytes, base: int, refusal: Exception) -> NoReturn:
    walk(data, base=base)
    raise InfluxDataInvalid(
        f"InfluxDB's metadata cannot be read: protobuf says {refusal}",
        offset=base,
        rule="it is a protobuf message Data",
        remedy="please report this: etcdmeta's own reader saw no fault",
    )


def _data(m: Any) -> Data:
    return Data(
        m.Term,
        m.Index,
        m.ClusterID,
        _nodes(m.Nodes),
        tuple([_database(d) for d in m.Databases]),
        tuple([_user(u) for u in m.Users]),
        m.MaxNodeID,
        m.MaxShardGroupID,
        m.MaxShardID,
        _nodes(m.DataNodes),
        _nodes(m.MetaNodes),
    )


def _nodes(messages: Any) -> tuple[NodeInfo, ...]:
    return tuple(
        [NodeInfo(n.ID, from_bytes(n.Host), from_bytes(n.TCPHost) if n.HasField("TCPHost") else None) for n in messages]
    )


def _database(d: Any) -> DatabaseInfo:
    return DatabaseInfo(
        from_bytes(d.Name),
        from_bytes(d.DefaultRetentionPolicy),
        tuple([_policy(p) for p in d.RetentionPolicies]),
        tuple([ContinuousQueryInfo(from_bytes(q.Name), from_bytes(q.Query)) for q in d.ContinuousQueries]),
    )


def _policy(p: Any) -> RetentionPolicyInfo:
    subscriptions = [
        SubscriptionInfo(from_bytes(s.Name), from_bytes(s.Mode), tuple([from_bytes(x) for x in s.Destinations]))
        for s in p.Subscriptions
    ]
    return RetentionPolicyInfo(
        from_bytes(p.Name),
        p.Duration,
        p.ShardGroupDuration,
        p.ReplicaN,
        GroupList(p.ShardGroups),
        tuple(subscriptions),
    )


def _user(u: Any) -> UserInfo:
    privileges = tuple([UserPrivilege(from_bytes(p.Database), p.Privilege) for p in u.Privileges])
    return UserInfo(from_bytes(u.Name), u.Hash, u.Admin, privileges)
