"""What of an import stands in a picture, whether anybody sees it yet or not: its state is in the records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from etcdmeta.commands.importing.shipment import Pair
from etcdmeta.model.imports import Import
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.tables import DatabaseTable, PolicyTable
from etcdmeta.records import keys
from etcdmeta.records.keys import Kind

_NONE: Final = DatabaseTable()
_NO_POLICY: Final = PolicyTable()


def is_written(snapshot: Snapshot, key: bytes) -> bool:
    """Whether the record under a relative key below ``state/`` is there; of kinds that an import writes."""
    tables = snapshot.tables
    kind, where = keys.locate(key)
    match kind, where:
        case Kind.GROUP, (_, _, int(start), int(group)):
            row = tables.groups.get(group)
            return row is not None and keys.group(row[3], row[4], start, group) == key
        case Kind.NODE, (int(node),):
            return node in tables.nodes
        case Kind.USER, (int(user),):
            return user in tables.users
        case Kind.HOST_NAME, (str(name),):
            return name in tables.host_names
        case Kind.USER_NAME, (str(name),):
            return name in tables.user_names
        case Kind.DATABASE_NAME, (str(name),):
            return name in tables.database_names
    database = tables.databases.get(int(where[0])) or _NONE
    match kind, where:
        case Kind.DATABASE, _:
            return database.info is not None
        case Kind.POLICY_NAME, (_, str(name)):
            return name in database.names
        case Kind.QUERY, (_, str(name)):
            return name in database.queries
        case Kind.GRANT, (_, int(user)):
            return user in database.grants
        case Kind.POLICY, (_, int(policy)):
            return (database.policies.get(policy) or _NO_POLICY).info is not None
        case Kind.SUBSCRIPTION, (_, int(policy), str(name)):
            return name in (database.policies.get(policy) or _NO_POLICY).subscriptions
    return False


def page_is_written(snapshot: Snapshot, records: Sequence[Pair]) -> bool:
    """Its first and its last record below ``state/`` tell for all: a page comes in one transaction. False where it has
    none there."""
    first = next((key for key, _ in records if key.startswith(keys.STATE)), None)
    last = next((key for key, _ in reversed(records) if key.startswith(keys.STATE)), None)
    return first is not None and last is not None and is_written(snapshot, first) and is_written(snapshot, last)


def count_below(snapshot: Snapshot, record: Import) -> int:
    """How many records stand below the import's databases; their roots do not count. A scan over what it wrote."""
    count = 0
    for database_id in range(record.first_database, record.first_database + record.databases):
        table = snapshot.tables.databases.get(database_id)
        if table is None:
            continue
        count += len(table.names) + len(table.queries) + len(table.grants)
        for policy in table.policies.values():
            groups = {entry[2] for index in (policy.serving, policy.truncated, policy.deleted) for entry in index}
            count += (policy.info is not None) + len(policy.subscriptions) + len(groups)
    return count


def roots_written(snapshot: Snapshot, record: Import) -> int:
    """How many of its nodes, users and databases there are."""
    tables = snapshot.tables
    databases = range(record.first_database, record.first_database + record.databases)
    users = range(record.first_user, record.first_user + record.users)
    shown = sum((tables.databases.get(d) or _NONE).info is not None for d in databases)
    return shown + sum(u in tables.users for u in users) + sum(n in tables.nodes for n in record.new_nodes)
