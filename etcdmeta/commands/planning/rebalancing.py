"""Levelling owners over nodes, in as few moves as there can be.

Without zones the number of moves is the least possible. Let each node's target be the mean rounded down, and rounded up
for as many of the fullest as the remainder is. Any level layout takes at least the sum of what nodes have above their
targets, since a move takes one owner away from one node. That many are enough where every owner can move: while some
node u is above its target and some v below, u owns more shards than v, so u owns one that v does not, and it can move
from u to v. Surplus nodes only lose and the others only gain, so that no owner moves twice.

Where owners cannot move (they copy, have failed, another plan moves them) a move that is not possible directly goes
over further nodes, by a shortest chain.

Shards whose owners share a zone while another zone is free are spread first, and levelling never brings two owners of a
shard into one zone that were not. Spread comes before level there: with zones of unequal size, or few shards, counts
may then differ by more than one, and the number of moves is not proven to be the least.
"""

from __future__ import annotations

from collections import defaultdict, deque

from etcdmeta.commands.planning.draft import PlanDraft
from etcdmeta.commands.planning.layout import ZONE_LABEL, Layout, Placement, busy_shards
from etcdmeta.model.moveplans import PlanKind
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot


def rebalance(snapshot: Snapshot, *, zone_label: str = ZONE_LABEL, busy: dict[int, str] | None = None) -> PlanDraft:
    """Levels the owners of the nodes that take shards and are not known to be down; what other nodes own stays.

    ``busy``: shards that are left alone, and why; those of active plans, if not given. Owners that copy, leave or have
    failed stay where they are.
    """
    layout = Layout(snapshot, zone_label)
    leveller = _Leveller(layout, busy_shards(snapshot) if busy is None else busy)
    leveller.spread()
    leveller.level()
    return PlanDraft(
        PlanKind.REBALANCE,
        tuple(layout.moves),
        before=layout.before,
        after=layout.counts(),
        left_out=layout.reasons(),
    )


class _Leveller:
    """The owners that may move, by node; each at most once."""

    def __init__(self, layout: Layout, busy: dict[int, str]) -> None:
        self.layout = layout
        self.movable: defaultdict[int, dict[int, Placement]] = defaultdict(dict)
        takers = set(layout.takers)
        for placement in layout.placements.values():
            if not layout.workable(placement, busy):
                continue
            if not layout.has_source(placement):
                layout.leave_out(placement, "nobody serves it on a node that is up, so there is nothing to copy from")
                continue
            for node, status in placement.owners.items():
                if node in takers and status == OwnerStatus.ACTIVE:
                    self.movable[node][placement.shard_id] = placement

    def spread(self) -> None:
        """Parts the owners of a shard that share a zone while another is free."""
        layout = self.layout
        every = {layout.zones[node] for node in layout.takers}
        if len(every) == len(layout.takers):
            return  # each node is a zone of its own
        for placement in layout.placements.values():
            while True:
                zones = layout.zones_without(placement)
                if len(zones) == len(placement.nodes) or every <= zones:
                    break
                shared = [
                    node
                    for node in placement.nodes
                    if placement.shard_id in self.movable[node]
                    and layout.zones[node] in layout.zones_without(placement, node)
                ]
                if not shared:
                    break
                gone = layout.choose_leaver(placement, shared)
                come = layout.choose_target(placement, gone)
                if come is None or layout.zones[come] in zones:
                    break
                self._move(placement, gone, come)

    def level(self) -> None:
        """Moves from above the targets to below them, until nothing more can."""
        load, takers = self.layout.load, self.layout.takers
        if not takers:
            return
        mean, more = divmod(sum(load[node] for node in takers), len(takers))
        fullest = sorted(takers, key=lambda node: (-load[node], node))
        target = {node: mean + (place < more) for place, node in enumerate(fullest)}
        while True:
            above = sorted((n for n in takers if load[n] > target[n]), key=lambda n: (target[n] - load[n], n))
            below = {n for n in takers if load[n] < target[n]}
            if not any(self._relieve(node, below) for node in above):
                return

    def _relieve(self, start: int, below: set[int]) -> bool:
        """One owner less on that node, one more on one that has room: the shortest chain of moves between them."""
        load = self.layout.load
        came: dict[int, tuple[int, Placement]] = {}
        seen, queue = {start}, deque([start])
        while queue:
            node = queue.popleft()
            for other in sorted(set(self.layout.takers) - seen, key=lambda n: (n not in below, load[n], n)):
                placement = self._movable(node, other)
                if placement is None or any(placement is used for _, used in came.values()):
                    continue
                came[other] = (node, placement)
                if other in below:
                    self._follow(start, other, came)
                    return True
                seen.add(other)
                queue.append(other)
        return False

    def _follow(self, start: int, end: int, came: dict[int, tuple[int, Placement]]) -> None:
        while end != start:
            node, placement = came[end]
            self._move(placement, node, end)
            end = node

    def _movable(self, gone: int, come: int) -> Placement | None:
        """A shard that may move so; one whose group has no owner there yet, if there is any."""
        layout, second = self.layout, None
        for placement in self.movable[gone].values():
            if come in placement.nodes or come in placement.owners:
                continue
            zone = layout.zones[come]
            if zone != layout.zones[gone] and zone in layout.zones_without(placement, gone):
                continue
            if not layout.in_group[placement.group, come]:
                return placement
            second = second or placement
        return second

    def _move(self, placement: Placement, gone: int, come: int) -> None:
        self.layout.move(placement, gone, come)
        del self.movable[gone][placement.shard_id]
