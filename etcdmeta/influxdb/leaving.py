"""`Snapshot` → `Data`: what an export writes, and what of ours no InfluxDB has a place for.

Index is the generation, Term 1. Owners that do not serve are left out: InfluxDB would read from them.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from etcdmeta.influxdb.data import (
    ContinuousQueryInfo,
    Data,
    DatabaseInfo,
    NodeInfo,
    RetentionPolicyInfo,
    ShardGroupInfo,
    ShardInfo,
    SubscriptionInfo,
    UserInfo,
    UserPrivilege,
)
from etcdmeta.influxdb.dialects import Loss
from etcdmeta.influxdb.errors import DialectCannotHold
from etcdmeta.influxdb.stored import StoredGroups
from etcdmeta.model.entities import User
from etcdmeta.model.owners import SERVING, OwnerStatus, Privilege
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.views import DatabaseView, PolicyView
from etcdmeta.records.groups import group_values
from etcdmeta.records.pb import records_pb2 as pb

HTTP_HOST_LABEL: Final = "influxdb-http-host"
"""The label under which an import keeps 0.10's second address of a node."""


class Counters(NamedTuple):
    """The highest ids that were ever given out (`ids/…`), which the picture does not show."""

    node: int = 0
    group: int = 0
    shard: int = 0


@dataclass(slots=True)
class _Lost:
    losses: dict[str, Loss]

    def add(self, what: str, where: str) -> None:
        known = self.losses.get(what)
        self.losses[what] = Loss(what, known.number + 1, known.first) if known else Loss(what, 1, where)


@dataclass(frozen=True, slots=True)
class Departure:
    """``lost``: what `Data` cannot say. What a dialect cannot hold of ``data`` comes on top (`what_is_lost`)."""

    data: Data
    lost: tuple[Loss, ...]


def depart(
    snapshot: Snapshot,
    *,
    hashes: Mapping[int, bytes],
    counters: Counters,
    all_owners: bool = False,
    only: Collection[str] | None = None,
) -> Departure:
    """``hashes``: user id → bcrypt hash. ``all_owners``: also owners that do not serve. ``only``: these databases
    alone, and no rights on others.

    Raises `DialectCannotHold` where a user has no hash, or a record of the picture cannot be read.
    """
    if snapshot.unreadable:
        raise DialectCannotHold(
            f"{len(snapshot.unreadable)} records cannot be read, and would be missing",
            value=tuple(snapshot.unreadable),
            rule="an export is complete",
            remedy="`etcdmeta health` names them",
        )
    lost = _Lost({})
    nodes = snapshot.nodes()
    for node in nodes:
        for label in node.labels:
            if label != HTTP_HOST_LABEL:
                lost.add("node's label", f"n{node.id}")
        if not node.takes_shards:
            lost.add("node's state", f"n{node.id}")
    http = {node.id: host for node in nodes if (host := node.labels.get(HTTP_HOST_LABEL))}
    databases = tuple(
        _database(view, lost, all_owners=all_owners)
        for view in snapshot.databases()
        if only is None or view.name in only
    )
    infos = tuple(NodeInfo(n.id, n.host) for n in nodes)
    data = Data(
        term=1,
        index=snapshot.generation,
        cluster_id=snapshot.cluster.cluster_id if snapshot.cluster else 0,
        nodes=() if http else infos,
        databases=databases,
        users=tuple(_user(snapshot, user, hashes, only) for user in snapshot.users()),
        max_node_id=max((counters.node, *(n.id for n in snapshot.nodes(include_removed=True)))),
        max_shard_group_id=max(counters.group, max(snapshot.tables.groups, default=0)),
        max_shard_id=max(counters.shard, max(snapshot.tables.shards, default=0)),
        data_nodes=tuple(NodeInfo(n.id, http.get(n.id, n.host), n.host) for n in nodes) if http else (),
    )
    return Departure(data, tuple(lost.losses.values()))


def _database(view: DatabaseView, lost: _Lost, *, all_owners: bool) -> DatabaseInfo:
    default = view.default_policy
    return DatabaseInfo(
        view.name,
        default.name if default is not None else "",
        tuple(_policy(policy, lost, all_owners=all_owners) for policy in view.policies()),
        tuple(ContinuousQueryInfo(query.name, query.query) for query in view.queries()),
    )


def _policy(view: PolicyView, lost: _Lost, *, all_owners: bool) -> RetentionPolicyInfo:
    # As they are stored, without a model of each: there are 100,000. Their order is the dialect's (`for_dialect`).
    values = list(group_values(view.snapshot, view.database.id, view.id))
    return RetentionPolicyInfo(
        view.name,
        int(view.duration),
        int(view.group_duration),
        view.replicas,
        StoredGroups(values, lambda message: _group(message, lost, all_owners)),
        tuple(SubscriptionInfo(s.name, str(s.mode), s.destinations) for s in view.subscriptions()),
    )


def _group(m: pb.ShardGroup, lost: _Lost, all_owners: bool) -> ShardGroupInfo:
    shards = tuple([_shard(shard, lost, all_owners) for shard in m.shards])
    truncated_at = m.truncated_at if m.HasField("truncated_at") else None
    return ShardGroupInfo(m.id, m.start, m.end, m.deleted_at, truncated_at, shards)  # 0 where it is not deleted


def _shard(m: pb.Shard, lost: _Lost, all_owners: bool) -> ShardInfo:
    owners = m.owners
    for owner in owners:
        if owner.status:
            break
    else:
        return ShardInfo(m.id, (), tuple([owner.node_id for owner in owners]))
    kept = []
    for owner in owners:
        status = owner.status or OwnerStatus.ACTIVE
        if status != OwnerStatus.ACTIVE:
            lost.add(f"owner's status {status}", f"shard {m.id}, n{owner.node_id}")
        if status in SERVING or all_owners:
            kept.append(owner.node_id)
        else:
            lost.add("owner that does not serve", f"shard {m.id}, n{owner.node_id}")
    return ShardInfo(m.id, (), tuple(kept))


def _user(
    snapshot: Snapshot, user: User, hashes: Mapping[int, bytes], only: Collection[str] | None
) -> UserInfo:
    hashed = hashes.get(user.id)
    if hashed is None:
        raise DialectCannotHold(
            f"the password's hash of user {user.name!r} was not given",
            value=user.name,
            rule="a user of InfluxDB has a hash",
            remedy="export as somebody who may read `secret/`",
        )
    privileges = []
    for database, privilege in snapshot.privileges(user).items():
        if only is not None and database not in only:
            continue
        if not isinstance(privilege, Privilege):
            raise DialectCannotHold(
                f"user {user.name!r} has privilege {privilege!r}, which a later version wrote",
                value=privilege,
                rule="InfluxDB has none, read, write and all",
                remedy="use that version",
            )
        privileges.append(UserPrivilege(database, privilege.number))
    return UserInfo(user.name, hashed, user.admin, tuple(privileges))
