"""Levelling owners over nodes, in as few moves as there can be.

First each shard is spread, in the fewest moves: while one zone has two owners more than another that could take one,
one goes there. The zones' share of a shard is as even then as it can be, and stays so.

Then loads are levelled. Let a step be that an owner goes from u to v, where `Exchange` allows it. Layouts that are
spread so are the bases of a matroid for each shard (counts per zone within bounds, some owners fixed), and a layout is
a sum of these, so that the least sum of squares of the loads is reached when no chain of steps leads from a node to
one that has two less (M-convex functions: a local optimum is a global one). All layouts that are so level have the same
loads, but for which node has which. Where each owner can go everywhere, that is a difference of at most one; where
zones, or owners that stay, do not allow it, it is as level as they do.

The number of moves is that of owners on nodes that they were not on before. Every move takes one away from one node,
so that at least the sum of what the fullest nodes, in order, have above the fullest of a level layout is needed; mostly
that is reached. Where it is not, moves are saved as long as a cycle of steps, some of them back to where owners were,
saves one; with none left it is the least number (no negative cycle, as in flows of least cost). How many cycles are
looked for is bounded: by some tens where hundreds of nodes, or ten thousands of moves, are concerned
(`etcdmeta.commands.planning.saving`).
"""

from __future__ import annotations

from etcdmeta.commands.planning.draft import PlanDraft
from etcdmeta.commands.planning.exchange import Exchange
from etcdmeta.commands.planning.layout import ZONE_LABEL, Layout, Placement
from etcdmeta.commands.planning.levelling import Leveller
from etcdmeta.commands.planning.saving import save_moves
from etcdmeta.model.moveplans import PlanKind
from etcdmeta.model.snapshot import Snapshot


def rebalance(snapshot: Snapshot, *, zone_label: str = ZONE_LABEL) -> PlanDraft:
    """Levels the owners of the nodes that take shards and are not known to be down; what other nodes own stays.

    What plans at work move is left to them, and counts as done. Owners that copy, leave or have failed stay where they
    are.
    """
    layout = Layout(snapshot, zone_label)
    able = _able(layout)
    before = sorted((layout.load[node] for node in layout.takers), reverse=True)
    exchange = Exchange(layout, able)
    _spread(exchange, able)
    Leveller(exchange).level()
    after = sorted((layout.load[node] for node in layout.takers), reverse=True)
    least = sum(max(0, was - now) for was, now in zip(before, after, strict=True))
    save_moves(exchange, able, least)
    for placement in able:
        _note_moves(layout, placement)
    return layout.draft(PlanKind.REBALANCE)


def _able(layout: Layout) -> list[Placement]:
    """The shards that moves may be planned for."""
    able = []
    for placement in layout.placements.values():
        if not layout.workable(placement):
            continue
        if layout.has_source(placement):
            able.append(placement)
        else:
            layout.leave_out(placement, "nobody serves it on a node that is up, so there is nothing to copy from")
    return able


def _spread(exchange: Exchange, able: list[Placement]) -> None:
    """Parts the owners of a shard that share a zone more than they have to."""
    layout = exchange.layout
    if all(isinstance(layout.zones[node], int) for node in layout.takers):
        return  # each node is a zone of its own
    for placement in able:
        if len(layout.zone_counts(placement)) < len(placement.nodes):
            while _part(exchange, placement):
                pass


def _part(exchange: Exchange, placement: Placement) -> bool:
    """One owner to the zone that has fewest, from the one that has most, of those that can take and give one."""
    layout, zones = exchange.layout, exchange.layout.zone_counts(placement)
    movable = [node for node in placement.nodes if exchange.is_movable(placement, node)]
    come = layout.choose_target(placement)
    if not movable or come is None:
        return False
    gone = layout.choose_leaver(placement, movable)
    if zones[layout.zone(gone)] < zones[layout.zone(come)] + 2:
        return False
    exchange.shift(placement, gone, come)
    return True


def _note_moves(layout: Layout, placement: Placement) -> None:
    """Who goes and who comes, in pairs, of the same zone first."""
    home = placement.home
    if placement.nodes == home:
        return
    gone, come = sorted(home - placement.nodes), sorted(placement.nodes - home)
    pairs: dict[int, int] = {}
    for node in gone:
        near = next((other for other in come if layout.zone(other) == layout.zone(node)), None)
        if near is not None:
            pairs[node] = near
            come.remove(near)
    for node in gone:
        layout.note_move(placement, node, pairs[node] if node in pairs else come.pop(0))
