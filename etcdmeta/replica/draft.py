"""One record after the other into `Tables`: the only place that fills them.

A value that cannot be read is quarantined: kept raw in ``others``, its reason in ``unreadable``, and everything
else goes on (danger 13). A group counts as unreadable, too, where its value contradicts its key or another group has
its id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf.message import DecodeError

from etcdmeta.model.overlay import OverlayMap
from etcdmeta.model.tables import DatabaseTable, GenerationMark, PlacedRow, PolicyTable, Row, Tables
from etcdmeta.model.timeindex import TimeIndex
from etcdmeta.records.decoding import GroupFacts, RecordDecoder, check, group_facts
from etcdmeta.records.keys import Kind, Place

_DECODER = RecordDecoder()

# Kinds that live in one flat table of Tables: the table's name, and the key in it from the place's parts.
FLAT: dict[Kind, str] = {
    Kind.DATABASE_NAME: "database_names",
    Kind.USER_NAME: "user_names",
    Kind.HOST_NAME: "host_names",
    Kind.IDENTITY_NAME: "identity_names",
    Kind.NODE: "nodes",
    Kind.USER: "users",
    Kind.PLAN: "plans",
    Kind.IMPORT: "imports",
    Kind.LIVENESS: "liveness",
}
# Kinds that live in one dict of a DatabaseTable, keyed by the place's second part.
PER_DATABASE: dict[Kind, str] = {Kind.POLICY_NAME: "names", Kind.QUERY: "queries", Kind.GRANT: "grants"}


class Draft:
    """A `Tables` in the making: a copy of the last one, changed record by record, then handed to a snapshot."""

    def __init__(self, tables: Tables, owner_counts: Mapping[int, int] | None = None) -> None:
        self.tables = tables.copy()
        self.owner_counts = owner_counts
        self._emptied: set[tuple[Any, Any]] = set()

    def empty_policies(self, removed: Mapping[tuple[Any, Any], set[Any]]) -> None:
        """Clear the indexes of policies that lose all of their groups (a drop), instead of taking out one by one.

        ``removed``: (database id, policy id) → start and id of the groups that are about to be removed; of two
        keys with one id, one is quarantined, and the other one's group may stay.
        """
        for (database_id, policy_id), ids in removed.items():
            database = self.database(database_id)
            policy = self.policy(database, policy_id)
            indexes = (policy.serving, policy.truncated, policy.deleted)
            indexed = {(start, group_id) for index in indexes for start, _, group_id in index}
            if indexed <= ids:
                policy.serving = policy.truncated = policy.deleted = TimeIndex()
                self.close_policy(database, policy_id, policy)
                self.close_database(database_id, database)
                self._emptied.add((database_id, policy_id))

    def put(self, key: bytes, place: Place, row: Row, version: int) -> Any:
        """Set one record; returns the row that stood there, or None."""
        kind = place[0]
        before = self._drop_other(key) if len(self.tables.others) else None
        if kind is Kind.GROUP:
            return self._put_group(key, place, row) or before
        if kind is Kind.GENERATION:
            old = self.tables.generation
            self.tables.generation = GenerationMark(row[2], row[1], version, row[0])
            return before or (None if old is None else (old.value, old.mod_revision, old.create_revision))
        if kind is Kind.OTHER:
            self.tables.others = self.tables.others.set(key, row)
            return before
        try:
            check(kind, row[0])
        except ValueError as error:
            return self._quarantine(key, place, row, str(error)) or before
        return self._set(place, row) or before

    def held(self, key: bytes) -> Row | None:
        """The raw row where a key's value cannot be read, or its kind is not known; None for all others."""
        return self.tables.others.get(key) if len(self.tables.others) else None

    def _quarantine(self, key: bytes, place: Place, row: Row, why: str) -> Any:
        before = self.remove(key, place)
        self.tables.others = self.tables.others.set(key, row)
        self.tables.unreadable = {**self.tables.unreadable, key: why}
        return before

    def remove(self, key: bytes, place: Place) -> Any:
        """Take one record away; returns the row that stood there, or None."""
        before = self._drop_other(key) if len(self.tables.others) else None
        kind, where = place
        if kind is Kind.OTHER:
            return before
        if kind is Kind.GROUP:
            return before or self._remove_group(where)
        if kind is Kind.GENERATION:
            old, self.tables.generation = self.tables.generation, None
            return before or (None if old is None else (old.value, old.mod_revision, old.create_revision))
        return self._set(place, None) or before

    # --- everything but groups

    def _set(self, place: Place, row: Row | None) -> Any:
        kind, where = place
        tables = self.tables
        if kind is Kind.CLUSTER:
            before, tables.cluster = tables.cluster, row
            return before
        if kind in FLAT:
            return self._set_in(FLAT[kind], where[0], row)
        if kind is Kind.PROGRESS:
            placed = None if row is None else (*row, where[0], where[1])
            return self._set_in("progress", (where[2], where[3]), placed)
        if kind is Kind.PLAN_MOVES:
            return self._set_in("plan_moves", (where[0], where[1]), row)
        database = self.database(where[0])
        if kind is Kind.DATABASE:
            before, database.info = database.info, row
        elif kind in PER_DATABASE:
            name = PER_DATABASE[kind]
            before, changed = _replaced(getattr(database, name), where[1], row)
            setattr(database, name, changed)
        else:
            policy = self.policy(database, where[1])
            if kind is Kind.POLICY:
                before, policy.info = policy.info, row
            else:
                before, policy.subscriptions = _replaced(policy.subscriptions, where[2], row)
            self.close_policy(database, where[1], policy)
        self.close_database(where[0], database)
        return before

    def _set_in(self, table: str, key: Any, row: Any) -> Any:
        rows: OverlayMap[Any, Any] = getattr(self.tables, table)
        before = rows.get(key)
        if row is not None:
            setattr(self.tables, table, rows.set(key, row))
        elif before is not None:
            setattr(self.tables, table, rows.remove(key))
        return before

    def _drop_other(self, key: bytes) -> Row | None:
        before = self.tables.others.get(key)
        if before is not None:
            self.tables.others = self.tables.others.remove(key)
            if key in self.tables.unreadable:
                self.tables.unreadable = {k: v for k, v in self.tables.unreadable.items() if k != key}
        return before

    def database(self, database_id: Any) -> DatabaseTable:
        """A copy to change, to be put back by `close_database`."""
        table = self.tables.databases.get(database_id)
        return DatabaseTable() if table is None else table.copy()

    def policy(self, database: DatabaseTable, policy_id: Any) -> PolicyTable:
        table = database.policies.get(policy_id)
        return PolicyTable() if table is None else table.copy()

    def close_policy(self, database: DatabaseTable, policy_id: Any, policy: PolicyTable) -> None:
        if policy.is_empty:
            database.policies = {p: t for p, t in database.policies.items() if p != policy_id}
        else:
            database.policies = {**database.policies, policy_id: policy}

    def close_database(self, database_id: Any, database: DatabaseTable) -> None:
        tables = self.tables
        if not database.is_empty:
            tables.databases = tables.databases.set(database_id, database)
        elif database_id in tables.databases:
            tables.databases = tables.databases.remove(database_id)

    # --- groups

    def _put_group(self, key: bytes, place: Place, row: Row) -> Any:
        tables = self.tables
        before: PlacedRow | None = None
        old: GroupFacts | None = None
        try:
            facts = read_group(place, row[0])
            before = tables.groups.get(facts[0])
            old = None if before is None else group_facts(before[0])
            if before is not None and old is not None and (before[3], before[4], old[1]) != place[1][:3]:
                raise ValueError(f"another shard group has the id {facts[0]}")
        except ValueError as error:
            return self._quarantine(key, place, row, str(error))
        database_id: Any = place[1][0]
        policy_id: Any = place[1][1]
        group_id = facts[0]
        tables.groups = tables.groups.set(group_id, (*row, database_id, policy_id))
        if old is None or old[6] != facts[6]:
            for shard_id in facts[6]:
                tables.shards = tables.shards.set(shard_id, group_id)
            for shard_id in set(old[6] if old else ()) - set(facts[6]):
                self._forget_shard(shard_id, group_id)
        if old is None or old[1:6] != facts[1:6]:
            self._reindex(database_id, policy_id, old, facts)
        if self.owner_counts is not None:
            was = None if before is None or (old is not None and old[4]) else before[0]
            self._recount(was, None if facts[4] else row[0])
        return before

    def add_groups(self, rows: dict[int, PlacedRow], shards: dict[int, int]) -> bool:
        """New groups, none of them deleted, with their shards; `GroupRun` puts them into their indexes. False: one is
        there already, and nothing was put."""
        tables = self.tables
        if tables.groups.holds_any(rows):
            return False
        tables.groups = tables.groups.update(rows)
        tables.shards = tables.shards.update(shards)
        if self.owner_counts is not None:
            counts = Counter(self.owner_counts)
            for row in rows.values():
                counts.update(_DECODER.group_owners(row[0]))
            self.owner_counts = dict(counts)
        return True

    def _remove_group(self, where: tuple[int | str, ...]) -> PlacedRow | None:
        database_id, policy_id, start, group_id = where
        assert isinstance(group_id, int)  # by the shape of the place
        tables = self.tables
        before = tables.groups.get(group_id)
        if before is None:
            return None
        old = group_facts(before[0])
        if (before[3], before[4], old[1]) != (database_id, policy_id, start):
            return None  # the key of a quarantined double: the group itself stands elsewhere
        tables.groups = tables.groups.remove(group_id)
        for shard_id in old[6]:
            self._forget_shard(shard_id, group_id)
        self._reindex(database_id, policy_id, old, None)
        if self.owner_counts is not None:
            self._recount(None if old[4] else before[0], None)
        return before

    def _forget_shard(self, shard_id: int, group_id: int) -> None:
        if self.tables.shards.get(shard_id) == group_id:
            self.tables.shards = self.tables.shards.remove(shard_id)

    def _reindex(self, database_id: Any, policy_id: Any, old: GroupFacts | None, new: GroupFacts | None) -> None:
        if new is None and (database_id, policy_id) in self._emptied:
            return
        database = self.database(database_id)
        policy = self.policy(database, policy_id)
        for name, start, _, group_id in index_entries(old):
            setattr(policy, name, getattr(policy, name).remove(start, group_id))
        for name, start, end, group_id in index_entries(new):
            setattr(policy, name, getattr(policy, name).add(start, end, group_id))
        self.close_policy(database, policy_id, policy)
        self.close_database(database_id, database)

    def _recount(self, old: bytes | None, new: bytes | None) -> None:
        """Of one group, its values before and after; None where there is none, or it is deleted."""
        gone = () if old is None else _DECODER.group_owners(old)
        come = () if new is None else _DECODER.group_owners(new)
        if gone == come:
            return  # a status, not an owner
        counts = dict(self.owner_counts or {})
        for owners, step in ((gone, -1), (come, 1)):
            for node_id in owners:
                counts[node_id] = counts.get(node_id, 0) + step
        self.owner_counts = counts


def read_group(place: Place, value: bytes) -> GroupFacts:
    """Raises ValueError where the value is no group, or not the one that its key says."""
    try:
        facts = group_facts(value)
    except DecodeError as error:
        raise ValueError(f"no ShardGroup: {error}") from None
    if (facts[1], facts[0]) != place[1][2:]:
        raise ValueError("the shard group's start or id is not that of its key")
    return facts


def index_entries(facts: GroupFacts | None) -> Iterator[tuple[str, int, int, int]]:
    """Where a group stands in its policy's indexes: (index, start, end, id)."""
    if facts is None:
        return
    group_id, start, end, effective, deleted, truncated, _ = facts
    if deleted:
        yield "deleted", start, end, group_id
        return
    if effective > start:
        yield "serving", start, effective, group_id
    if truncated or effective <= start:
        yield "truncated", start, end, group_id


def _replaced(rows: dict[Any, Row], key: Any, row: Row | None) -> tuple[Row | None, dict[Any, Row]]:
    before = rows.get(key)
    if row is not None:
        return before, {**rows, key: row}
    return before, {k: v for k, v in rows.items() if k != key}
