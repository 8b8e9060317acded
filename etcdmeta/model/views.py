"""A database and a policy as one snapshot shows them: their record, and what stands below it.

Cheap to make, bound to their snapshot, and as immutable as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from etcdmeta.errors import PolicyNotFound, QueryNotFound, SubscriptionNotFound
from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import (
    ContinuousQuery,
    Database,
    Grant,
    RetentionPolicy,
    ShardGroup,
    Subscription,
)
from etcdmeta.model.tables import DatabaseTable, PolicyTable, Row

if TYPE_CHECKING:  # a view is made by the snapshot it looks at
    from etcdmeta.model.snapshot import Snapshot


class DatabaseView:
    """One database of one snapshot."""

    __slots__ = ("_table", "id", "snapshot")

    def __init__(self, snapshot: Snapshot, database_id: int, table: DatabaseTable) -> None:
        self.snapshot = snapshot
        self.id = database_id
        self._table = table

    def __repr__(self) -> str:
        return f"<database {self.name!r} id {self.id}>"

    @property
    def record(self) -> Database:
        return self.snapshot.cache.get(("db", self.id), self._info, self.snapshot.decoder.database)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def create_revision(self) -> int:
        """etcd's create revision: this incarnation of the database."""
        return self._info[2]

    @property
    def mod_revision(self) -> int:
        return self._info[1]

    @property
    def name_revision(self) -> int:
        """etcd's mod revision of the name's own key."""
        row = self.snapshot.tables.database_names.get(self.name)
        return 0 if row is None else row[1]

    @property
    def default_policy(self) -> PolicyView | None:
        return self._policy(self.record.default_policy_id)

    def policies(self) -> tuple[PolicyView, ...]:
        """In order of creation."""
        views = [PolicyView(self, p, t) for p, t in self._table.policies.items() if t.info is not None]
        return tuple(sorted(views, key=lambda view: (view.create_revision, view.id)))

    def policy(self, name: str) -> PolicyView:
        """Raises `PolicyNotFound`, `RecordUnreadable`."""
        view = self.find_policy(name)
        if view is None:
            raise PolicyNotFound(
                f"retention policy {name!r} is not there in database {self.name!r}",
                value=name,
                remedy=f"`etcdmeta rp list {self.name}` shows those that are",
            )
        return view

    def find_policy(self, name: str) -> PolicyView | None:
        """Raises `RecordUnreadable` where nobody can tell: the name's key, or the policy's record, is quarantined."""
        what = f"retention policy {name!r} of database {self.name!r}"
        row = self._table.names.get(name)
        if row is None:
            self.snapshot.require_readable(what, "policy name", self.id, name)
            return None
        policy_id = self.snapshot.decoder.named_id(row)
        view = self._policy(policy_id)
        if view is None:
            self.snapshot.require_readable(what, "policy", self.id, policy_id)
        return view

    def policy_by_id(self, policy_id: int) -> PolicyView:
        """Raises `PolicyNotFound`."""
        view = self._policy(policy_id)
        if view is None:
            raise PolicyNotFound(f"policy id {policy_id} is not there", value=policy_id)
        return view

    def policy_name_revision(self, name: str) -> int:
        """etcd's mod revision of a policy name's own key; 0 where there is none."""
        row = self._table.names.get(name)
        return 0 if row is None else row[1]

    def queries(self) -> tuple[ContinuousQuery, ...]:
        """In order of creation."""
        found = [self._query(name, row) for name, row in self._table.queries.items()]
        return tuple(sorted(found, key=lambda query: (query.create_revision, query.place, query.name)))

    def query(self, name: str) -> ContinuousQuery:
        """Raises `QueryNotFound`, `RecordUnreadable`."""
        query = self.find_query(name)
        if query is None:
            raise QueryNotFound(f"continuous query {name!r} is not there in {self.name!r}", value=name)
        return query

    def find_query(self, name: str) -> ContinuousQuery | None:
        """Raises `RecordUnreadable`."""
        row = self._table.queries.get(name)
        if row is None:
            self.snapshot.require_readable(f"continuous query {name!r} in {self.name!r}", "query", self.id, name)
            return None
        return self._query(name, row)

    def grants(self) -> tuple[Grant, ...]:
        """Of users that exist: the grants of a dropped user are void at once, and swept later."""
        users = self.snapshot.tables.users
        return tuple(
            self.snapshot.decoder.grant(row, self.id, user_id)
            for user_id, row in sorted(self._table.grants.items())
            if user_id in users
        )

    def grant(self, user_id: int) -> Grant | None:
        row = self._table.grants.get(user_id)
        if row is None or user_id not in self.snapshot.tables.users:
            return None
        return self.snapshot.decoder.grant(row, self.id, user_id)

    @property
    def _info(self) -> Row:
        assert self._table.info is not None  # a view is made of visible tables only
        return self._table.info

    def _policy(self, policy_id: int) -> PolicyView | None:
        table = self._table.policies.get(policy_id)
        return None if table is None or table.info is None else PolicyView(self, policy_id, table)

    def _query(self, name: str, row: Row) -> ContinuousQuery:
        return self.snapshot.cache.get(("cq", self.id, name), row, self.snapshot.decoder.query, self.id)


class PolicyView:
    """One retention policy of one snapshot, and its shard groups."""

    __slots__ = ("_table", "database", "id")

    def __init__(self, database: DatabaseView, policy_id: int, table: PolicyTable) -> None:
        self.database = database
        self.id = policy_id
        self._table = table

    def __repr__(self) -> str:
        return f"<policy {self.database.name!r}.{self.name!r} id {self.id}>"

    @property
    def snapshot(self) -> Snapshot:
        return self.database.snapshot

    @property
    def record(self) -> RetentionPolicy:
        snapshot = self.snapshot
        return snapshot.cache.get(("rp", self.id), self._info, snapshot.decoder.policy, self.database.id)

    @property
    def name(self) -> str:
        return self.record.name

    @property
    def replicas(self) -> int:
        return self.record.replicas

    @property
    def duration(self) -> Duration:
        """How long data is kept; 0: forever."""
        return self.record.duration

    @property
    def group_duration(self) -> Duration:
        return self.record.group_duration

    @property
    def is_default(self) -> bool:
        return self.database.record.default_policy_id == self.id

    @property
    def create_revision(self) -> int:
        return self._info[2]

    @property
    def mod_revision(self) -> int:
        return self._info[1]

    @property
    def name_revision(self) -> int:
        """etcd's mod revision of the name's own key."""
        return self.database.policy_name_revision(self.name)

    def group_id_at(self, time: int) -> int | None:
        """The group that holds a point of that time (ns): a search in a sorted index; nothing is decoded."""
        return self._table.serving.find(time)

    def group_at(self, time: int) -> ShardGroup | None:
        """The live group that holds a point of that time, nanoseconds since 1970."""
        group_id = self._table.serving.find(time)
        if group_id is None:
            return None
        snapshot = self.database.snapshot
        return snapshot.decode_group(group_id, snapshot.tables.groups[group_id])

    def groups(self, *, include_deleted: bool = False) -> Iterator[ShardGroup]:
        """In order of time. Live ones, and where asked for the deleted ones that are not pruned yet."""
        table = self._table
        return self._decoded([*table.serving, *table.truncated, *(table.deleted if include_deleted else ())])

    def group_count(self, *, include_deleted: bool = False) -> int:
        """How many live groups there are, and where asked for deleted ones; nothing is decoded."""
        table = self._table
        entries = (*table.serving, *table.truncated, *(table.deleted if include_deleted else ()))
        return len({group_id for _, _, group_id in entries})

    def deleted_groups(self) -> Iterator[ShardGroup]:
        """Those that are marked deleted and wait to be pruned, in order of time."""
        return self._decoded([*self._table.deleted])

    def groups_between(self, low: int, high: int) -> Iterator[ShardGroup]:
        """Live groups whose untruncated span meets [low, high], both inclusive, nanoseconds; in order of time.

        A truncated group counts by its whole span, as in InfluxDB: the points written before it was truncated
        may lie anywhere in it. A search for the serving ones, a scan over the truncated ones.
        """
        cut = (entry for entry in self._table.truncated if entry[0] <= high and entry[1] > low)
        return self._decoded([*self._table.serving.range(low, high), *cut])

    def group_at_or_before(self, time: int) -> ShardGroup | None:
        """The serving group with the greatest start ≤ time, whether or not it reaches so far."""
        entry = self._table.serving.at_or_before(time)
        return None if entry is None else self.snapshot.group(entry[2])

    def subscriptions(self) -> tuple[Subscription, ...]:
        """In order of creation."""
        found = [self._subscription(row) for row in self._table.subscriptions.values()]
        return tuple(sorted(found, key=lambda sub: (sub.create_revision, sub.place, sub.name)))

    def subscription(self, name: str) -> Subscription:
        """Raises `SubscriptionNotFound`, `RecordUnreadable`."""
        subscription = self.find_subscription(name)
        if subscription is None:
            raise SubscriptionNotFound(
                f"subscription {name!r} is not there in {self.database.name!r}.{self.name!r}", value=name
            )
        return subscription

    def find_subscription(self, name: str) -> Subscription | None:
        """Raises `RecordUnreadable`."""
        row = self._table.subscriptions.get(name)
        if row is None:
            what = f"subscription {name!r} in {self.database.name!r}.{self.name!r}"
            self.snapshot.require_readable(what, "subscription", self.database.id, self.id, name)
            return None
        return self._subscription(row)

    @property
    def _info(self) -> Row:
        assert self._table.info is not None  # a view is made of visible tables only
        return self._table.info

    def _decoded(self, entries: list[tuple[int, int, int]]) -> Iterator[ShardGroup]:
        snapshot = self.snapshot
        for _, group_id in sorted({(start, group_id) for start, _, group_id in entries}):
            yield snapshot.decode_group(group_id, snapshot.tables.groups[group_id])

    def _subscription(self, row: Row) -> Subscription:
        return self.snapshot.decoder.subscription(row, self.database.id, self.id)
