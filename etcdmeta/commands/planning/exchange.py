"""Which owner may go from one node to another, asked many times while owners move: no answer is looked for twice.

A shard whose owner at u may not go to v may do so later only after one of its own owners moved. So each node has a list
of shards that is only added to, and each question goes on in it where the last one ended; a shard whose owners moved is
added again. 200 nodes that ask for each other's 1,500 shards would look at 60 million else, for every move.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from etcdmeta.commands.planning.layout import Layout, Placement, Zone
from etcdmeta.model.owners import OwnerStatus

_LOOK_AHEAD = 16
"""Shards that are looked at for one whose group has no owner at the target."""


class Exchange:
    """Owners that are active on nodes that take shards, of ``placements``, may move; others stay.

    Spread is kept: an owner goes to another zone only where that has at least one owner of the shard less than its own,
    so that the sum of the squares of the owners per zone, of each shard, never grows.
    """

    def __init__(self, layout: Layout, placements: Iterable[Placement]) -> None:
        self.layout = layout
        self.takers = frozenset(layout.takers)
        self._shards: defaultdict[int, list[Placement]] = defaultdict(list)
        self._open: defaultdict[int, dict[Zone, list[Placement]]] = defaultdict(dict)
        self._begin: dict[tuple[int, Zone], int] = {}
        self._seen: dict[tuple[int, int], int] = {}
        # Nodes without the label are one target here: a shard that has no owner there has none in its zone.
        self._target: dict[int, Zone] = {n: z if isinstance(z, str) else 0 for n, z in layout.zones.items()}
        for placement in placements:
            for node in placement.nodes:
                if self.is_movable(placement, node):
                    self._shards[node].append(placement)

    def is_movable(self, placement: Placement, node: int) -> bool:
        """Whether that owner may go at all; one that comes by a move of this plan may go somewhere else instead."""
        return node in self.takers and placement.owners.get(node, OwnerStatus.ACTIVE) == OwnerStatus.ACTIVE

    def may(self, placement: Placement, gone: int, come: int) -> bool:
        """Whether that owner may go there, and one of these may come back where it was."""
        return (
            gone in placement.nodes
            and come not in placement.nodes
            and placement.owners.get(come, OwnerStatus.ACTIVE) == OwnerStatus.ACTIVE
            and self.fits(placement, gone, self._target[come])
        )

    def fits(self, placement: Placement, gone: int, target: Zone) -> bool:
        """Whether the owners' zones are spread as well after that, wherever in the target it goes."""
        zones = self.layout.zones
        own = zones[gone]
        if target in (0, own):
            return True
        here = there = 0
        for node in placement.nodes:
            zone = zones.get(node)
            here += zone == own
            there += zone == target
        return there < here

    def target(self, node: int) -> Zone:
        """What `has_any` is asked for: the node's zone, or 0."""
        return self._target[node]

    def has_any(self, gone: int, target: Zone) -> bool:
        """Whether any owner may go from there to that zone, but for who owns the shard there already."""
        shards = self._opened(gone, target)
        place = self._begin.get((gone, target), 0)
        while place < len(shards) and not (
            gone in shards[place].nodes and self.fits(shards[place], gone, target)
        ):
            place += 1
        self._begin[gone, target] = place
        return place < len(shards)

    def find(self, gone: int, come: int) -> Placement | None:
        """A shard that may move so; if there is any near, one whose group has no owner there yet."""
        target = self._target[come]
        if not self.has_any(gone, target):
            return None
        shards = self._opened(gone, target)
        place = max(self._seen.get((gone, come), 0), self._begin[gone, target])
        while place < len(shards) and not self.may(shards[place], gone, come):
            place += 1
        self._seen[gone, come] = place
        if place == len(shards):
            return None
        for placement in shards[place : place + _LOOK_AHEAD]:
            if not self.layout.meets_group(placement, come) and self.may(placement, gone, come):
                return placement
        return shards[place]

    def _opened(self, gone: int, target: Zone) -> list[Placement]:
        lists = self._open[gone]
        if target not in lists:
            lists[target] = [p for p in self._shards[gone] if gone in p.nodes and self.fits(p, gone, target)]
        return lists[target]

    def shift(self, placement: Placement, gone: int, come: int) -> None:
        """An owner goes elsewhere; what its shard's owners may do now is known again."""
        self.layout.shift(placement, gone, come)
        self._shards[come].append(placement)
        for node in placement.nodes:
            if self.is_movable(placement, node):
                for target, shards in self._open[node].items():
                    if self.fits(placement, node, target):
                        shards.append(placement)
