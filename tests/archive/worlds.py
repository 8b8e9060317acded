"""A cluster with something of everything in it, made by commands."""

from __future__ import annotations

from etcdmeta.model.entities import Shard
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.store import MetaStore

NOW = 1_795_392_000 * 10**9
"""2026-11-23T00:00:00Z"""
DAY = 86_400 * 10**9
ODD_NAMES = ("with space", "тест", 'quo"te', "tab-less=%2F", "😀")


def fill(store: MetaStore, *, groups: int = 3) -> None:
    """Nodes with labels, one draining, one removed; databases of odd names, owners of each status, users with
    passwords and grants, queries and subscriptions in an order that is none of the alphabet's."""
    for number in range(1, 5):
        store.add_node(f"h{number}:8088", labels={"zone": "ab"[number % 2], "пояс": "é"})
    store.remove_node(4)
    store.create_database("metrics", replicas=2, duration="30d", group_duration="1d")
    for name in ODD_NAMES:
        store.create_database(name)
    store.create_policy("metrics", "long", duration="INF", replicas=1)
    for name in ("z", "a", "м"):
        store.create_continuous_query("metrics", name, f"SELECT mean(v) INTO {name} FROM c GROUP BY time(1h)")
        store.create_subscription("metrics", "autogen", name, "ALL", ["http://a:1", "udp://b:2"])
    made = [store.create_shard_group("metrics", "autogen", at=NOW + day * DAY) for day in range(groups)]
    store.create_shard_group("metrics", "long", at=NOW)
    shard = made[0].shards[0]
    there = {owner.node_id for owner in shard.owners}
    (other,) = {1, 2, 3} - there
    first, second = sorted(there)
    store.begin_copy(shard.id, first, other)
    store.fail_owner(shard.id, other, "disk full", attempt=1)
    store.set_owner_status(shard.id, second, OwnerStatus.LEAVING)
    store.begin_copy(made[2].shards[0].id, made[2].shards[0].owners[0].node_id, other_than(made[2].shards[0]))
    store.delete_shard_group(made[1].id)
    store.truncate_shard_groups(at=NOW + 2 * DAY + DAY // 2)
    for name, admin in (("zoe", True), ("ann", False), ("O'Hara \"q\"", False)):
        store.create_user(name, f"password of {name}", admin=admin)
    store.grant("ann", "metrics", "read")
    store.grant("ann", "тест", "all")
    store.grant("O'Hara \"q\"", "metrics", "write")
    store.drain_node(3)


def other_than(shard: Shard) -> int:
    """A node that does not own it."""
    return min({1, 2, 3} - {owner.node_id for owner in shard.owners})


def records_of(store: MetaStore) -> dict[bytes, bytes]:
    """Every key below the cluster's prefix that is under no lease, relative, with its value."""
    return all_keys(store.strategy, store.keyspace)


def all_keys(strategy: object, keyspace: Keyspace) -> dict[bytes, bytes]:
    import time

    end = keys.prefix_end(keyspace.prefix)
    pages = strategy.list(keyspace.prefix, end, deadline=time.monotonic() + 30)  # type: ignore[attr-defined]
    return {keyspace.relative(kv.key): kv.value for page in pages for kv in page.kvs if not kv.lease}


def lists(snapshot: Snapshot) -> object:
    """What people see, in the order in which they see it."""
    return (
        [(n.id, n.host, str(n.state), dict(n.labels)) for n in snapshot.nodes(include_removed=True)],
        [(u.id, u.name, u.admin, snapshot.privileges(u)) for u in snapshot.users()],
        [
            (
                d.id,
                d.name,
                [(q.name, q.query) for q in d.queries()],
                [
                    (
                        p.id,
                        p.name,
                        [(s.name, s.mode, s.destinations) for s in p.subscriptions()],
                        [(g.id, g.start, g.shards) for g in p.groups(include_deleted=True)],
                    )
                    for p in d.policies()
                ],
            )
            for d in snapshot.databases()
        ],
    )
