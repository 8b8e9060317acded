"""Under which ids an import goes, which of our nodes stand for the source's, and what is in its way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from etcdmeta.commands.importing.beginning import KEPT_KINDS
from etcdmeta.commands.importing.incoming import Incoming
from etcdmeta.commands.importing.made import bare
from etcdmeta.errors import ImportConflict
from etcdmeta.model.imports import Import, ImportState
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot

SHOWN: Final = 10


@dataclass(frozen=True, slots=True)
class Intake:
    """What is to be imported. ``digest``: SHA-256 of the source and of all that was asked of it, so that the same
    digest means the same records. ``make``: reads it, given the time in nanoseconds that its repairs go by; asked again
    when an import is resumed. ``nodes``: id in the source → ours, where somebody said so. ``source``: for people."""

    source: str
    digest: bytes
    make: Callable[[int], Incoming] = field(repr=False)
    nodes: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Findings:
    """``conflicts``: why it cannot be imported as it is, each a sentence. ``notices``: what was taken for granted."""

    conflicts: tuple[str, ...]
    notices: tuple[str, ...]

    def raise_first(self) -> None:
        """Raises `ImportConflict` with the first of them."""
        if not self.conflicts:
            return
        shown = "; ".join(self.conflicts[:SHOWN])
        more = f"; and {len(self.conflicts) - SHOWN} more" if len(self.conflicts) > SHOWN else ""
        raise ImportConflict(
            f"what is there is in the way: {shown}{more}",
            value=self.conflicts,
            rule="an import changes nothing that is there",
            remedy="take databases one by one, `--db NAME --as NEW`, or drop what is in the way",
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """How many new ids of each kind, and what counters are raised to where ids are kept."""

    new: Mapping[str, int]
    raised: Mapping[str, int]


def assignment(snapshot: Snapshot, incoming: Incoming, counters: Mapping[str, tuple[int, int]]) -> Wanted:
    """``counters`` as `read_counters` gives them. Ids of nodes, groups and shards are kept where none of their kind was
    ever given out here, but for an import that nobody saw and that was taken back; databases, policies and users
    have none in the source."""
    in_use: dict[str, list[int]] = {"node": [node.id for node in incoming.nodes], "group": [], "shard": []}
    for group in (row for d in incoming.databases for p in d.policies for row in bare(p.groups)):
        in_use["group"].append(group[0])
        in_use["shard"] += [shard[0] for shard in group[5]]
    new = {
        "import": 1,
        "database": len(incoming.databases),
        "policy": sum(len(database.policies) for database in incoming.databases),
        "user": len(incoming.users),
    }
    raised = {}
    for kind in KEPT_KINDS:
        highest = max((incoming.highest.get(kind, 0), *in_use[kind]), default=0)
        untouched = counters[kind][0] <= _raised_in_vain(snapshot, kind)
        if untouched and not _holds(snapshot, kind):
            raised[kind] = max(highest, counters[kind][0])
        elif kind != "node":  # of nodes, only as many as are new
            new[kind] = len(set(in_use[kind]))
    return Wanted(new, {kind: highest for kind, highest in raised.items() if highest})


def assign(
    snapshot: Snapshot, incoming: Incoming, chosen: Mapping[int, int], *, keep_nodes: bool
) -> tuple[dict[int, int], list[int], Findings]:
    """id in the source → ours, 0 for a new one; which of the source's are new; and what was found."""
    conflicts: list[str] = []
    notices: list[str] = []
    nodes: dict[int, int] = {}
    new: list[int] = []
    for node in incoming.nodes:
        known = None if not node.host or node.state == NodeState.REMOVED else snapshot.node_by_host(node.host)
        if node.id in chosen:
            ours = snapshot.node(chosen[node.id])
            nodes[node.id] = ours.id
            if ours.state == NodeState.REMOVED:
                conflicts.append(f"node {ours.id}, which should stand for node {node.id}, is removed")
        elif known is not None:
            nodes[node.id] = known.id
            notices.append(f"node {node.id} of the source is node {known.id} here: both are {node.host}")
        else:
            nodes[node.id] = node.id if keep_nodes else 0
            new.append(node.id)
    tables = snapshot.tables
    unknown = sorted(chosen.keys() - nodes.keys())
    conflicts += [f"the source has no node {n}, which node {chosen[n]} should stand for" for n in unknown]
    conflicts += [
        f"database {database.name!r} is there already"
        for database in incoming.databases
        if database.name in tables.database_names
    ]
    conflicts += [f"user {user.name!r} is there already" for user in incoming.users if user.name in tables.user_names]
    if snapshot.cluster is not None and incoming.cluster_id not in {0, snapshot.cluster.cluster_id}:
        notices.append(f"the cluster keeps its id {snapshot.cluster.cluster_id}; the source had {incoming.cluster_id}")
    return nodes, new, Findings(tuple(conflicts), tuple(notices))


def count_records(incoming: Incoming) -> tuple[int, int]:
    """How many records below databases, and how many groups of them."""
    policies = [policy for database in incoming.databases for policy in database.policies]
    groups = sum(len(policy.groups) for policy in policies)
    others = sum(2 + len(policy.subscriptions) for policy in policies)
    queries = sum(len(database.queries) for database in incoming.databases)
    return groups + others + queries + sum(len(user.grants) for user in incoming.users), groups


def _raised_in_vain(snapshot: Snapshot, kind: str) -> int:
    """The highest counter that an import left which was taken back before anybody saw it."""
    records: tuple[Import, ...] = snapshot.imports()
    return max((r.raised.get(kind, 0) for r in records if r.state == ImportState.ABORTED and not r.shown), default=0)


def _holds(snapshot: Snapshot, kind: str) -> bool:
    tables = snapshot.tables
    return bool({"node": tables.nodes, "group": tables.groups, "shard": tables.shards}[kind])
