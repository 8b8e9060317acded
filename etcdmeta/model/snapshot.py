"""`Snapshot`: the whole picture at one generation and one revision, immutable.

Any thread may read it, at no lock. Group at a time and shard by id are searches, not scans; records are decoded
when asked for. Records without their root (a group of a dropped policy, say) are invisible (law 2). Lists come in
order of creation: create revision, then id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from etcdmeta.errors import (
    DatabaseNotFound,
    GroupNotFound,
    NodeNotFound,
    PolicyNotFound,
    RecordUnreadable,
    ShardNotFound,
    UserNotFound,
)
from etcdmeta.model.decoded import DecodedCache
from etcdmeta.model.entities import Cluster, Liveness, Node, Progress, Shard, ShardGroup, ShardOwner, User
from etcdmeta.model.imports import ImportQueries
from etcdmeta.model.owners import NodeState, Privilege
from etcdmeta.model.planqueries import PlanQueries
from etcdmeta.model.tables import Decoder, GenerationMark, PlacedRow, Row, Tables
from etcdmeta.model.views import DatabaseView, PolicyView


class Position(NamedTuple):
    """Where a picture stands in the history of the cluster. Revisions of different epochs do not compare."""

    epoch: int
    revision: int


class Snapshot(PlanQueries, ImportQueries):
    """See the module. Made by `etcdmeta.replica.apply`; ``restores`` counts the restores of etcd that this process
    saw and nobody has accepted yet, and is part of the epoch: positions from before do not compare."""

    __slots__ = ("_cache", "_owner_counts", "decoder", "restores", "revision", "tables")

    def __init__(
        self,
        tables: Tables,
        revision: int,
        decoder: Decoder,
        *,
        cache: DecodedCache | None = None,
        restores: int = 0,
    ) -> None:
        self.tables = tables
        self.revision = revision
        self.decoder = decoder
        self.restores = restores
        self._cache = DecodedCache() if cache is None else cache
        self._owner_counts: Mapping[int, int] | None = None

    def __repr__(self) -> str:
        return f"<Snapshot generation {self.generation} revision {self.revision}>"

    def succeed(self, tables: Tables, revision: int, owner_counts: Mapping[int, int] | None = None) -> Snapshot:
        """The next picture of the same lineage: shares decoder, cache and restores."""
        new = Snapshot(tables, revision, self.decoder, cache=self._cache, restores=self.restores)
        new._owner_counts = owner_counts
        return new

    # --- the cluster

    @property
    def cluster(self) -> Cluster | None:
        """The guard; None where no cluster was initialised under this prefix."""
        row = self.tables.cluster
        return None if row is None else self._cache.get("cluster", row, self.decoder.cluster)

    @property
    def generation_mark(self) -> GenerationMark | None:
        return self.tables.generation

    @property
    def generation(self) -> int:
        """How many commits there were, without gaps: InfluxDB's Index."""
        mark, cluster = self.tables.generation, self.cluster
        return (cluster.generation_base if cluster else 0) + (mark.version if mark else 0)

    @property
    def position(self) -> Position:
        cluster = self.cluster
        return Position(((cluster.epoch if cluster else 0) + self.restores) % 2**64, self.revision)

    @property
    def unreadable(self) -> Mapping[bytes, str]:
        """Quarantined records: relative key → why it could not be decoded."""
        return self.tables.unreadable

    # --- databases and policies

    def databases(self) -> tuple[DatabaseView, ...]:
        views = [DatabaseView(self, d, t) for d, t in self.tables.databases.items() if t.info is not None]
        return tuple(sorted(views, key=lambda view: (view.create_revision, view.id)))

    def database(self, name: str) -> DatabaseView:
        """Raises `DatabaseNotFound`, `RecordUnreadable`."""
        view = self.find_database(name)
        if view is None:
            raise DatabaseNotFound(
                f"database {name!r} is not there", value=name, remedy="`etcdmeta db list` shows those that are"
            )
        return view

    def find_database(self, name: str) -> DatabaseView | None:
        """Raises `RecordUnreadable` where nobody can tell: the name's key, or the database's record, is quarantined."""
        row = self.tables.database_names.get(name)
        if row is None:
            self.require_readable(f"database {name!r}", "database name", name)
            return None
        database_id = self.decoder.named_id(row)
        view = self._database(database_id)
        if view is None:
            self.require_readable(f"database {name!r}", "database", database_id)
        return view

    def database_by_id(self, database_id: int) -> DatabaseView:
        """Raises `DatabaseNotFound`, `RecordUnreadable`."""
        view = self._database(database_id)
        if view is None:
            self.require_readable(f"database id {database_id}", "database", database_id)
            raise DatabaseNotFound(f"database id {database_id} is not there", value=database_id)
        return view

    def policy(self, database: str, policy: str = "") -> PolicyView:
        """The empty name means the database's default policy.

        Raises `DatabaseNotFound`, `PolicyNotFound`, `RecordUnreadable`.
        """
        view = self.database(database)
        if policy:
            return view.policy(policy)
        default = view.default_policy
        if default is None:
            default_id = view.record.default_policy_id
            self.require_readable(f"the default policy of {database!r}", "policy", view.id, default_id)
            raise PolicyNotFound(
                f"database {database!r} has no default policy",
                value=database,
                remedy=f"name the policy, or set one with `etcdmeta rp set-default {database}.POLICY`",
            )
        return default

    # --- groups and shards

    def find_group(self, group_id: int) -> ShardGroup | None:
        row = self.tables.groups.get(group_id)
        if row is None or self.tables.policy(row[3], row[4]) is None:
            return None
        return self.decode_group(group_id, row)

    def group(self, group_id: int) -> ShardGroup:
        """Deleted ones, too, until they are pruned. Raises `GroupNotFound`."""
        group = self.find_group(group_id)
        if group is None:
            raise GroupNotFound(f"shard group {group_id} is not there", value=group_id)
        return group

    def group_of_shard(self, shard_id: int) -> ShardGroup:
        """Raises `ShardNotFound`."""
        group_id = self.tables.shards.get(shard_id)
        group = None if group_id is None else self.find_group(group_id)
        if group is None:
            raise ShardNotFound(
                f"shard {shard_id} is not there",
                value=shard_id,
                remedy="`etcdmeta shard status --all` shows those that are",
            )
        return group

    def shard(self, shard_id: int) -> Shard:
        """Raises `ShardNotFound`."""
        shard = self.group_of_shard(shard_id).shard(shard_id)
        if shard is None:
            raise ShardNotFound(f"shard {shard_id} is not there", value=shard_id)
        return shard

    def groups(self, *, include_deleted: bool = False) -> Iterator[ShardGroup]:
        """Every group of every policy; a scan."""
        for database in self.databases():
            for policy in database.policies():
                yield from policy.groups(include_deleted=include_deleted)

    def shards_of(self, node_id: int) -> Iterator[tuple[ShardGroup, Shard, ShardOwner]]:
        """What a node owns in groups that are not deleted; a scan over bytes, decoding only what matches."""
        for group_id, row in self.tables.groups.items():
            if node_id not in self.decoder.group_owners(row[0]) or self.tables.policy(row[3], row[4]) is None:
                continue
            group = self.decode_group(group_id, row)
            if group.is_deleted:
                continue
            for shard in group.shards:
                owner = shard.owner(node_id)
                if owner is not None:
                    yield group, shard, owner

    def owner_counts(self) -> Mapping[int, int]:
        """How many owners each node has in groups that are not deleted; what placement levels.

        Counted by a scan at the first call in a lineage, then carried on by every change.
        """
        if self._owner_counts is None:
            counts: dict[int, int] = {}
            for row in self.tables.groups.values():
                if not self.decoder.group_is_deleted(row[0]):
                    for node_id in self.decoder.group_owners(row[0]):
                        counts[node_id] = counts.get(node_id, 0) + 1
            self._owner_counts = counts
        return self._owner_counts

    @property
    def known_owner_counts(self) -> Mapping[int, int] | None:
        """The counts, where somebody has asked for them before."""
        return self._owner_counts

    # --- nodes

    def nodes(self, *, include_removed: bool = False) -> tuple[Node, ...]:
        """In order of id, which is the order of joining."""
        found = [self._node(i, row) for i, row in self.tables.nodes.items()]
        return tuple(sorted((n for n in found if include_removed or n.state != NodeState.REMOVED), key=lambda n: n.id))

    def find_node(self, node_id: int) -> Node | None:
        """Removed ones, too: they stay as tombstones."""
        row = self.tables.nodes.get(node_id)
        return None if row is None else self._node(node_id, row)

    def node(self, which: int | str) -> Node:
        """By id (``3``, ``"3"``, ``"n3"``) or host. Raises `NodeNotFound`, `RecordUnreadable`."""
        node_id = which if isinstance(which, int) else None
        node = None if isinstance(which, int) else self.node_by_host(which)
        if node is None and isinstance(which, str):
            digits = which.removeprefix("n")
            node_id = int(digits) if digits.isascii() and digits.isdigit() else None
        if node is None and node_id is not None:
            node = self._node_or_refuse(node_id)
        if node is None:
            raise NodeNotFound(
                f"node {which!r} is not there",
                value=which,
                rule="a node is given by its id or its host",
                remedy="`etcdmeta node list` shows those that are",
            )
        return node

    def node_by_host(self, host: str) -> Node | None:
        """Raises `RecordUnreadable`."""
        row = self.tables.host_names.get(host)
        if row is None:
            self.require_readable(f"the node at {host}", "host name", host)
            return None
        return self._node_or_refuse(self.decoder.named_id(row))

    def is_live(self, node_id: int) -> bool | None:
        """Whether the node's lease stands. None: it never reported liveness, so nothing is known.

        A node that was removed, or has no record, is not live, whatever it reports.
        """
        node = self.find_node(node_id)
        if node is None or node.state == NodeState.REMOVED:
            return False
        if node_id in self.tables.liveness:
            return True
        return False if node.reports_liveness else None

    def liveness(self, node_id: int) -> Liveness | None:
        row = self.tables.liveness.get(node_id)
        return None if row is None else self.decoder.liveness(row, node_id)

    def progress(self, shard_id: int, node_id: int) -> Progress | None:
        """How far a copy is; None: not known."""
        row = self.tables.progress.get((shard_id, node_id))
        return None if row is None else self.decoder.progress(row, shard_id, node_id)

    # --- users

    def users(self) -> tuple[User, ...]:
        found = [self._user(i, row) for i, row in self.tables.users.items()]
        return tuple(sorted(found, key=lambda user: (user.create_revision, user.id)))

    def user(self, name: str) -> User:
        """Raises `UserNotFound`, `RecordUnreadable`."""
        user = self.find_user(name)
        if user is None:
            raise UserNotFound(
                f"user {name!r} is not there", value=name, remedy="`etcdmeta user list` shows those that are"
            )
        return user

    def find_user(self, name: str) -> User | None:
        """Raises `RecordUnreadable` where nobody can tell: the name's key, or the user's record, is quarantined."""
        row = self.tables.user_names.get(name)
        if row is None:
            self.require_readable(f"user {name!r}", "user name", name)
            return None
        user_id = self.decoder.named_id(row)
        user = self.user_by_id(user_id)
        if user is None:
            self.require_readable(f"user {name!r}", "user", user_id)
        return user

    def user_by_id(self, user_id: int) -> User | None:
        row = self.tables.users.get(user_id)
        return None if row is None else self._user(user_id, row)

    def user_name_revision(self, name: str) -> int:
        """etcd's mod revision of the name's own key; 0 where there is none."""
        row = self.tables.user_names.get(name)
        return 0 if row is None else row[1]

    def host_name_revision(self, host: str) -> int:
        """etcd's mod revision of the host's own key; 0 where there is none."""
        row = self.tables.host_names.get(host)
        return 0 if row is None else row[1]

    def privileges(self, user: User) -> dict[str, Privilege | str]:
        """Database name → privilege, in order of the databases' creation. An admin passes without any."""
        return {
            database.name: grant.privilege
            for database in self.databases()
            if (grant := database.grant(user.id)) is not None
        }

    def allows(self, user: str | User, privilege: Privilege, database: str) -> bool:
        """May user U do P on D: an admin may everything (InfluxDB). An unknown user, or database, may not.

        The user's record is looked up again by id, so that one who was dropped may nothing. Raises `RecordUnreadable`
        where the user or the database cannot be told.
        """
        known = self.find_user(user) if isinstance(user, str) else self.user_by_id(user.id)
        if known is None:
            return False
        if known.admin:
            return True
        view = self.find_database(database)
        grant = None if view is None else view.grant(known.id)
        return grant is not None and isinstance(grant.privilege, Privilege) and grant.privilege.allows(privilege)

    # --- decoding, for the views

    def decode_group(self, group_id: int, row: PlacedRow) -> ShardGroup:
        return self._cache.get(group_id, row, self.decoder.group)

    @property
    def cache(self) -> DecodedCache:
        return self._cache

    def require_readable(self, what: str, kind: str, *where: int | str) -> None:
        """Raises `RecordUnreadable` where the record at that place, which is not visible, is quarantined: it is there,
        but nobody can tell what it says. ``kind`` and ``where``: see `Decoder.key`.
        """
        if not self.tables.unreadable:
            return
        key = self.decoder.key(kind, *where)
        why = self.tables.unreadable.get(key)
        if why is not None:
            raise RecordUnreadable(
                f"{what}: its record cannot be decoded ({why})",
                value=key.decode("ascii"),
                rule="what cannot be read is neither there nor missing",
                remedy="mend that key with etcdctl, or use the version of etcdmeta that wrote it",
            )

    def _database(self, database_id: int) -> DatabaseView | None:
        table = self.tables.databases.get(database_id)
        return None if table is None or table.info is None else DatabaseView(self, database_id, table)

    def _node_or_refuse(self, node_id: int) -> Node | None:
        node = self.find_node(node_id)
        if node is None and node_id < 2**64:
            self.require_readable(f"node {node_id}", "node", node_id)
        return node

    def _node(self, node_id: int, row: Row) -> Node:
        return self._cache.get(("node", node_id), row, self.decoder.node)

    def _user(self, user_id: int, row: Row) -> User:
        return self._cache.get(("user", user_id), row, self.decoder.user)
