"""The items of the plain nouns' outputs. Their keys are an interface: see `etcdmeta.cli.schema`."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, JsonValue

from etcdmeta.cli.schema import GoDuration, Id, Item, Time


class ClusterItem(Item):
    """``name`` is the part of the prefix, ``id`` what tells clusters apart, ``epoch`` one life of it."""

    id: Id
    name: str
    prefix: str
    epoch: Id
    oldest_reader: int
    oldest_writer: int
    read_only: bool
    nodes: int
    databases: int
    users: int


class NodeItem(Item):
    """``live`` null: it never reported. ``owners``: how many shards of live groups it owns.

    ``state`` is the record's word; ``condition`` says it together with liveness: live, down, draining, joining,
    unknown, removing, removed. What the node says of itself is null while it does not: ``generation``, and ``lag``,
    which is how far that lies behind this picture's; ``cacheAgeSeconds``, also null where its picture was never
    current. ``interruptions``: how often it lost its lease or was restarted in the last 10 minutes; from 3 on it is
    ``flapping``.
    """

    id: Id
    host: str
    state: str
    labels: Mapping[str, str]
    live: bool | None
    live_since: Time | None
    version: str | None
    owners: int
    condition: str
    joined_at: Time | None
    generation: int | None
    lag: int | None
    cache_age_seconds: float | None
    agent_address: str | None
    instance: Id | None
    flapping: bool | None
    interruptions: int | None


class DatabaseItem(Item):
    """``defaultPolicy`` null: there is none, and points without a policy are refused."""

    id: Id
    name: str
    default_policy: str | None
    policies: list[str]
    shard_groups: int
    continuous_queries: int
    granted_users: int


class PolicyItem(Item):
    """``duration`` 0s: for ever. ``shardGroups``: live ones."""

    id: Id
    database: str
    name: str
    default: bool
    duration: GoDuration
    duration_ns: int
    shard_group_duration: GoDuration
    shard_group_duration_ns: int
    replicas: int
    shard_groups: int
    subscriptions: int


class GroupOwnerItem(Item):
    """One node's share in a shard; ``host`` null: the node has no record."""

    node_id: Id
    host: str | None
    status: str
    source: Id | None
    attempt: int
    since: Time | None
    reason: str


class GroupShardItem(Item):
    """One shard of a group."""

    id: Id
    last_attempt: int
    owners: list[GroupOwnerItem]


class GroupItem(Item):
    """``expires`` null: never."""

    id: Id
    database: str
    policy: str
    start: Time
    end: Time
    expires: Time | None
    truncated_at: Time | None
    deleted_at: Time | None
    shards: list[GroupShardItem]
    revision: int


class QueryItem(Item):
    """A continuous query."""

    database: str
    name: str
    query: str


class SubscriptionItem(Item):
    """``mode`` ANY or ALL."""

    database: str
    policy: str
    name: str
    mode: str
    destinations: list[str]


class UserItem(Item):
    """``privileges``: by database. An admin passes every check."""

    id: Id
    name: str
    admin: bool
    privileges: Mapping[str, str]


class GrantItem(Item):
    """One privilege of one user in one database."""

    user: str
    database: str
    privilege: str


class ExpectedItem(Item):
    """One condition of a transaction; ``rangeEnd`` null: it is about the one key."""

    key: str
    range_end: str | None
    condition: str
    number: int


class WrittenItem(Item):
    """One write of a transaction; ``bytes`` null: a delete."""

    action: str
    key: str
    range_end: str | None
    bytes: int | None


class PlanItem(Item):
    """What a command would do. ``more``: another step would follow it. Ids in it may come out otherwise."""

    command: str
    summary: str
    changed: bool
    more: bool
    expected: list[ExpectedItem]
    written: list[WrittenItem]
    result: Mapping[str, JsonValue]
    notices: list[str]


class SettingItem(Item):
    """``value`` null: not set. A password is never shown, only where it comes from."""

    name: str
    value: str | None
    source: str


class MemberItem(Item):
    """What one etcd endpoint answered; ``problem`` null: it answered."""

    endpoint: str
    version: str | None
    problem: str | None


class VersionItem(Item):
    """One component and its version."""

    component: str
    version: str


KINDS: dict[str, type[BaseModel]] = {
    "ClusterList": ClusterItem,
    "NodeList": NodeItem,
    "DatabaseList": DatabaseItem,
    "RetentionPolicyList": PolicyItem,
    "ShardGroupList": GroupItem,
    "ContinuousQueryList": QueryItem,
    "SubscriptionList": SubscriptionItem,
    "UserList": UserItem,
    "GrantList": GrantItem,
    "PlanList": PlanItem,
    "SettingList": SettingItem,
    "EndpointList": MemberItem,
    "VersionList": VersionItem,
}
