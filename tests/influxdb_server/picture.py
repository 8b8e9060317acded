"""What of the metadata InfluxDB shows, in one small form that a server, its file and our own picture all have.

Not in it, since SHOW … does not say it: deleted groups, truncation, hashes, counters. Times and durations are int
nanoseconds. Shards and groups stand in order of their ids, all else in order of creation.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from etcdmeta.influxdb.arriving import Arrival
from etcdmeta.influxdb.data import Data
from etcdmeta.model.durations import Duration
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import parse_time
from tests.influxdb_server.server import InfluxServer, Login, quoted

UNSET = "0001-01-01T00:00:00Z"
"""How a server shows a time that is stored as 0."""
PRIVILEGES = ("NO PRIVILEGES", "READ", "WRITE", "ALL PRIVILEGES")


class PolicyPicture(NamedTuple):
    name: str
    duration: int
    group_duration: int
    replicas: int
    default: bool


class GroupPicture(NamedTuple):
    id: int
    policy: str
    start: int
    end: int


class ShardPicture(NamedTuple):
    id: int
    policy: str
    group: int
    owners: tuple[int, ...]


class SubscriptionPicture(NamedTuple):
    policy: str
    name: str
    mode: str
    destinations: tuple[str, ...]


class DatabasePicture(NamedTuple):
    """``queries``: (name, text)."""

    name: str
    policies: tuple[PolicyPicture, ...]
    groups: tuple[GroupPicture, ...]
    shards: tuple[ShardPicture, ...]
    queries: tuple[tuple[str, str], ...]
    subscriptions: tuple[SubscriptionPicture, ...]


class UserPicture(NamedTuple):
    """``grants``: database → privilege, in the words of SHOW GRANTS."""

    name: str
    admin: bool
    grants: dict[str, str]


class Picture(NamedTuple):
    databases: tuple[DatabasePicture, ...]
    users: tuple[UserPicture, ...]


def picture_of_server(server: InfluxServer, login: Login | None = None) -> Picture:
    """By the real client. Raises `Refused`."""
    shown = server.influx(
        "SHOW DATABASES; SHOW USERS; SHOW SHARD GROUPS; SHOW SHARDS; SHOW CONTINUOUS QUERIES; SHOW SUBSCRIPTIONS", login
    )
    databases, users, groups, shards, queries, subscriptions = (list(_rows(result)) for result in shown)
    names = [row["name"] for _, row in databases]
    asked = [f"SHOW RETENTION POLICIES ON {quoted(name)}" for name in names]
    asked += [f"SHOW GRANTS FOR {quoted(row['user'])}" for _, row in users]
    answers = [[row for _, row in _rows(result)] for result in server.influx(";".join(asked), login)] if asked else []
    policies, grants = answers[: len(names)], answers[len(names) :]
    return Picture(
        tuple(
            DatabasePicture(
                name,
                tuple(
                    PolicyPicture(
                        row["name"],
                        Duration.parse(row["duration"]),
                        Duration.parse(row["shardGroupDuration"]),
                        row["replicaN"],
                        row["default"],
                    )
                    for row in rows
                ),
                _sorted(
                    GroupPicture(row["id"], row["retention_policy"], _time(row["start_time"]), _time(row["end_time"]))
                    for _, row in groups
                    if row["database"] == name
                ),
                _sorted(
                    ShardPicture(row["id"], row["retention_policy"], row["shard_group"], _ids(row["owners"]))
                    for _, row in shards
                    if row["database"] == name
                ),
                tuple((row["name"], row["query"]) for series, row in queries if series == name),
                tuple(
                    SubscriptionPicture(
                        row["retention_policy"], row["name"], row["mode"], tuple(row["destinations"] or ())
                    )
                    for series, row in subscriptions
                    if series == name
                ),
            )
            for name, rows in zip(names, policies, strict=True)
        ),
        tuple(
            UserPicture(row["user"], row["admin"], {grant["database"]: grant["privilege"] for grant in rows})
            for (_, row), rows in zip(users, grants, strict=True)
        ),
    )


def picture_of_data(data: Data) -> Picture:
    """As a server would show what is stored."""
    return Picture(
        tuple(
            DatabasePicture(
                d.name,
                tuple(
                    PolicyPicture(
                        p.name, p.duration, p.shard_group_duration, p.replica_n, p.name == d.default_retention_policy
                    )
                    for p in d.retention_policies
                ),
                _sorted(
                    GroupPicture(g.id, p.name, g.start_time, g.end_time)
                    for p in d.retention_policies
                    for g in p.shard_groups
                    if not g.deleted_at
                ),
                _sorted(
                    ShardPicture(s.id, p.name, g.id, s.effective_owners)
                    for p in d.retention_policies
                    for g in p.shard_groups
                    if not g.deleted_at
                    for s in g.shards
                ),
                tuple((q.name, q.query) for q in d.continuous_queries),
                tuple(
                    SubscriptionPicture(p.name, s.name, s.mode, s.destinations)
                    for p in d.retention_policies
                    for s in p.subscriptions
                ),
            )
            for d in data.databases
        ),
        tuple(
            UserPicture(u.name, u.admin, {g.database: PRIVILEGES[g.privilege] for g in u.privileges})
            for u in data.users
        ),
    )


def picture_of_arrival(arrival: Arrival) -> Picture:
    """As a server would show what an import is planned from."""
    return Picture(
        tuple(
            DatabasePicture(
                d.name,
                tuple(
                    PolicyPicture(p.name, p.duration, p.group_duration, p.replicas, p.name == d.default_policy)
                    for p in d.policies
                ),
                _sorted(
                    GroupPicture(g.id, p.name, g.start, g.end)
                    for p in d.policies
                    for g in p.groups
                    if g.deleted_at is None
                ),
                _sorted(
                    ShardPicture(shard_id, p.name, g.id, tuple(owners))
                    for p in d.policies
                    for g in p.groups
                    if g.deleted_at is None
                    for shard_id, owners in g.shards
                ),
                d.queries,
                tuple(
                    SubscriptionPicture(p.name, s.name, s.mode, s.destinations)
                    for p in d.policies
                    for s in p.subscriptions
                ),
            )
            for d in arrival.databases
        ),
        tuple(
            UserPicture(u.name, u.admin, {arrival.databases[place].name: PRIVILEGES[g.number] for place, g in u.grants})
            for u in arrival.users
        ),
    )


def picture_of_snapshot(snapshot: Snapshot) -> Picture:
    """As a server would show our own picture; of the owners, those that serve, which an export leaves."""
    return Picture(
        tuple(
            DatabasePicture(
                d.name,
                tuple(
                    PolicyPicture(p.name, int(p.duration), int(p.group_duration), p.replicas, p.is_default)
                    for p in d.policies()
                ),
                _sorted(GroupPicture(g.id, p.name, g.start, g.end) for p in d.policies() for g in p.groups()),
                _sorted(
                    ShardPicture(s.id, p.name, g.id, tuple(o.node_id for o in s.owners if o.serves))
                    for p in d.policies()
                    for g in p.groups()
                    for s in g.shards
                ),
                tuple((q.name, q.query) for q in d.queries()),
                tuple(
                    SubscriptionPicture(p.name, s.name, str(s.mode), s.destinations)
                    for p in d.policies()
                    for s in p.subscriptions()
                ),
            )
            for d in snapshot.databases()
        ),
        tuple(
            UserPicture(
                u.name,
                u.admin,
                {db: PRIVILEGES[g.number] for db, g in snapshot.privileges(u).items()},  # type: ignore[union-attr]
            )
            for u in snapshot.users()
        ),
    )


def without_owners(picture: Picture) -> Picture:
    """A single 1.x server's shards have none; an import may have given them one."""
    return picture._replace(
        databases=tuple(
            d._replace(shards=tuple(shard._replace(owners=()) for shard in d.shards)) for d in picture.databases
        )
    )


def as_imported(picture: Picture) -> Picture:
    """After the one repair that such pictures need: `Rule.PRIVILEGE_ON_NOTHING`."""
    there = {d.name for d in picture.databases}
    return Picture(
        picture.databases,
        tuple(
            u._replace(grants={name: privilege for name, privilege in u.grants.items() if name in there})
            for u in picture.users
        ),
    )


def _rows(result: dict[str, Any]) -> Iterable[tuple[str, dict[str, Any]]]:
    """Of one statement: the series' name, and each row under its columns' names."""
    for series in result.get("series", ()):
        for values in series.get("values", ()):
            yield series.get("name", ""), dict(zip(series["columns"], values, strict=True))


def _sorted(pictures: Iterable[Any]) -> tuple[Any, ...]:
    return tuple(sorted(pictures))


def _time(text: str) -> int:
    return 0 if text == UNSET else parse_time(text, now=0)


def _ids(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(",") if part)
