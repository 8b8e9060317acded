"""Snapshots made by hand, through the same door as a listing of etcd."""

from __future__ import annotations

from collections.abc import Sequence

from etcdmeta.cli.output import Picture
from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import (
    Cluster,
    Database,
    Liveness,
    Node,
    Progress,
    Record,
    RetentionPolicy,
    Shard,
    ShardGroup,
    ShardOwner,
)
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import parse_time
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_name_ref
from etcdmeta.records.transaction import KeyValue
from etcdmeta.replica.loader import Loader

DAY = 86_400 * 10**9
WEEK = 7 * DAY
MIB = 1 << 20


def at(text: str) -> int:
    return parse_time(text, now=0)


NOW = at("2026-11-25T12:00:00Z")
PICTURE = Picture(cluster_id=5577006791947779410, generation=1284, revision=2000, as_of=NOW, age=0.1)


class Scene:
    """Collects records; `snapshot` is the picture of them."""

    def __init__(self) -> None:
        self._kvs: dict[bytes, bytes] = {}
        self._policies: dict[tuple[str, str], RetentionPolicy] = {}
        self._databases: dict[str, int] = {}
        self._groups = 0
        self.put(keys.CLUSTER, Cluster(cluster_id=PICTURE.cluster_id, epoch=1, generation_base=PICTURE.generation))

    def put(self, key: bytes, record: Record) -> None:
        self._kvs[key] = encode(record)

    def node(self, node_id: int, *, live: bool | None = True, state: str = "joined") -> None:
        """``live`` None: it never reported."""
        host = f"h{node_id}:8088"
        record = Node(id=node_id, host=host, labels={}, state=state, reports_liveness=live is not None)
        self.put(keys.node(node_id), record)
        self._kvs[keys.host_name(host)] = encode_name_ref(node_id)
        if live:
            self.put(keys.live(node_id), Liveness(node_id=node_id, instance=1, since=NOW - DAY, host=host))

    def policy(
        self, database: str, name: str, *, replicas: int = 2, duration: str = "INF", group_duration: str = "7d"
    ) -> RetentionPolicy:
        new = database not in self._databases
        database_id = self._databases.setdefault(database, len(self._databases) + 1)
        policy = RetentionPolicy(
            id=len(self._policies) + 1,
            database_id=database_id,
            name=name,
            replicas=replicas,
            duration=Duration.parse(duration),
            group_duration=Duration.parse(group_duration),
        )
        if new:
            record = Database(id=database_id, name=database, default_policy_id=policy.id)
            self.put(keys.database_info(database_id), record)
            self._kvs[keys.database_name(database)] = encode_name_ref(database_id)
        self.put(keys.policy_info(database_id, policy.id), policy)
        self._kvs[keys.policy_name(database_id, name)] = encode_name_ref(policy.id)
        self._policies[database, name] = policy
        return policy

    def group(
        self,
        group_id: int,
        path: tuple[str, str],
        start: str | int,
        shards: dict[int, Sequence[ShardOwner]],
        *,
        length: int = WEEK,
        deleted_at: int | None = None,
        truncated_at: int | None = None,
    ) -> None:
        policy = self._policies[path]
        begin = at(start) if isinstance(start, str) else start
        group = ShardGroup(
            id=group_id,
            database_id=policy.database_id,
            policy_id=policy.id,
            start=begin,
            end=begin + length,
            deleted_at=deleted_at,
            truncated_at=truncated_at,
            shards=tuple(Shard(id=shard, owners=tuple(owners), last_attempt=2) for shard, owners in shards.items()),
        )
        self.put(keys.group(policy.database_id, policy.id, begin, group_id), group)

    def progress(
        self,
        path: tuple[str, str],
        shard: int,
        node: int,
        *,
        attempt: int,
        done: int,
        total: int,
        rate: int,
        updated: int,
    ) -> None:
        policy = self._policies[path]
        record = Progress(
            database_id=policy.database_id,
            policy_id=policy.id,
            shard_id=shard,
            node_id=node,
            attempt=attempt,
            bytes_done=done,
            bytes_total=total,
            bytes_per_second=rate,
            updated=updated,
        )
        self.put(keys.progress(policy.database_id, policy.id, shard, node), record)

    def raw(self, key: bytes, value: bytes) -> None:
        self._kvs[key] = value

    def snapshot(self) -> Snapshot:
        loader = Loader(0)
        loader.add(KeyValue(key, value, 1, 1000 + place, 1) for place, (key, value) in enumerate(self._kvs.items()))
        return loader.finish(PICTURE.revision)


def owner(node_id: int, status: str = "active", **fields: object) -> ShardOwner:
    known = OwnerStatus(status) if status in set(OwnerStatus) else status
    return ShardOwner.model_validate({"node_id": node_id, "status": known, **fields})


def contract_scene() -> Scene:
    """The example in the command line's contract: 12 shards of two policies on 4 nodes, one of which is down."""
    scene = Scene()
    for node_id in (1, 2, 4):
        scene.node(node_id)
    scene.node(3, live=False)
    week, autogen = ("logs", "week"), ("metrics", "autogen")
    scene.policy(*week, duration="30d")
    scene.policy(*autogen)
    failed = owner(4, "failed", reason="disk full", since=at("2026-11-25T09:00:00Z"), attempt=1)
    scene.group(12, week, "2026-11-09", {21: [failed, owner(3)]})
    copying = owner(2, "copying", source=1, attempt=2, since=at("2026-11-25T11:55:00Z"))
    scene.group(10, autogen, "2026-11-23", {18: [owner(1), copying]})
    scene.progress(autogen, 18, 2, attempt=2, done=2150 * MIB, total=5000 * MIB, rate=12 * MIB, updated=NOW - 2 * 10**9)
    scene.group(9, autogen, "2026-11-16", {17: [owner(1), owner(2)]})
    for weeks in range(2, 10):
        start = at("2026-11-23") - weeks * WEEK
        scene.group(20 + weeks, autogen, start, {30 + weeks: [owner(1), owner(2)]})
    scene.group(40, autogen, "2026-11-30", {50: [owner(1), owner(4, "leaving")]})
    return scene
