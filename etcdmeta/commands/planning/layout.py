"""Who owns what, in a form that planners may change: live groups only, read once, without making models.

An owner that copies counts as there; one that leaves as gone, since its successor counts. What plans at work will have
done counts as done (`etcdmeta.commands.planning.underway`). Each node without the zone label is in a zone of its own:
nothing says that it shares a fate with any other. A node of unknown liveness counts as up.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Collection, Iterable

from etcdmeta.commands.planning.draft import LeftOut, PlanDraft
from etcdmeta.commands.planning.underway import UnderWay
from etcdmeta.model.moveplans import Move, PlanKind
from etcdmeta.model.owners import SERVING, OwnerStatus, Status
from etcdmeta.model.snapshot import Snapshot

ZONE_LABEL = "zone"
Zone = str | int
"""The label's value; of a node without it, its id."""


class Placement:
    """One shard. ``owners`` as it was read, ``nodes`` as it will be: who owns it when all moves so far are done, those
    of plans at work first.
    """

    __slots__ = ("group", "nodes", "owners", "policy", "shard_id")

    def __init__(self, shard_id: int, group: int, policy: tuple[int, int], owners: dict[int, Status]) -> None:
        self.shard_id = shard_id
        self.group = group
        self.policy = policy
        self.owners = owners
        self.nodes = {node for node, status in owners.items() if status != OwnerStatus.LEAVING}

    @property
    def home(self) -> frozenset[int]:
        """Who owned it before all moves; of a shard that no plan at work moves."""
        return frozenset(node for node, status in self.owners.items() if status != OwnerStatus.LEAVING)

    @property
    def strange(self) -> tuple[Status, ...]:
        """Statuses of a later version, whose rules nobody here knows."""
        return tuple(status for status in self.owners.values() if not isinstance(status, OwnerStatus))


class Layout:
    """See the module. ``load``: owners per node; ``before``: the same before any move of the plan that is made;
    ``takers``: the nodes that moves may go to, ascending; ``without`` takes some out of them.
    """

    def __init__(self, snapshot: Snapshot, zone_label: str = ZONE_LABEL, *, without: Collection[int] = ()) -> None:
        self.snapshot = snapshot
        nodes = snapshot.nodes()
        self.up = {node.id for node in nodes if snapshot.is_live(node.id) is not False}
        self.takers = sorted(n.id for n in nodes if n.takes_shards and n.id in self.up and n.id not in without)
        self.zones: dict[int, Zone] = {node.id: node.labels.get(zone_label) or node.id for node in nodes}
        self.load: Counter[int] = Counter()
        self.placements: dict[int, Placement] = {}
        self.moves: list[Move] = []
        self.left_out: dict[int, str] = {}
        self._in_group: Counter[tuple[int, int]] = Counter()  # of groups of several shards
        self._replicas: dict[tuple[int, int], int] = {}
        self.under_way = UnderWay(snapshot)
        self._read()
        self._taker_zones = {self.zones[node] for node in self.takers}
        self.ranked = sorted((self.load[node], node) for node in self.takers)
        self.before = self.counts()

    def _read(self) -> None:
        tables, placements_of, load = self.snapshot.tables, self.snapshot.decoder.group_placements, self.load
        changes = self.under_way.changes
        policies: dict[tuple[int, int], bool] = {}
        for group, row in sorted(tables.groups.items()):
            policy = row[3], row[4]
            if policy not in policies:
                policies[policy] = tables.policy(*policy) is not None
            if not policies[policy]:
                continue
            found = placements_of(row[0])
            for shard_id, owners in found:
                placement = self.placements[shard_id] = Placement(shard_id, group, policy, owners)
                for gone, come in changes.get(shard_id, ()) if changes else ():
                    placement.nodes.discard(gone)
                    placement.nodes |= {come} - {0}
                for node in placement.nodes:
                    load[node] += 1
                    if len(found) > 1:
                        self._in_group[group, node] += 1

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

    def workable(self, placement: Placement) -> bool:
        """Whether moves of this shard may be planned; names it among those left out where not."""
        if placement.shard_id in self.under_way.busy:
            self.leave_out(placement, self.under_way.busy[placement.shard_id])
        elif placement.strange:
            self.leave_out(placement, f"an owner is {str(placement.strange[0])!r}, a status of a later version")
        else:
            return True
        return False

    def move(self, placement: Placement, gone: int, come: int) -> None:
        """Plans a move; 0: nobody goes, or comes."""
        self.shift(placement, gone, come)
        self.note_move(placement, gone, come)

    def shift(self, placement: Placement, gone: int, come: int) -> None:
        """Who owns it, without a move yet."""
        if gone and gone in placement.nodes:
            placement.nodes.remove(gone)
            self._count(placement, gone, -1)
        if come and come not in placement.nodes:
            placement.nodes.add(come)
            self._count(placement, come, 1)

    def _count(self, placement: Placement, node: int, change: int) -> None:
        place = bisect_left(self.ranked, (self.load[node], node))
        if self.ranked[place : place + 1] == [(self.load[node], node)]:  # else it takes none
            del self.ranked[place]
            insort(self.ranked, (self.load[node] + change, node))
        self.load[node] += change
        self._in_group[placement.group, node] += change

    def note_move(self, placement: Placement, gone: int, come: int) -> None:
        size = None
        for node in placement.owners:
            progress = self.snapshot.progress(placement.shard_id, node)
            if progress is not None and progress.bytes_total is not None:
                size = progress.bytes_total
        self.moves.append(Move(placement.shard_id, gone, come, 0, size))

    def zone(self, node: int) -> Zone:
        """A node that is gone is in one of its own, too."""
        return self.zones.get(node, node)

    def zone_counts(self, placement: Placement, gone: int = 0) -> Counter[Zone]:
        """The zones of its owners but that one, and how many each has."""
        return Counter([self.zone(node) for node in placement.nodes if node != gone])

    def meets_group(self, placement: Placement, node: int) -> bool:
        """Whether the node owns a shard of the same group."""
        return self._in_group[placement.group, node] > 0

    def choose_target(self, placement: Placement, gone: int = 0) -> int | None:
        """Where another owner goes: the zone that has fewest, a node without an owner of the group, the least loaded.

        The nodes are looked at by their load, so that mostly the first ones will do.
        """
        zones = self.zone_counts(placement, gone)
        counts = [zones[zone] for zone in zones if zone in self._taker_zones]
        fewest = min(counts, default=0) if len(counts) == len(self._taker_zones) else 0
        best, found = (0, False), None
        for _, node in self.ranked:
            if node in placement.nodes or node in placement.owners:
                continue
            rank = zones.get(self.zones[node], 0), self.meets_group(placement, node)
            if found is None or rank < best:
                best, found = rank, node
                if rank == (fewest, False):
                    break
        return found

    def choose_leaver(self, placement: Placement, among: Iterable[int]) -> int:
        """Who goes where there are too many: whose zone has most of them, the most loaded."""
        zones = self.zone_counts(placement)
        return max(among, key=lambda n: (zones[self.zone(n)], self.load[n], n))

    def reasons(self) -> tuple[LeftOut, ...]:
        return tuple(LeftOut(shard_id, why) for shard_id, why in sorted(self.left_out.items()))

    def draft(
        self,
        kind: PlanKind,
        *,
        subjects: tuple[int, ...] = (),
        replacement: int = 0,
        remove_subjects: bool = False,
        undoes: int = 0,
    ) -> PlanDraft:
        """All that was planned so far, as it is handed over."""
        return PlanDraft(
            kind,
            tuple(self.moves),
            subjects,
            replacement,
            remove_subjects,
            self.before,
            self.counts(),
            self.reasons(),
            undoes,
            self.under_way.at_work,
            self.under_way.proposed,
        )
