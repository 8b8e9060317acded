"""What accepting a restore has to know: how far generation and ids had come before etcd went back in time."""

from __future__ import annotations

import secrets
from collections.abc import Mapping

from etcdmeta.commands.guard import KINDS, AcceptRestore
from etcdmeta.consensus.protocol import Strategy
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.store.ids import highest_of


def highest_ids(*snapshots: Snapshot) -> dict[str, int]:
    """The highest id of each kind that is in use in any of the pictures."""
    highest = dict.fromkeys(KINDS, 0)
    for snapshot in snapshots:
        tables = snapshot.tables
        policies = (policy_id for _, database in tables.databases.items() for policy_id in database.policies)
        in_use = {
            "database": tables.databases.keys(),
            "policy": policies,
            "group": tables.groups.keys(),
            "shard": tables.shards.keys(),
            "node": tables.nodes.keys(),
            "user": tables.users.keys(),
            "plan": tables.plans.keys(),
            "import": tables.imports.keys(),
        }
        for kind, ids in in_use.items():
            highest[kind] = max(highest[kind], max(ids, default=0))
    return highest


def acceptance(
    snapshot: Snapshot,
    lost: Snapshot | None,
    counters: Mapping[str, tuple[int, int]],
    id_margin: int,
    generation: int,
) -> AcceptRestore:
    """The command that goes on above the picture, above ``lost`` (the last one before the restore) where it is known,
    and above what the caller says; ``counters`` as `read_counters` gives them."""
    used = highest_ids(snapshot, lost) if lost is not None else highest_ids(snapshot)
    return AcceptRestore(
        epoch=secrets.randbits(63) + 1,
        generation=max(generation, lost.generation if lost is not None else 0),
        highest={kind: max(used[kind], counters[kind][0]) + id_margin for kind in used},
        counters={kind: revision for kind, (_, revision) in counters.items()},
    )


def read_counters(strategy: Strategy, keyspace: Keyspace, deadline: float) -> dict[str, tuple[int, int]]:
    """Each kind's counter as it stands in etcd: (highest handed out, mod revision); zeros where there is none."""
    counters = {}
    for kind in KINDS:
        kvs = strategy.read(keyspace.absolute(keys.ids(kind)), deadline=deadline).kvs
        counters[kind] = (highest_of(kvs), kvs[0].mod_revision if kvs else 0)
    return counters
