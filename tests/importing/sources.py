"""Things to import, and what became of them."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from etcdmeta.influxdb import arrive, detect, hand_on
from etcdmeta.store.importing import Intake
from tests.influxdb.worlds import FIXTURES

if TYPE_CHECKING:
    from etcdmeta.store import MetaStore

HASH = b"$2a$10$" + b"x" * 53
DAY = 24 * 3600 * 10**9
RICH = FIXTURES / "v0.9-owners" / "rich.bin"
"""11 databases, 7 users, 5 nodes, 387 groups: six pages and more."""


def intake_of(path: Path, **options: Any) -> Intake:
    """Of one of InfluxDB's files."""
    blob = path.read_bytes()
    data = detect(blob).decode()
    digest = hashlib.sha256(blob + repr(sorted(options.items())).encode()).digest()
    return Intake(path.name, digest, lambda now: hand_on(arrive(data, now=now)), **options)


def intake(incoming: Incoming, **options: Any) -> Intake:
    digest = hashlib.sha256(repr((incoming, options)).encode()).digest()
    return Intake("made here", digest, lambda _: incoming, **options)


def small(
    *,
    databases: int = 1,
    groups: int = 2,
    users: int = 1,
    nodes: tuple[str, ...] = ("n1:8088", "n2:8088"),
    first_id: int = 7,
    name: str = "db",
) -> Incoming:
    """Ids with a gap after each group; each database has two policies, the second of which is the default."""
    group_id = first_id
    made = []
    for number in range(databases):
        policies = []
        for policy in range(2):
            listed = []
            for place in range(groups):
                owners = tuple(IncomingOwner(1 + (place + i) % len(nodes)) for i in range(min(2, len(nodes))))
                shards = (IncomingShard(10 * group_id, owners), IncomingShard(10 * group_id + 1, owners))
                listed.append(IncomingGroup(group_id, place * DAY, (place + 1) * DAY, None, None, shards))
                group_id += 2
            subs = (IncomingSubscription("z", "ANY", ("http://a:1",)), IncomingSubscription("a", "ALL", ()))
            policies.append(IncomingPolicy(f"p{policy}", 0, DAY, 2, tuple(listed), subs))
        queries = (("z", "SELECT 1"), ("a", "SELECT 2"))
        made.append(IncomingDatabase(f"{name}{number}", 1, tuple(policies), queries))
    people = [
        IncomingUser(f"user{number}", number == 0, HASH, tuple((d, "read") for d in range(databases)))
        for number in range(users)
    ]
    return Incoming(
        cluster_id=99,
        nodes=tuple(IncomingNode(number, host) for number, host in enumerate(nodes, 1)),
        databases=tuple(made),
        users=tuple(people),
        highest={"node": len(nodes), "group": group_id, "shard": 10 * group_id + 1},
    )


def seen(store: MetaStore) -> dict[str, Any]:
    """All of the picture, by names and the source's order; ids only where they are the source's."""
    snapshot = store.snapshot()
    return {
        "nodes": [(n.host, str(n.state), dict(n.labels)) for n in snapshot.nodes(include_removed=True)],
        "users": [(u.name, u.admin, snapshot.privileges(u)) for u in snapshot.users()],
        "databases": {
            d.name: {
                "default": None if d.default_policy is None else d.default_policy.name,
                "queries": [(q.name, q.query) for q in d.queries()],
                "policies": {
                    p.name: (
                        p.duration,
                        p.group_duration,
                        p.replicas,
                        [(s.name, str(s.mode), s.destinations) for s in p.subscriptions()],
                        [
                            (g.start, g.end, g.deleted_at, g.truncated_at, [len(s.owners) for s in g.shards])
                            for g in p.groups(include_deleted=True)
                        ],
                    )
                    for p in d.policies()
                },
            }
            for d in snapshot.databases()
        },
    }


def now() -> int:
    return time.time_ns()
