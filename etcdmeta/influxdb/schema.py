"""InfluxDB's messages, in one table: what the reader checks by, and what protobuf's runtime gets as descriptor.

proto2. Field numbers, types and what is ``required`` are those of InfluxDB 0.9.0 – 1.6 together
(`reference/influxdb-meta.md`, and the fixtures). Text is declared as bytes: Go writes and reads any bytes there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Any, Final

from google.protobuf.descriptor_pb2 import FieldDescriptorProto as Proto
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass

VARINT: Final = 0
BYTES: Final = 2


class Label(Enum):
    """How often a field may stand."""

    REQUIRED = Proto.LABEL_REQUIRED
    OPTIONAL = Proto.LABEL_OPTIONAL
    REPEATED = Proto.LABEL_REPEATED


class Kind(Enum):
    """What a field holds."""

    U64 = Proto.TYPE_UINT64
    I64 = Proto.TYPE_INT64
    U32 = Proto.TYPE_UINT32
    I32 = Proto.TYPE_INT32
    BOOL = Proto.TYPE_BOOL
    TEXT = Proto.TYPE_BYTES
    MESSAGE = Proto.TYPE_MESSAGE

    @property
    def wire_type(self) -> int:
        return BYTES if self in {Kind.TEXT, Kind.MESSAGE} else VARINT


@dataclass(frozen=True, slots=True)
class Field:
    """``of``: the message of a field of kind MESSAGE."""

    number: int
    name: str
    kind: Kind
    label: Label
    of: str = ""


R, O, M = Label.REQUIRED, Label.OPTIONAL, Label.REPEATED  # noqa: E741


def _list(number: int, name: str, of: str) -> Field:
    return Field(number, name, Kind.MESSAGE, M, of)


MESSAGES: Final[Mapping[str, tuple[Field, ...]]] = MappingProxyType(
    {
        "Data": (
            Field(1, "Term", Kind.U64, R),
            Field(2, "Index", Kind.U64, R),
            Field(3, "ClusterID", Kind.U64, R),
            _list(4, "Nodes", "NodeInfo"),  # to 0.9
            _list(5, "Databases", "DatabaseInfo"),
            _list(6, "Users", "UserInfo"),
            Field(7, "MaxNodeID", Kind.U64, R),
            Field(8, "MaxShardGroupID", Kind.U64, R),
            Field(9, "MaxShardID", Kind.U64, R),
            _list(10, "DataNodes", "NodeInfo"),  # from 0.10
            _list(11, "MetaNodes", "NodeInfo"),  # from 0.10
        ),
        "NodeInfo": (
            Field(1, "ID", Kind.U64, R),
            Field(2, "Host", Kind.TEXT, R),
            Field(3, "TCPHost", Kind.TEXT, O),  # from 0.10
        ),
        "DatabaseInfo": (
            Field(1, "Name", Kind.TEXT, R),
            Field(2, "DefaultRetentionPolicy", Kind.TEXT, R),
            _list(3, "RetentionPolicies", "RetentionPolicyInfo"),
            _list(4, "ContinuousQueries", "ContinuousQueryInfo"),
        ),
        "RetentionPolicyInfo": (
            Field(1, "Name", Kind.TEXT, R),
            Field(2, "Duration", Kind.I64, R),
            Field(3, "ShardGroupDuration", Kind.I64, R),
            Field(4, "ReplicaN", Kind.U32, R),
            _list(5, "ShardGroups", "ShardGroupInfo"),
            _list(6, "Subscriptions", "SubscriptionInfo"),  # from 0.9.5
        ),
        "ShardGroupInfo": (
            Field(1, "ID", Kind.U64, R),
            Field(2, "StartTime", Kind.I64, R),
            Field(3, "EndTime", Kind.I64, R),
            Field(4, "DeletedAt", Kind.I64, R),
            _list(5, "Shards", "ShardInfo"),
            Field(6, "TruncatedAt", Kind.I64, O),  # from 1.0
        ),
        "ShardInfo": (
            Field(1, "ID", Kind.U64, R),
            Field(2, "OwnerIDs", Kind.U64, M),  # 0.9.0 – 0.9.3
            _list(3, "Owners", "ShardOwner"),  # from 0.9.4
        ),
        "ShardOwner": (Field(1, "NodeID", Kind.U64, R),),
        "SubscriptionInfo": (
            Field(1, "Name", Kind.TEXT, R),
            Field(2, "Mode", Kind.TEXT, R),
            Field(3, "Destinations", Kind.TEXT, M),
        ),
        "ContinuousQueryInfo": (Field(1, "Name", Kind.TEXT, R), Field(2, "Query", Kind.TEXT, R)),
        "UserInfo": (
            Field(1, "Name", Kind.TEXT, R),
            Field(2, "Hash", Kind.TEXT, R),
            Field(3, "Admin", Kind.BOOL, R),
            _list(4, "Privileges", "UserPrivilege"),
        ),
        "UserPrivilege": (Field(1, "Database", Kind.TEXT, R), Field(2, "Privilege", Kind.I32, R)),
    }
)


def _message_class() -> Any:
    file = FileDescriptorProto(name="etcdmeta/influxdb.proto", package="etcdmeta.influxdb", syntax="proto2")
    for name, fields in MESSAGES.items():
        message = file.message_type.add(name=name)
        for field in fields:
            message.field.add(
                name=field.name,
                number=field.number,
                label=field.label.value,
                type=field.kind.value,
                type_name=f".etcdmeta.influxdb.{field.of}" if field.of else None,
            )
    pool = DescriptorPool()  # our own: the names are nobody else's concern
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName("etcdmeta.influxdb.Data"))


DataMessage: Final[Any] = _message_class()
"""Protobuf's class for `Data`. Text in it is bytes."""
