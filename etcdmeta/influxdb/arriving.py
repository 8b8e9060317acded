"""`Data` → what our records will say: the neutral picture that an import plans from.

Ids are InfluxDB's own; databases, policies and users have none there and come in order of creation. Every owner is
``active``. OwnerIDs win over Owners. Of 0.10's split nodes those with data become nodes: 0.10 itself turns 0.9's nodes
into data nodes, and takes a data and a meta node of one id for one. What is odd is in ``oddities``, already repaired.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from etcdmeta.commands.importing.made import Made
from etcdmeta.errors import InvalidName
from etcdmeta.influxdb.arriving_groups import ArrivingGroup, Groups
from etcdmeta.influxdb.data import Data, DatabaseInfo, NodeInfo, RetentionPolicyInfo, UserInfo
from etcdmeta.influxdb.oddities import Oddities, Rule
from etcdmeta.model.durations import Duration
from etcdmeta.model.names import check_name
from etcdmeta.model.owners import Privilege, SubscriptionMode
from etcdmeta.model.retention import default_group_duration

BCRYPT_LENGTH: Final = 60
MOST_IDS: Final = 2**63
"""A counter from here on is damage: nobody made so many things, and counting on would leave 64 bits."""

_BCRYPT: Final = (b"$2a$", b"$2b$", b"$2y$")


@dataclass(frozen=True, slots=True)
class ArrivingNode:
    """``host``: the cluster address. ``http_host``: 0.10's other one. ``removed``: known only as an owner."""

    id: int
    host: str
    http_host: str | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class ArrivingSubscription:
    """Destinations are as they were, whatever they hold."""

    name: str
    mode: str
    destinations: tuple[str, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class ArrivingPolicy:
    """``name`` is the one to store, after repairs."""

    name: str
    duration: int
    group_duration: int
    replicas: int
    groups: Made[ArrivingGroup]
    subscriptions: tuple[ArrivingSubscription, ...]


@dataclass(frozen=True, slots=True)
class ArrivingDatabase:
    """``default_policy`` None: none. ``queries``: (name, text)."""

    name: str
    default_policy: str | None
    policies: tuple[ArrivingPolicy, ...]
    queries: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class ArrivingUser:
    """``grants``: (index of the database in `Arrival.databases`, privilege)."""

    name: str
    admin: bool
    hash: bytes = field(repr=False)
    grants: tuple[tuple[int, Privilege], ...]


@dataclass(frozen=True, slots=True)
class Arrival:
    """All of it. The ``highest_…`` are the counters that ids go on from. Where ``oddities.refused``, nothing of it may
    be stored. ``owner``: as `arrive` was given it, where it became the owner of some shard."""

    cluster_id: int
    term: int
    index: int
    nodes: tuple[ArrivingNode, ...]
    databases: tuple[ArrivingDatabase, ...]
    users: tuple[ArrivingUser, ...]
    highest_node: int
    highest_group: int
    highest_shard: int
    oddities: Oddities
    owner: int | None = None


def arrive(data: Data, *, now: int, owner: int | None = None) -> Arrival:
    """``now``: nanoseconds, for what is marked deleted by a repair. ``owner``: the node that becomes the owner of
    shards without any; it need not be among the nodes of ``data``."""
    odd = Oddities()
    nodes = _nodes(data, odd)
    groups = Groups(data, odd, now=now, owner=owner)
    databases = _databases(data, groups, odd)
    users = _users(data, odd)
    known = {node.id for node in nodes}
    strangers = sorted(groups.owners.keys() - known - {owner})
    for node_id in strangers:
        rule = Rule.OWNER_IS_NO_NODE if node_id else Rule.ID_ZERO
        odd.add(rule, groups.owners[node_id], f"node {node_id} owns shards and is no node")
    removed = tuple(ArrivingNode(node_id, "", removed=True) for node_id in strangers if node_id)
    counters = (
        ("MaxNodeID", data.max_node_id, max((*known, *strangers, *(n.id for n in data.meta_nodes)), default=0)),
        ("MaxShardGroupID", data.max_shard_group_id, groups.highest_read),
        ("MaxShardID", data.max_shard_id, groups.highest_shard),
    )
    for name, said, used in counters:
        # 1.x has no nodes and always writes 0 there.
        if said < used and not (name == "MaxNodeID" and not nodes and not strangers):
            odd.add(Rule.COUNTER_TOO_LOW, name, f"it is {said}, and id {used} is in use")
    highest = [max(said, used) for _, said, used in counters]
    for (name, _, _), number in zip(counters, highest, strict=True):
        if number >= MOST_IDS:
            odd.add(Rule.NO_IDS_LEFT, name, f"ids would go on from {number}")
    node, group, shard = highest
    group = max(group, groups.highest_group)
    given = owner if owner in groups.owners else None
    nodes += removed
    return Arrival(data.cluster_id, data.term, data.index, nodes, databases, users, node, group, shard, odd, given)


def free_name(name: str, taken: Iterable[str]) -> str:
    """``name``, or the first of ``name~2``, ``name~3`` … that is not taken."""
    names = set(taken)
    if name not in names:
        return name
    number = 2
    while f"{name}~{number}" in names:
        number += 1
    return f"{name}~{number}"


def _nodes(data: Data, odd: Oddities) -> tuple[ArrivingNode, ...]:
    field_name, listed = ("Nodes", data.nodes) if data.nodes else ("DataNodes", data.data_nodes)
    found: dict[int, ArrivingNode] = {}
    hosts: set[str] = set()
    for index, node in enumerate(listed):
        path = f"{field_name}[{index}]"
        arriving = _node(node)
        _check_id(node.id, f"{path}.ID", odd)
        _check_address(arriving.host, f"{path}.Host", odd)
        if node.id in found or arriving.host in hosts:
            odd.add(Rule.DUPLICATE_NODE, path, f"node {node.id} at {arriving.host!r} is there already")
        hosts.add(arriving.host)
        found.setdefault(node.id, arriving)
    for index, node in enumerate(data.meta_nodes):
        if node.id not in found:
            odd.add(Rule.META_NODE_ONLY, f"MetaNodes[{index}]", f"node {node.id} at {node.tcp_host or node.host!r}")
    return tuple(found.values())


def _node(node: NodeInfo) -> ArrivingNode:
    return ArrivingNode(node.id, node.tcp_host, node.host) if node.tcp_host else ArrivingNode(node.id, node.host)


def _databases(data: Data, groups: Groups, odd: Oddities) -> tuple[ArrivingDatabase, ...]:
    originals = {database.name for database in data.databases}
    names: set[str] = set()
    found = []
    for index, database in enumerate(data.databases):
        path = f"Databases[{index}]"
        name = _new_name(database.name, names, originals, "database", path, odd)
        found.append(_database(database, name, path, groups, odd))
    return tuple(found)


def _database(database: DatabaseInfo, name: str, path: str, groups: Groups, odd: Oddities) -> ArrivingDatabase:
    originals = {policy.name for policy in database.retention_policies}
    names: set[str] = set()
    policies = []
    default: str | None = None
    for index, policy in enumerate(database.retention_policies):
        inner = f"{path}.RetentionPolicies[{index}]"
        policy_name = _new_name(policy.name, names, originals, "retention policy", inner, odd)
        policies.append(_policy(policy, policy_name, inner, groups, odd))
        if default is None and policy.name == database.default_retention_policy:
            default = policy_name
    if default is None and database.default_retention_policy:
        said = database.default_retention_policy
        odd.add(Rule.DANGLING_DEFAULT, f"{path}.DefaultRetentionPolicy", f"there is no policy {said!r}")
    texts = {query.name for query in database.continuous_queries}
    query_names: set[str] = set()
    queries = tuple(
        (_new_name(q.name, query_names, texts, "query", f"{path}.ContinuousQueries[{i}]", odd), q.query)
        for i, q in enumerate(database.continuous_queries)
    )
    return ArrivingDatabase(name, default, tuple(policies), queries)


def _policy(policy: RetentionPolicyInfo, name: str, path: str, groups: Groups, odd: Oddities) -> ArrivingPolicy:
    group_duration, replicas = policy.shard_group_duration, policy.replica_n
    if policy.duration < 0 or group_duration < 0:
        odd.add(Rule.DURATION_NEGATIVE, path, f"{policy.duration} ns, groups of {group_duration} ns")
    elif group_duration == 0:
        odd.add(Rule.GROUP_DURATION_UNSET, f"{path}.ShardGroupDuration", "it is 0")
        group_duration = default_group_duration(Duration(policy.duration))
    if replicas == 0:
        odd.add(Rule.NO_REPLICAS, f"{path}.ReplicaN", "it is 0")
        replicas = 1
    originals = {subscription.name for subscription in policy.subscriptions}
    names: set[str] = set()
    subscriptions = []
    for index, subscription in enumerate(policy.subscriptions):
        inner = f"{path}.Subscriptions[{index}]"
        new_name = _new_name(subscription.name, names, originals, "subscription", inner, odd)
        for text in (subscription.mode, *subscription.destinations):
            _check_address(text, inner, odd)
        if subscription.mode not in set(SubscriptionMode):
            odd.add(Rule.MODE_UNKNOWN, f"{inner}.Mode", repr(subscription.mode))
        for place, url in enumerate(subscription.destinations):
            host = url.partition("://")[2].partition("/")[0]
            if "@" in host:
                what = f"a user or password for {host.rpartition('@')[2]!r}"
                odd.add(Rule.SECRET_IN_DESTINATION, f"{inner}.Destinations[{place}]", what)
        subscriptions.append(ArrivingSubscription(new_name, subscription.mode, subscription.destinations))
    arrived = groups.of_policy(policy, path)
    return ArrivingPolicy(name, policy.duration, group_duration, replicas, arrived, tuple(subscriptions))


def _users(data: Data, odd: Oddities) -> tuple[ArrivingUser, ...]:
    # InfluxDB finds the first of a name.
    places = {database.name: index for index, database in reversed(list(enumerate(data.databases)))}
    names: set[str] = set()
    found = []
    for index, user in enumerate(data.users):
        path = f"Users[{index}]"
        if not user.name:
            odd.add(Rule.EMPTY_USER, f"{path}.Name", "it is empty")
        elif user.name in names:
            odd.add(Rule.DUPLICATE_USER, f"{path}.Name", repr(user.name))
        names.add(user.name)
        if not _is_text(user.name):
            odd.add(Rule.UNREADABLE_NAME, f"{path}.Name", repr(user.name))
        if not user.hash.startswith(_BCRYPT) or len(user.hash) != BCRYPT_LENGTH:
            odd.add(Rule.HASH_UNUSABLE, f"{path}.Hash", f"user {user.name!r}")
        found.append(ArrivingUser(user.name, user.admin, user.hash, _grants(user, places, path, odd)))
    return tuple(found)


def _grants(user: UserInfo, places: dict[str, int], path: str, odd: Oddities) -> tuple[tuple[int, Privilege], ...]:
    grants: dict[int, Privilege] = {}
    for index, given in enumerate(user.privileges):
        inner = f"{path}.Privileges[{index}]"
        try:
            privilege = Privilege.from_number(given.privilege)
        except ValueError:
            odd.add(Rule.PRIVILEGE_UNKNOWN, f"{inner}.Privilege", f"InfluxDB has no privilege {given.privilege}")
            privilege = Privilege.NONE
        place = places.get(given.database)
        if place is None:
            odd.add(Rule.PRIVILEGE_ON_NOTHING, f"{inner}.Database", f"{user.name!r} on {given.database!r}")
            continue
        if place in grants:
            odd.add(Rule.PRIVILEGE_TWICE, f"{inner}.Database", f"{user.name!r} on {given.database!r}")
        grants[place] = privilege
    return tuple(grants.items())


def _new_name(name: str, names: set[str], originals: set[str], what: str, path: str, odd: Oddities) -> str:
    """The name to store, which joins ``names``; repaired names keep clear of the ``originals``."""
    path = f"{path}.Name"
    new = name
    if not name and what in {"database", "retention policy"}:
        new = free_name("unnamed", names | originals)
        odd.add(Rule.EMPTY_NAME, path, f"a {what} without a name becomes {new!r}")
    elif name in names:
        new = free_name(name, names | originals)
        odd.add(Rule.DUPLICATE_NAME, path, f"a second {what} {name!r} becomes {new!r}")
    elif not name:
        odd.add(Rule.NAMELESS, path, f"a {what} without a name")
    elif not _is_text(name):
        odd.add(Rule.UNREADABLE_NAME, path, repr(name))
    elif what in {"database", "retention policy"} and not _is_usual(name):
        odd.add(Rule.UNUSUAL_NAME, path, repr(name))
    names.add(new)
    return new


def _check_id(number: int, path: str, odd: Oddities) -> None:
    if number == 0:
        odd.add(Rule.ID_ZERO, path, "it is 0")


def _check_address(text: str, path: str, odd: Oddities) -> None:
    if not _is_text(text):
        odd.add(Rule.UNREADABLE_ADDRESS, path, "it is not UTF-8")


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_usual(name: str) -> bool:
    try:
        check_name(name)
    except InvalidName:
        return False
    return True
