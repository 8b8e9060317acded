"""The JSON of exports, backups and restores, and of the document that an export writes."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, Field

from etcdmeta.cli.schema import GoDuration, Id, Item, Time


class LossItem(Item):
    """``count`` things of one kind that the target has no place for; ``first``: where the first of them is."""

    what: str
    count: int
    first: str


class ExportItem(Item):
    """``file`` null: standard output. ``written`` false: a dry run. ``counts``: what is in it, by kind."""

    file: str | None
    format: str
    dialect: str | None
    written: bool
    bytes: int
    sha256: str
    counts: Mapping[str, int]
    losses: list[LossItem]


class BackupItem(Item):
    """``generation`` and ``revision``: those of the cluster, as it is in the file. ``counts``: records by kind.
    ``unreadable``: keys whose values cannot be decoded; they are in it as they are."""

    file: str
    bytes: int
    sha256: str
    cluster: str
    cluster_id: Id
    epoch: Id
    generation: int
    revision: int
    created_at: Time
    made_by: str
    records: int
    counts: Mapping[str, int]
    unreadable: list[str]


class RestoreItem(Item):
    """``state``: planned, restored, verified, different, aborted. ``generation``: the one that the restore became; null
    where nothing was restored. ``resumedFrom``: records that an earlier run had written. What ``--verify`` found is
    null elsewhere."""

    file: str | None
    state: str
    cluster: str
    cluster_id: Id | None
    backup_generation: int | None
    generation: int | None
    records: int
    resumed_from: int
    missing: int | None = None
    changed: int | None = None
    added: int | None = None
    first_difference: str | None = None


class Base64(Item):
    """A name that is not UTF-8."""

    base64: str


Name = str | Base64


class DocumentOwner(Item):
    """``status``: active, copying, leaving, failed, or a later version's word. ``source``: the node copied from."""

    node_id: Id
    status: str
    source: Id | None
    attempt: int
    since: Time | None
    reason: str


class DocumentShard(Item):
    """``lastAttempt`` only grows."""

    id: Id
    last_attempt: int
    owners: list[DocumentOwner]


class DocumentGroup(Item):
    """[start, end)."""

    id: Id
    start: Time
    end: Time
    deleted_at: Time | None
    truncated_at: Time | None
    shards: list[DocumentShard]


class DocumentSubscription(Item):
    """``mode``: ANY or ALL."""

    name: Name
    mode: str
    destinations: list[str]


class DocumentPolicy(Item):
    """``duration`` 0s: for ever."""

    id: Id
    name: Name
    duration: GoDuration
    duration_ns: int
    shard_group_duration: GoDuration
    shard_group_duration_ns: int
    replicas: int
    subscriptions: list[DocumentSubscription]
    groups: list[DocumentGroup]


class DocumentQuery(Item):
    """The text is not interpreted."""

    name: Name
    query: Name


class DocumentDatabase(Item):
    """``defaultPolicy`` null: none."""

    id: Id
    name: Name
    default_policy: Name | None
    queries: list[DocumentQuery]
    policies: list[DocumentPolicy]


class DocumentNode(Item):
    """``state``: joined, draining, removing, removed."""

    id: Id
    host: str
    state: str
    labels: Mapping[str, str]
    joined_at: Time | None


class DocumentGrant(Item):
    """``privilege``: none, read, write, all."""

    database: Name
    privilege: str


class DocumentUser(Item):
    """``hash``: bcrypt's."""

    id: Id
    name: Name
    admin: bool
    hash: Name | None
    grants: list[DocumentGrant]


class ClusterDocument(Item):
    """What `etcdmeta export --format json` writes, and `etcdmeta import` reads. ``counters``: per kind the highest id
    that was ever handed out. Lists come in order of creation, groups in order of time."""

    api_version: str = Field(pattern="^etcdmeta/v1$")
    kind: str = Field(pattern="^ClusterDocument$")
    cluster_id: Id
    generation: int
    counters: Mapping[str, str]
    nodes: list[DocumentNode]
    databases: list[DocumentDatabase]
    users: list[DocumentUser]


KINDS: dict[str, type[BaseModel]] = {
    "ExportList": ExportItem,
    "BackupList": BackupItem,
    "RestoreList": RestoreItem,
}
DOCUMENTS: dict[str, type[BaseModel]] = {"ClusterDocument": ClusterDocument}
