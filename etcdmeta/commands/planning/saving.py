"""The same loads in fewer moves: cycles of steps that bring owners back to where they were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise
from typing import NamedTuple

from etcdmeta.commands.planning.exchange import Exchange
from etcdmeta.commands.planning.layout import Placement, Zone

_LONG = 1 << 20
"""What a move counts in the length of a path; a step counts one, so that of equally cheap ones the shorter is taken."""
_WORK = 1_000_000
"""Pairs of nodes, and shards that move, that are looked at in all: 200 nodes with 15,000 moves get 18 cycles, of a
third of a second each; 20 nodes with a hundred moves get 2,000.
"""


class _Arc(NamedTuple):
    """A step, and how many moves it makes: one where an owner leaves its old place, one less where it comes back to
    it. ``placement`` None: no step, but two nodes that change their loads.
    """

    moves: int
    placement: Placement | None


_Arcs = dict[int, dict[int, _Arc]]


def save_moves(exchange: Exchange, placements: Iterable[Placement], least: int) -> None:
    """Until ``least`` moves are made, which there cannot be fewer of, or no cycle saves one."""
    moved = {p.shard_id: p for p in placements if p.nodes != p.home}
    rounds = max(1, _WORK // (len(exchange.takers) ** 2 + len(moved) + 1))
    while rounds and sum(len(p.nodes - p.home) for p in moved.values()) > least:
        arcs = _steps(exchange, moved.values())
        cycle = _find_cycle(exchange, arcs)
        if not cycle:
            return
        for gone, come in pairwise(cycle):
            placement = arcs[gone][come].placement
            if placement is not None:
                exchange.shift(placement, gone, come)
                moved[placement.shard_id] = placement
        rounds -= 1


def _steps(exchange: Exchange, moved: Iterable[Placement]) -> _Arcs:
    """The cheapest step between each two nodes."""
    takers = exchange.layout.takers
    arcs: _Arcs = {node: {} for node in takers}
    dear: dict[int, defaultdict[Zone, set[int]]] = {node: defaultdict(set) for node in takers}
    for gone in takers:
        for come in takers:
            placement = exchange.find(gone, come) if gone != come else None
            if placement is not None:
                arcs[gone][come] = _arc(placement, gone, come)
            if gone != come and (placement is None or arcs[gone][come].moves > 0):
                dear[gone][exchange.target(come)].add(come)
    for placement in moved:
        home = placement.home
        left = [node for node in home - placement.nodes if node in exchange.takers]
        for gone in placement.nodes:
            if not exchange.is_movable(placement, gone):
                continue
            ways = list(left)
            if gone not in home:  # it goes anywhere for nothing, which is news only where that cost a move so far
                ways += [n for target, nodes in dear[gone].items() if nodes and exchange.fits(placement, gone, target)
                         for n in nodes]  # fmt: skip
            for come in ways:
                arc = _arc(placement, gone, come)
                if (come not in arcs[gone] or arc.moves < arcs[gone][come].moves) and exchange.may(
                    placement, gone, come
                ):
                    arcs[gone][come] = arc
                    dear[gone][exchange.target(come)].discard(come)
    return arcs


def _arc(placement: Placement, gone: int, come: int) -> _Arc:
    home = placement.home
    return _Arc((gone in home) - (come in home), placement)


def _find_cycle(exchange: Exchange, arcs: _Arcs) -> list[int]:
    """A closed way over the nodes that makes fewer than no moves, by Bellman and Ford; empty: there is none."""
    load = exchange.layout.load
    for full in arcs:
        for empty in arcs:
            # A chain from the one to the other changes their loads only.
            if load[full] == load[empty] + 1 and arcs[empty].get(full, _Arc(1, None)).moves > 0:
                arcs[empty][full] = _Arc(0, None)
    length = dict.fromkeys(arcs, 0)
    before: dict[int, int] = {}
    for _ in arcs:
        changed = False
        for node, ways in arcs.items():
            for other, arc in ways.items():
                new = length[node] + arc.moves * _LONG + 1
                if new < length[other]:
                    length[other], before[other], changed = new, node, True
        if not changed:
            return []
        cycle = _closed_way(before)
        if cycle:
            return cycle
    return []


def _closed_way(before: dict[int, int]) -> list[int]:
    """What the steps back from some node come round to; empty: they end everywhere."""
    done: set[int] = set()
    for start in before:
        way: dict[int, None] = {}
        node = start
        while node in before and node not in done and node not in way:
            way[node] = None
            node = before[node]
        if node in way:
            back = list(way)
            back = back[back.index(node) :]
            return [node, *reversed(back)]
        done.update(way)
    return []
