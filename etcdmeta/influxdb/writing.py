"""`Data` → bytes that a given version of InfluxDB reads.

Every required field is written, also where it is 0, and fields come in order of their numbers, as Go writes them; the
same data give the same bytes.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from google.protobuf.message import EncodeError

from etcdmeta.errors import InvalidInput
from etcdmeta.influxdb.data import Data, DatabaseInfo, NodeInfo, RetentionPolicyInfo, ShardGroupInfo, UserInfo
from etcdmeta.influxdb.dialects import Dialect, for_dialect, what_is_lost
from etcdmeta.influxdb.errors import DialectCannotHold
from etcdmeta.influxdb.schema import DataMessage
from etcdmeta.influxdb.stored import StoredGroups
from etcdmeta.model.names import to_bytes


def encode(data: Data, dialect: Dialect, *, lossy: bool = False) -> bytes:
    """The `Data` message in a dialect. Raises `DialectCannotHold` where it would lose something, unless ``lossy``;
    `InvalidInput` for a number that does not fit its field."""
    losses = () if lossy else what_is_lost(data, dialect)
    if losses:
        listed = ", ".join(f"{loss.number} × {loss.what} (first: {loss.first})" for loss in losses)
        raise DialectCannotHold(
            f"InfluxDB {dialect} cannot hold all of it: {listed}",
            value=losses,
            rule="nothing is lost without being asked for",
            remedy="choose another dialect, or lose it with --lossy",
        )
    return encode_as_is(for_dialect(data, dialect))


def encode_as_is(data: Data) -> bytes:
    """Every field that is there, whatever version has it; also OwnerIDs. Raises `InvalidInput`."""
    try:
        if any(isinstance(p.shard_groups, StoredGroups) for d in data.databases for p in d.retention_policies):
            return _in_pieces(data)
        written: bytes = _message(data).SerializeToString(deterministic=True)
    except (ValueError, EncodeError) as unfit:
        raise InvalidInput(
            f"InfluxDB's encoding cannot hold a value: {unfit}", rule="each number has 32 or 64 bits"
        ) from unfit
    return written


def _in_pieces(data: Data) -> bytes:
    """The same bytes, of messages in pieces, between which groups lie that are encoded already."""
    first = replace(data, databases=(), users=(), data_nodes=(), meta_nodes=())
    pieces = [_fields(_message(first), 1, 4)]
    for database in data.databases:
        inner = [_database_piece(database, 1, 2)]
        inner += [_framed(3, _policy_pieces(policy)) for policy in database.retention_policies]
        pieces.append(_framed(5, b"".join([*inner, _database_piece(database, 4, 4)])))
    pieces.append(_fields(_message(replace(data, nodes=(), databases=())), 6, 11))
    return b"".join(pieces)


def _database_piece(database: DatabaseInfo, low: int, high: int) -> bytes:
    m = DataMessage().Databases.add()
    _database(m, replace(database, retention_policies=()))
    return _fields(m, low, high)


def _policy_pieces(policy: RetentionPolicyInfo) -> bytes:
    groups = policy.shard_groups
    bare = DataMessage().Databases.add().RetentionPolicies.add()
    _policy(bare, replace(policy, shard_groups=()))
    encoded = groups.encoded(_one_group) if isinstance(groups, StoredGroups) else map(_one_group, groups)
    return b"".join([_fields(bare, 1, 4), *encoded, _fields(bare, 6, 6)])


def _one_group(group: ShardGroupInfo) -> bytes:
    m = DataMessage().Databases.add().RetentionPolicies.add()
    _policy(m, RetentionPolicyInfo("", 0, 0, 0, (group,)))
    return _fields(m, 5, 5)


def _fields(m: Any, low: int, high: int) -> bytes:
    """Of a message only the fields of these numbers."""
    part = type(m)()
    part.CopyFrom(m)
    for known, _ in m.ListFields():
        if not low <= known.number <= high:
            part.ClearField(known.name)
    written: bytes = part.SerializePartialToString(deterministic=True)
    return written


def _framed(number: int, payload: bytes) -> bytes:
    """A field that is a message."""
    length, varint = len(payload), bytearray()
    while length > 127:
        varint.append(length & 127 | 128)
        length >>= 7
    varint.append(length)
    return bytes([number << 3 | 2]) + bytes(varint) + payload


def _message(data: Data) -> Any:
    m = DataMessage(
        Term=data.term,
        Index=data.index,
        ClusterID=data.cluster_id,
        MaxNodeID=data.max_node_id,
        MaxShardGroupID=data.max_shard_group_id,
        MaxShardID=data.max_shard_id,
    )
    for listed, nodes in ((m.Nodes, data.nodes), (m.DataNodes, data.data_nodes), (m.MetaNodes, data.meta_nodes)):
        for node in nodes:
            _node(listed.add(), node)
    for database in data.databases:
        _database(m.Databases.add(), database)
    for user in data.users:
        _user(m.Users.add(), user)
    return m


def _node(m: Any, node: NodeInfo) -> None:
    m.ID, m.Host = node.id, to_bytes(node.host)
    if node.tcp_host is not None:
        m.TCPHost = to_bytes(node.tcp_host)


def _database(m: Any, database: DatabaseInfo) -> None:
    m.Name, m.DefaultRetentionPolicy = to_bytes(database.name), to_bytes(database.default_retention_policy)
    for policy in database.retention_policies:
        _policy(m.RetentionPolicies.add(), policy)
    for query in database.continuous_queries:
        m.ContinuousQueries.add(Name=to_bytes(query.name), Query=to_bytes(query.query))


def _policy(m: Any, policy: RetentionPolicyInfo) -> None:
    m.Name, m.Duration = to_bytes(policy.name), policy.duration
    m.ShardGroupDuration, m.ReplicaN = policy.shard_group_duration, policy.replica_n
    add_group = m.ShardGroups.add
    for group in policy.shard_groups:
        gm = add_group()
        gm.ID, gm.StartTime, gm.EndTime, gm.DeletedAt = group.id, group.start_time, group.end_time, group.deleted_at
        if group.truncated_at is not None:
            gm.TruncatedAt = group.truncated_at
        for shard in group.shards:
            sm = gm.Shards.add(ID=shard.id)
            sm.OwnerIDs.extend(shard.owner_ids)
            for node_id in shard.owners:
                sm.Owners.add(NodeID=node_id)
    for subscription in policy.subscriptions:
        destinations = [to_bytes(destination) for destination in subscription.destinations]
        m.Subscriptions.add(
            Name=to_bytes(subscription.name), Mode=to_bytes(subscription.mode), Destinations=destinations
        )


def _user(m: Any, user: UserInfo) -> None:
    m.Name, m.Hash, m.Admin = to_bytes(user.name), user.hash, user.admin
    for privilege in user.privileges:
        m.Privileges.add(Database=to_bytes(privilege.database), Privilege=privilege.privilege)
