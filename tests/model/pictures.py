"""Pictures to ask: records put one after the other, as etcd would count them, and read as a listing is."""

from __future__ import annotations

from collections.abc import Sequence

from etcdmeta.model.durations import DAY, HOUR, Duration
from etcdmeta.model.entities import Database, Grant, Node, Record, RetentionPolicy, Shard, ShardGroup, ShardOwner, User
from etcdmeta.model.owners import Privilege
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_name_ref
from etcdmeta.records.transaction import DELETE_EVENT, PUT_EVENT, Event, KeyValue
from etcdmeta.replica.apply import apply
from etcdmeta.replica.changes import Change
from etcdmeta.replica.loader import Loader

GARBAGE = b"\xff\xff no protobuf"


class Book:
    """What etcd holds. Each `put` and `delete` is a revision of its own; keys are relative."""

    def __init__(self) -> None:
        self.kvs: dict[bytes, KeyValue] = {}
        self.revision = 1

    def put(self, key: bytes, value: Record | bytes) -> Event:
        self.revision += 1
        old = self.kvs.get(key)
        stored = value if isinstance(value, bytes) else encode(value)
        create, version = (old.create_revision, old.version + 1) if old else (self.revision, 1)
        self.kvs[key] = KeyValue(key, stored, create, self.revision, version)
        return Event(PUT_EVENT, self.kvs[key])

    def delete(self, key: bytes) -> Event:
        self.revision += 1
        self.kvs.pop(key, None)
        return Event(DELETE_EVENT, KeyValue(key, b"", 0, self.revision, 0))

    def load(self) -> Snapshot:
        """As a listing gives it."""
        loader = Loader(0)
        loader.add(self.kvs[key] for key in sorted(self.kvs))
        return loader.finish(self.revision)

    def rows(self) -> list[tuple[bytes, bytes, int, int]]:
        """What `etcdmeta.replica.listing.listing` has to give."""
        return [(k, kv.value, kv.mod_revision, kv.create_revision) for k, kv in sorted(self.kvs.items())]

    # --- what most tests begin with

    def database(self, database_id: int, name: str, default: int = 0) -> None:
        self.put(keys.database_info(database_id), Database(id=database_id, name=name, default_policy_id=default))
        self.put(keys.database_name(name), encode_name_ref(database_id))

    def policy(self, database_id: int, policy_id: int, name: str, replicas: int = 1) -> None:
        record = RetentionPolicy(
            id=policy_id,
            database_id=database_id,
            name=name,
            replicas=replicas,
            duration=Duration(30 * DAY),
            group_duration=Duration(HOUR),
        )
        self.put(keys.policy_info(database_id, policy_id), record)
        self.put(keys.policy_name(database_id, name), encode_name_ref(policy_id))

    def group(self, group: ShardGroup) -> bytes:
        key = keys.group(group.database_id, group.policy_id, group.start, group.id)
        self.put(key, group)
        return key

    def node(self, node: Node) -> None:
        self.put(keys.node(node.id), node)
        self.put(keys.host_name(node.host), encode_name_ref(node.id))

    def user(self, user_id: int, name: str, *, admin: bool = False) -> None:
        self.put(keys.user(user_id), User(id=user_id, name=name, admin=admin))
        self.put(keys.user_name(name), encode_name_ref(user_id))

    def grant(self, database_id: int, user_id: int, privilege: Privilege | str) -> None:
        record = Grant(database_id=database_id, user_id=user_id, privilege=privilege)
        self.put(keys.grant(database_id, user_id), record)


def group(
    group_id: int,
    start: int,
    end: int,
    *owners: int | ShardOwner,
    place: tuple[int, int] = (1, 1),
    deleted_at: int | None = None,
    truncated_at: int | None = None,
    shards: int = 1,
) -> ShardGroup:
    """Shards are ``10 * group_id`` and on; owners given by node alone are active."""
    entries = tuple(o if isinstance(o, ShardOwner) else ShardOwner(node_id=o) for o in owners)
    return ShardGroup(
        id=group_id,
        database_id=place[0],
        policy_id=place[1],
        start=start,
        end=end,
        deleted_at=deleted_at,
        truncated_at=truncated_at,
        shards=tuple(Shard(id=10 * group_id + i, owners=entries) for i in range(shards)),
    )


def after(snapshot: Snapshot, *events: Event) -> tuple[Snapshot, Sequence[Change]]:
    """One revision more."""
    return apply(snapshot, events, max(event.kv.mod_revision for event in events), 0)
