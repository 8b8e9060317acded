"""What is odd in `Data`, told by brute force from the rules' words: what an import must name, and may not overlook."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator

from etcdmeta.influxdb import Data, Rule
from etcdmeta.influxdb.data import NodeInfo, RetentionPolicyInfo, ShardInfo, UserInfo
from etcdmeta.model.times import MAX_TIME, MIN_TIME

_SECRET = re.compile(r"(?s)(?:(?!://).)*://[^/]*@")
"""A URL with something in front of its host."""


def odd_in(data: Data) -> set[Rule]:
    """At least these must be named."""
    return {rule for rule, found in _found(data) if found}


def _found(data: Data) -> Iterator[tuple[Rule, bool]]:
    policies = [policy for database in data.databases for policy in database.retention_policies]
    for names, may_be_empty in _names(data):
        yield Rule.DUPLICATE_NAME, _twice(name for name in names if name or may_be_empty)
        yield Rule.NAMELESS if may_be_empty else Rule.EMPTY_NAME, "" in names
        # Of names that stand twice the second is renamed: it is named, but not as unreadable.
        yield Rule.UNREADABLE_NAME, any(_garbled(name) for name in names) and not _twice(names)
    for database in data.databases:
        default, there = database.default_retention_policy, {p.name for p in database.retention_policies}
        yield Rule.DANGLING_DEFAULT, bool(default) and default not in there
    for policy in policies:
        yield from _of_policy(policy)
    yield from _of_ids(data, policies)
    for user in data.users:
        yield from _of_user(user, {database.name for database in data.databases})
    yield Rule.DUPLICATE_USER, _twice(user.name for user in data.users if user.name)


def _names(data: Data) -> Iterator[tuple[list[str], bool]]:
    """Names that have to differ, and whether one may be empty."""
    yield [database.name for database in data.databases], False
    for database in data.databases:
        yield [policy.name for policy in database.retention_policies], False
        yield [query.name for query in database.continuous_queries], True
        for policy in database.retention_policies:
            yield [subscription.name for subscription in policy.subscriptions], True


def _of_policy(policy: RetentionPolicyInfo) -> Iterator[tuple[Rule, bool]]:
    yield Rule.DURATION_NEGATIVE, policy.duration < 0 or policy.shard_group_duration < 0
    yield Rule.GROUP_DURATION_UNSET, policy.shard_group_duration == 0 and policy.duration >= 0
    yield Rule.NO_REPLICAS, policy.replica_n == 0
    live = []
    for group in policy.shard_groups:
        times = (group.start_time, group.end_time)
        yield Rule.TIME_OUT_OF_RANGE, any(not MIN_TIME <= time <= MAX_TIME for time in times)
        yield Rule.TIME_UNSET, 0 in times
        yield Rule.GROUP_WITHOUT_SHARDS, not group.deleted_at and not group.shards
        if not group.deleted_at and group.shards:
            yield Rule.START_AFTER_END, group.start_time >= group.end_time
            live.append((group.start_time, min(group.end_time, group.truncated_at or group.end_time)))
    for subscription in policy.subscriptions:
        yield Rule.MODE_UNKNOWN, subscription.mode not in {"ANY", "ALL"}
        yield Rule.UNREADABLE_ADDRESS, any(map(_garbled, (subscription.mode, *subscription.destinations)))
        yield Rule.SECRET_IN_DESTINATION, any(map(_SECRET.match, subscription.destinations))
    live = [(start, end) for start, end in live if MIN_TIME <= start < end <= MAX_TIME]
    yield (
        Rule.OVERLAPPING_GROUPS,
        any(one is not other and one[0] < other[1] and other[0] < one[1] for one in live for other in live),
    )


def _of_ids(data: Data, policies: list[RetentionPolicyInfo]) -> Iterator[tuple[Rule, bool]]:
    nodes: tuple[NodeInfo, ...] = data.nodes or data.data_nodes
    groups = [group for policy in policies for group in policy.shard_groups]
    shards: list[ShardInfo] = [shard for group in groups for shard in group.shards]
    owners = {node_id for shard in shards for node_id in shard.effective_owners}
    known = {node.id for node in nodes}
    yield Rule.DUPLICATE_NODE, _twice(node.id for node in nodes)
    yield Rule.ID_ZERO, 0 in known or 0 in owners or any(shard.id == 0 for shard in shards)
    yield Rule.DUPLICATE_GROUP_ID, _twice(group.id for group in groups)
    yield Rule.DUPLICATE_SHARD_ID, _twice(shard.id for shard in shards if shard.id)
    yield Rule.OWNER_IS_NO_NODE, bool(owners - known - {0})
    yield Rule.SHARD_WITHOUT_OWNERS, any(not shard.effective_owners for shard in shards)
    yield Rule.OWNER_TWICE, any(_twice(shard.effective_owners) for shard in shards)
    yield Rule.BOTH_KINDS_OF_OWNERS, any(shard.owner_ids and shard.owners for shard in shards)
    yield Rule.META_NODE_ONLY, bool({node.id for node in data.meta_nodes} - known)
    nodes_used = {*known, *owners, *(node.id for node in data.meta_nodes)}
    for counter, used in (
        (data.max_node_id, nodes_used if known or owners else set()),
        (data.max_shard_group_id, {group.id for group in groups}),
        (data.max_shard_id, {shard.id for shard in shards}),
    ):
        yield Rule.COUNTER_TOO_LOW, counter < max(used, default=0)
        yield Rule.NO_IDS_LEFT, max({counter, *used}) >= 2**63


def _of_user(user: UserInfo, databases: set[str]) -> Iterator[tuple[Rule, bool]]:
    yield Rule.EMPTY_USER, not user.name
    yield Rule.UNREADABLE_NAME, _garbled(user.name)
    yield Rule.HASH_UNUSABLE, len(user.hash) != 60 or user.hash[:4] not in {b"$2a$", b"$2b$", b"$2y$"}
    there = [given.database for given in user.privileges if given.database in databases]
    yield Rule.PRIVILEGE_TWICE, _twice(there) and not _twice(databases)
    yield Rule.PRIVILEGE_ON_NOTHING, len(there) < len(user.privileges)
    yield Rule.PRIVILEGE_UNKNOWN, any(given.privilege not in range(4) for given in user.privileges)


def _twice(things: Iterable[object]) -> bool:
    return any(count > 1 for count in Counter(things).values())


def _garbled(text: str) -> bool:
    return any("\udc80" <= character <= "\udcff" for character in text)
