"""What each version of InfluxDB can hold, and what is lost on the way to it.

=========  =============  ==================  ============  =====  ===============
           subscriptions  data/meta nodes     truncated-at  nodes  order of groups
=========  =============  ==================  ============  =====  ===============
0.9.4      –              –                   –             yes    of creation
0.9.6      yes (0.9.5)    –                   –             yes    by start
0.10       yes            yes, for nodes      –             yes    by start
1.x        yes            –                   yes           –      by start
=========  =============  ==================  ============  =====  ===============

Early 0.9 appends a group to its policy's list; later versions sort the list when they do, and leave groups
of one start (a deleted one and its successor, at most) in any order; what was read from a file stays in that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import StrEnum
from operator import attrgetter
from typing import NamedTuple

from etcdmeta.influxdb.data import Data, DatabaseInfo, NodeInfo, RetentionPolicyInfo, ShardGroupInfo
from etcdmeta.influxdb.stored import StoredGroups


class Dialect(StrEnum):
    """Named for the version that a file is written for."""

    V0_9_4 = "0.9.4"
    V0_9_6 = "0.9.6"
    V0_10 = "0.10"
    V1 = "1.x"

    @property
    def has_subscriptions(self) -> bool:
        return self is not Dialect.V0_9_4

    @property
    def sorts_groups(self) -> bool:
        """By their start; else they stand in order of creation, which is that of their ids."""
        return self is not Dialect.V0_9_4

    @property
    def has_truncation(self) -> bool:
        return self is Dialect.V1


class Loss(NamedTuple):
    """``number`` things of one kind that find no place; ``first`` is where the first of them is."""

    what: str
    number: int
    first: str


def what_is_lost(data: Data, dialect: Dialect) -> tuple[Loss, ...]:
    """Empty: the dialect holds all of it."""
    found: list[Loss] = []
    if dialect is Dialect.V1:
        nodes = (("Nodes", data.nodes), ("DataNodes", data.data_nodes), ("MetaNodes", data.meta_nodes))
        found += [Loss("node", len(listed), f"{name}[0]") for name, listed in nodes if listed]
    elif dialect is not Dialect.V0_10:
        known = {node.id for node in data.nodes or data.data_nodes}
        meta_only = [i for i, node in enumerate(data.meta_nodes) if node.id not in known]
        if meta_only:
            found.append(Loss("node that is only a meta node", len(meta_only), f"MetaNodes[{meta_only[0]}]"))
        if not data.nodes:
            both = [i for i, node in enumerate(data.data_nodes) if node.tcp_host]
            if both:
                found.append(Loss("node's HTTP address", len(both), f"DataNodes[{both[0]}].Host"))
    for what, paths in (
        ("subscription", () if dialect.has_subscriptions else _subscriptions(data)),
        ("truncation of a shard group", () if dialect.has_truncation else _truncations(data)),
    ):
        listed = list(paths)
        if listed:
            found.append(Loss(what, len(listed), listed[0]))
    return tuple(found)


def for_dialect(data: Data, dialect: Dialect) -> Data:
    """The same in the form that the dialect has, without what it cannot hold.

    Owners are in ``owners``: no version that is written for uses OwnerIDs.
    """
    nodes: tuple[NodeInfo, ...] = ()
    data_nodes: tuple[NodeInfo, ...] = ()
    meta_nodes: tuple[NodeInfo, ...] = ()
    if dialect is Dialect.V0_10:
        data_nodes, meta_nodes = data.data_nodes, data.meta_nodes
        if data.nodes:  # what 0.10 makes of a 0.9 file: each node is a data node
            data_nodes = tuple(replace(n, tcp_host=n.tcp_host or n.host) for n in data.nodes)
    elif dialect is not Dialect.V1:
        nodes = tuple(NodeInfo(n.id, n.tcp_host or n.host) for n in data.nodes or data.data_nodes)
    databases = tuple(_database(database, dialect) for database in data.databases)
    return replace(data, nodes=nodes, data_nodes=data_nodes, meta_nodes=meta_nodes, databases=databases)


def likely_dialects(data: Data) -> str:
    """Which versions may have written it, for people."""
    if data.data_nodes or data.meta_nodes:
        return "0.10"
    groups = (g for d in data.databases for p in d.retention_policies for g in p.shard_groups)
    if any(shard.owner_ids for group in groups for shard in group.shards):
        return "0.9.0 – 0.9.3"
    if data.nodes:
        return "0.9.4 – 0.9.6"
    return "1.x, or any version without nodes"


def _database(database: DatabaseInfo, dialect: Dialect) -> DatabaseInfo:
    policies = tuple(_policy(policy, dialect) for policy in database.retention_policies)
    return replace(database, retention_policies=policies)


def _policy(policy: RetentionPolicyInfo, dialect: Dialect) -> RetentionPolicyInfo:
    groups: Sequence[ShardGroupInfo] = policy.shard_groups
    if not (isinstance(groups, StoredGroups) and _is_as_stored(groups, dialect)):
        made = [_group(group, dialect) for group in groups]
        groups = tuple(sorted(made, key=_by_start if dialect.sorts_groups else _by_id))
    subscriptions = policy.subscriptions if dialect.has_subscriptions else ()
    return replace(policy, shard_groups=groups, subscriptions=subscriptions)


def _group(group: ShardGroupInfo, dialect: Dialect) -> ShardGroupInfo:
    if group.truncated_at is not None and not dialect.has_truncation:
        group = group._replace(truncated_at=None)
    if any(shard.owner_ids for shard in group.shards):
        shards = tuple(shard._replace(owner_ids=(), owners=shard.effective_owners) for shard in group.shards)
        group = group._replace(shards=shards)
    return group


def _is_as_stored(groups: StoredGroups, dialect: Dialect) -> bool:
    truncated = any(group.truncated_at is not None for group in groups.special.values())
    return dialect.sorts_groups and (dialect.has_truncation or not truncated)


_by_id = attrgetter("id")
_by_start = attrgetter("start_time")  # those of one start stay in the order in which they are given


def _policies(data: Data) -> Iterator[tuple[str, RetentionPolicyInfo]]:
    for d, database in enumerate(data.databases):
        for p, policy in enumerate(database.retention_policies):
            yield f"Databases[{d}].RetentionPolicies[{p}]", policy


def _subscriptions(data: Data) -> Iterator[str]:
    for path, policy in _policies(data):
        for index in range(len(policy.subscriptions)):
            yield f"{path}.Subscriptions[{index}]"


def _truncations(data: Data) -> Iterator[str]:
    for path, policy in _policies(data):
        groups = policy.shard_groups
        for index, group in groups.special.items() if isinstance(groups, StoredGroups) else enumerate(groups):
            if group.truncated_at:
                yield f"{path}.ShardGroups[{index}].TruncatedAt"
