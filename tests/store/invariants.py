"""What holds of every picture, whatever was done by whomever."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

from etcdmeta.commands.identities import identity_key
from etcdmeta.model.entities import ShardGroup
from etcdmeta.model.owners import NodeState, OwnerStatus
from etcdmeta.records import keys
from etcdmeta.replica.listing import listing

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore
    from tests.store.worlds import World


def check_picture(snapshot: Snapshot, *, forced: bool = False) -> None:
    """The rules that one picture shows. ``forced``: somebody consented to shards that nobody serves."""
    _check_names(snapshot)
    _check_roots(snapshot)
    groups = list(snapshot.groups(include_deleted=True))
    _unique("group ids", (group.id for group in groups))
    _unique("shard ids", (shard.id for group in groups for shard in group.shards))
    _unique("policy ids", (p.id for database in snapshot.databases() for p in database.policies()))
    for database in snapshot.databases():
        for policy in database.policies():
            _check_disjoint(policy.groups())
    for group in groups:
        if not group.is_deleted:
            _check_owners(snapshot, group, forced)
    _check_progress(snapshot, groups)


def check_cache(world: World, store: MetaStore, *, forced: bool = False) -> None:
    """The cache is what etcd lists at the same revision, and all rules hold of it."""
    snapshot = store.read_consistent()
    assert listing(snapshot) == world.records(snapshot.revision)
    check_picture(snapshot, forced=forced)


def check_ledger(world: World) -> None:
    """Each generation is one commit, known to the ledger; no operation was done twice."""
    done = [entry for entry in world.ledger() if not entry.void]
    _unique("operations done", (entry.operation_id for entry in done))
    assert world.generation() == len({entry.revision for entry in done})


def _check_names(snapshot: Snapshot) -> None:
    tables, named = snapshot.tables, snapshot.decoder.named_id
    assert {named(row) for row in tables.database_names.values()} == {d.id for d in snapshot.databases()}
    for name, row in tables.database_names.items():
        assert snapshot.database_by_id(named(row)).name == name
    for name, row in tables.user_names.items():
        user = snapshot.user_by_id(named(row))
        assert user is not None
        assert user.name == name
    assert len(tables.user_names) == len(tables.users)
    _check_identities(snapshot)
    present = {node.host: node.id for node in snapshot.nodes()}
    assert {host: named(row) for host, row in tables.host_names.items()} == present
    for database in snapshot.databases():
        by_name = {policy.name: policy.id for policy in database.policies()}
        assert {name: named(row) for name, row in tables.databases[database.id].names.items()} == by_name
        default = database.record.default_policy_id
        assert default == 0 or default in by_name.values()


def _check_identities(snapshot: Snapshot) -> None:
    """No two nodes have the same, removed ones included; and the index says which has it."""
    having = {identity_key(n.identity_hash): n.id for n in snapshot.nodes(include_removed=True) if n.identity_hash}
    _unique("identities", (n.identity_hash for n in snapshot.nodes(include_removed=True) if n.identity_hash))
    named = snapshot.decoder.named_id
    assert {keys.identity_name(digest): named(row) for digest, row in snapshot.tables.identity_names.items()} == having


def _check_roots(snapshot: Snapshot) -> None:
    """Law 2: nothing was written below a database or policy that had gone."""
    for database_id, database in snapshot.tables.databases.items():
        assert database.info is not None, f"orphans of database {database_id}"
        for policy_id, policy in database.policies.items():
            assert policy.info is not None, f"orphans of policy {policy_id}"
    for group_id, row in snapshot.tables.groups.items():
        assert snapshot.tables.policy(row[3], row[4]) is not None, f"group {group_id} has no policy"


def _check_disjoint(groups: Iterable[ShardGroup]) -> None:
    spans = sorted((g.start, g.effective_end, g.id) for g in groups if g.start < g.effective_end)
    for (_, end, one), (start, _, other) in pairwise(spans):
        assert end <= start, f"groups {one} and {other} overlap"


def _check_owners(snapshot: Snapshot, group: ShardGroup, forced: bool) -> None:
    for shard in group.shards:
        _unique(f"owners of shard {shard.id}", (owner.node_id for owner in shard.owners))
        for owner in shard.owners:
            node = snapshot.find_node(owner.node_id)
            assert node is not None, f"shard {shard.id} is owned by unknown node {owner.node_id}"
            assert node.state != NodeState.REMOVED, f"shard {shard.id} is owned by removed node {node.id}"
            assert owner.attempt <= shard.last_attempt
        assert forced or any(owner.serves for owner in shard.owners), f"nobody serves shard {shard.id}"


def _check_progress(snapshot: Snapshot, groups: Iterable[ShardGroup]) -> None:
    copying = {
        (shard.id, owner.node_id)
        for group in groups
        if not group.is_deleted
        for shard in group.shards
        for owner in shard.owners
        if owner.status == OwnerStatus.COPYING
    }
    assert set(snapshot.tables.progress.keys()) == copying


def _unique(what: str, values: Iterable[object]) -> None:
    twice = [value for value, count in Counter(values).items() if count > 1]
    assert not twice, f"{what}: {twice} twice"
