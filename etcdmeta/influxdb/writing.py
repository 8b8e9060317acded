"""`Data` → bytes that a given version of InfluxDB reads.

Every required field is written, also where it is 0, and fields come in order of their numbers, as Go writes them; the
same data give the same bytes.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import EncodeError

from etcdmeta.errors import InvalidInput
from etcdmeta.influxdb.data import Data, DatabaseInfo, NodeInfo, RetentionPolicyInfo, UserInfo
from etcdmeta.influxdb.dialects import Dialect, for_dialect, what_is_lost
from etcdmeta.influxdb.errors import DialectCannotHold
from etcdmeta.influxdb.schema import DataMessage
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
        written: bytes = _message(data).SerializeToString(deterministic=True)
    except (ValueError, EncodeError) as unfit:
        raise InvalidInput(
            f"InfluxDB's encoding cannot hold a value: {unfit}", rule="each number has 32 or 64 bits"
        ) from unfit
    return written


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
