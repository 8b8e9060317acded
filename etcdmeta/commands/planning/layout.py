"""Who owns what, in a form that planners may change: live groups only, read once, without making models.

An owner that copies counts as there; one that leaves as gone, since its successor counts. Each node without the zone
label is in a zone of its own: nothing says that it shares a fate with any other. A node of unknown liveness counts as
up.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable

from etcdmeta.commands.planning.draft import LeftOut
from etcdmeta.model.moveplans import Move
from etcdmeta.model.moves import SETTLED, move_state
from etcdmeta.model.owners import SERVING, OwnerStatus, Status
from etcdmeta.model.snapshot import Snapshot

ZONE_LABEL = "zone"


class Placement:
    """One shard. ``owners`` as it was read, ``nodes`` as it will be: who owns it when all moves so far are done."""

    __slots__ = ("group", "nodes", "owners", "policy", "shard_id")

    def __init__(self, shard_id: int, group: int, policy: tuple[int, int], owners: dict[int, Status]) -> None:
        self.shard_id = shard_id
        self.group = group
        self.policy = policy
        self.owners = owners
        self.nodes = {node for node, status in owners.items() if status != OwnerStatus.LEAVING}

    @property
    def strange(self) -> tuple[Status, ...]:
        """Statuses of a later version, whose rules nobody here knows."""
        return tuple(status for status in self.owners.values() if not isinstance(status, OwnerStatus))


class Layout:
    """See the module. ``load``: owners per node; ``takers``: the nodes that moves may go to, ascending."""

    def __init__(self, snapshot: Snapshot, zone_label: str = ZONE_LABEL) -> None:
        self.snapshot = snapshot
        nodes = snapshot.nodes()
        self.up = {node.id for node in nodes if snapshot.is_live(node.id) is not False}
        self.takers = sorted(node.id for node in nodes if node.takes_shards and node.id in self.up)
        self.zones = {node.id: node.labels.get(zone_label) or f"node {node.id}" for node in nodes}
        self.load: Counter[int] = Counter()
        self.placements: dict[int, Placement] = {}
        self.in_group: Counter[tuple[int, int]] = Counter()
        self.moves: list[Move] = []
        self.left_out: dict[int, str] = {}
        self._replicas: dict[tuple[int, int], int] = {}
        for group, row in sorted(snapshot.tables.groups.items()):
            if snapshot.tables.policy(row[3], row[4]) is None:
                continue
            for shard_id, owners in snapshot.decoder.group_placements(row[0]):
                placement = Placement(shard_id, group, (row[3], row[4]), owners)
                self.placements[shard_id] = placement
                for node in placement.nodes:
                    self.load[node] += 1
                    self.in_group[group, node] += 1
        self.before = self.counts()

    def counts(self) -> dict[int, int]:
        """Owners per node: of all that own any, and of all that may take some."""
        return {node: self.load[node] for node in sorted({*self.load, *self.takers})}

    def wanted(self, placement: Placement) -> int:
        """How many owners the shard's policy wants, and there are nodes for: at most one a node."""
        if placement.policy not in self._replicas:
            database, policy = placement.policy
            record = self.snapshot.database_by_id(database).policy_by_id(policy)
            self._replicas[placement.policy] = record.replicas
        return self._replicas[placement.policy]

    def has_source(self, placement: Placement) -> bool:
        """Whether somebody serves it on a node that is not known to be down."""
        return any(status in SERVING and node in self.up for node, status in placement.owners.items())

    def leave_out(self, placement: Placement, why: str) -> None:
        self.left_out.setdefault(placement.shard_id, why)

    def workable(self, placement: Placement, busy: dict[int, str]) -> bool:
        """Whether moves of this shard may be planned; names it among those left out where not."""
        if placement.shard_id in busy:
            self.leave_out(placement, busy[placement.shard_id])
        elif placement.strange:
            self.leave_out(placement, f"an owner is {str(placement.strange[0])!r}, a status of a later version")
        else:
            return True
        return False

    def move(self, placement: Placement, gone: int, come: int) -> None:
        """Plans a move; 0: nobody goes, or comes."""
        if gone and gone in placement.nodes:
            placement.nodes.remove(gone)
            self.load[gone] -= 1
            self.in_group[placement.group, gone] -= 1
        if come and come not in placement.nodes:
            placement.nodes.add(come)
            self.load[come] += 1
            self.in_group[placement.group, come] += 1
        size = None
        for node in placement.owners:
            progress = self.snapshot.progress(placement.shard_id, node)
            if progress is not None and progress.bytes_total is not None:
                size = progress.bytes_total
        self.moves.append(Move(placement.shard_id, gone, come, 0, size))

    def zones_without(self, placement: Placement, gone: int = 0) -> set[str]:
        """The zones of its owners but that one."""
        return {self.zones.get(node, f"node {node}") for node in placement.nodes if node != gone}

    def choose_target(self, placement: Placement, gone: int = 0, unfit: Collection[int] = ()) -> int | None:
        """Where another owner goes: a zone that has none, a node without an owner of the group, the least loaded."""
        zones = self.zones_without(placement, gone)
        able = [n for n in self.takers if n not in placement.nodes and n not in placement.owners and n not in unfit]
        return min(
            able,
            key=lambda n: (self.zones[n] in zones, self.in_group[placement.group, n] > 0, self.load[n], n),
            default=None,
        )

    def choose_leaver(self, placement: Placement, among: Iterable[int]) -> int:
        """Who goes where there are too many: whose zone has another, the most loaded."""
        zones = Counter(self.zones.get(node, f"node {node}") for node in placement.nodes)
        return max(among, key=lambda n: (zones[self.zones.get(n, f"node {n}")] > 1, self.load[n], n))

    def reasons(self) -> tuple[LeftOut, ...]:
        return tuple(LeftOut(shard_id, why) for shard_id, why in sorted(self.left_out.items()))


def busy_shards(snapshot: Snapshot) -> dict[int, str]:
    """The shards that an active plan has unsettled moves for, and which plan that is."""
    found: defaultdict[int, list[int]] = defaultdict(list)
    for plan in snapshot.plans():
        if plan.is_active:
            for move in snapshot.plan_moves(plan.id):
                if move_state(snapshot, move) not in SETTLED and plan.id not in found[move.shard_id]:
                    found[move.shard_id].append(plan.id)
    return {shard: f"plan {plans[0]}, which is active, moves it" for shard, plans in found.items() if plans}
