"""`Arrival` → what an import plans from: the same, in the words that our own formats have, too."""

from __future__ import annotations

from functools import partial
from types import MappingProxyType

from etcdmeta.commands.importing.incoming import (
    Incoming,
    IncomingDatabase,
    IncomingGroup,
    IncomingNode,
    IncomingOwner,
    IncomingPolicy,
    IncomingShard,
    IncomingSubscription,
    IncomingUser,
)
from etcdmeta.commands.importing.made import Made, Row
from etcdmeta.influxdb.arriving import Arrival, ArrivingDatabase, ArrivingNode, ArrivingPolicy
from etcdmeta.influxdb.leaving import HTTP_HOST_LABEL
from etcdmeta.model.owners import NodeState

Owners = dict[tuple[int, ...], tuple[IncomingOwner, ...]]
"""Node ids → the owners."""


def hand_on(arrival: Arrival) -> Incoming:
    """Nothing is left out, and nothing is decided any more."""
    owners: Owners = {}
    given = () if arrival.owner is None else (IncomingNode(arrival.owner, ""),)
    return Incoming(
        cluster_id=arrival.cluster_id,
        generation=arrival.index,
        nodes=(*(_node(node) for node in arrival.nodes), *given),
        databases=tuple(_database(database, owners) for database in arrival.databases),
        users=tuple(
            IncomingUser(user.name, user.admin, user.hash, tuple((d, str(p)) for d, p in user.grants))
            for user in arrival.users
        ),
        highest=MappingProxyType(
            {"node": arrival.highest_node, "group": arrival.highest_group, "shard": arrival.highest_shard}
        ),
    )


def _node(node: ArrivingNode) -> IncomingNode:
    labels = {HTTP_HOST_LABEL: node.http_host} if node.http_host else {}
    return IncomingNode(node.id, node.host, labels, str(NodeState.REMOVED) if node.removed else "")


def _database(database: ArrivingDatabase, owners: Owners) -> IncomingDatabase:
    names = [policy.name for policy in database.policies]
    default = None if database.default_policy is None else names.index(database.default_policy)
    policies = tuple(_policy(policy, owners) for policy in database.policies)
    return IncomingDatabase(database.name, default, policies, database.queries)


def _policy(policy: ArrivingPolicy, owners: Owners) -> IncomingPolicy:
    return IncomingPolicy(
        policy.name,
        policy.duration,
        policy.group_duration,
        policy.replicas,
        Made(policy.groups.rows, partial(_group, owners)),
        tuple(IncomingSubscription(s.name, s.mode, s.destinations) for s in policy.subscriptions),
    )


def _group(owners: Owners, group: Row) -> IncomingGroup:
    """One object for each set of owners, however many shards have it: there are 100,000 groups, and few sets."""
    group_id, start, end, deleted_at, truncated_at, held = group
    shards = []
    for shard_id, node_ids in held:
        found = owners.get(node_ids)
        if found is None:
            found = owners[node_ids] = tuple([IncomingOwner(node_id) for node_id in node_ids])
        shards.append(IncomingShard(shard_id, found))
    return IncomingGroup(group_id, start, end, deleted_at, truncated_at, tuple(shards))
