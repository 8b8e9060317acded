"""A picture of ours, from a backup or from etcd, in the form that an import plans from."""

from __future__ import annotations

import io
from collections.abc import Mapping
from types import MappingProxyType

from etcdmeta.archive.backup import BackupReader
from etcdmeta.archive.errors import ArchiveDamaged
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
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.views import DatabaseView, PolicyView
from etcdmeta.records.decoding import decode_secret, parse
from etcdmeta.records.groups import group_messages
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.records.transaction import KeyValue
from etcdmeta.replica.loader import Loader


def read_backup(blob: bytes) -> Incoming:
    """What a backup holds of the picture. Its history, plans and imports are not in an import: `restore` takes those.

    Raises `ArchiveDamaged`, `ArchiveTooNew`; also where the backup holds records that cannot be decoded.
    """
    reader = BackupReader(io.BytesIO(blob).read)
    loader = Loader(0)
    hashes: dict[int, bytes] = {}
    counters: dict[str, int] = {}
    for offset, block in reader.blocks():
        state = []
        for record in block:
            section, _, name = record.key.partition(b"/")
            try:
                if section == b"state":
                    kv = KeyValue(
                        record.key, record.value, record.create_revision, record.mod_revision, record.version
                    )  # fmt: skip
                    state.append(kv)
                elif section == b"secret":
                    hashes[int(name, 16)] = decode_secret(record.value)
                elif section == b"ids":
                    counters[name.decode()] = parse(pb.IdCounter, record.value).highest
            except ValueError:
                raise ArchiveDamaged(f"the record {record.key!r} cannot be decoded", offset=offset) from None
        loader.add(state)
    snapshot = loader.finish(reader.header.revision)
    if snapshot.unreadable:
        first = next(iter(snapshot.unreadable))
        raise ArchiveDamaged(
            f"{len(snapshot.unreadable)} records cannot be decoded, the first is {first!r}",
            offset=reader.offset,
            rule="an import is complete",
            remedy="`etcdmeta restore` puts it back as it is",
        )
    return incoming_of(snapshot, hashes, counters)


def incoming_of(snapshot: Snapshot, hashes: Mapping[int, bytes], counters: Mapping[str, int]) -> Incoming:
    """``hashes``: user id → bcrypt's; ``counters``: kind → the highest id ever handed out."""
    databases = snapshot.databases()
    places = {view.id: place for place, view in enumerate(databases)}
    grants: dict[int, list[tuple[int, str]]] = {}
    for view in databases:
        for grant in view.grants():
            grants.setdefault(grant.user_id, []).append((places[view.id], str(grant.privilege)))
    nodes = snapshot.nodes(include_removed=True)
    used = {
        "node": max((node.id for node in nodes), default=0),
        "group": max(snapshot.tables.groups, default=0),
        "shard": max(snapshot.tables.shards, default=0),
    }
    return Incoming(
        cluster_id=snapshot.cluster.cluster_id if snapshot.cluster else 0,
        generation=snapshot.generation,
        nodes=tuple(
            IncomingNode(n.id, n.host, dict(n.labels), "" if n.state == NodeState.JOINED else str(n.state))
            for n in nodes
        ),
        databases=tuple(_database(snapshot, view) for view in databases),
        users=tuple(
            IncomingUser(user.name, user.admin, hashes.get(user.id, b""), tuple(grants.get(user.id, ())))
            for user in snapshot.users()
        ),
        highest=MappingProxyType({kind: max(counters.get(kind, 0), number) for kind, number in used.items()}),
    )


def _database(snapshot: Snapshot, view: DatabaseView) -> IncomingDatabase:
    policies = view.policies()
    default = next((place for place, policy in enumerate(policies) if policy.is_default), None)
    queries = tuple((query.name, query.query) for query in view.queries())
    return IncomingDatabase(view.name, default, tuple(_policy(snapshot, policy) for policy in policies), queries)


def _policy(snapshot: Snapshot, view: PolicyView) -> IncomingPolicy:
    return IncomingPolicy(
        view.name,
        int(view.duration),
        int(view.group_duration),
        view.replicas,
        tuple([_group(m) for m in group_messages(snapshot, view.database.id, view.id)]),
        tuple(IncomingSubscription(s.name, str(s.mode), s.destinations) for s in view.subscriptions()),
    )


def _group(m: pb.ShardGroup) -> IncomingGroup:
    return IncomingGroup(
        m.id,
        m.start,
        m.end,
        m.deleted_at if m.HasField("deleted_at") else None,
        m.truncated_at if m.HasField("truncated_at") else None,
        tuple([IncomingShard(s.id, tuple([_owner(o) for o in s.owners]), s.last_attempt) for s in m.shards]),
    )


def _owner(m: pb.ShardOwner) -> IncomingOwner:
    since = m.since if m.HasField("since") else None
    return IncomingOwner(m.node_id, m.status, m.source, m.attempt, since, m.reason)
