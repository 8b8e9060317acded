"""From full nodes to empty ones, step by step or over others, until no node can give to one that has two less."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Collection

from etcdmeta.commands.planning.exchange import Exchange
from etcdmeta.commands.planning.layout import Placement, Zone


class Leveller:
    """See the module, and `etcdmeta.commands.planning.rebalancing` for why that is the most level there is."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._layout = exchange.layout

    def level(self) -> None:
        while self._directly():
            pass
        while self._over_others():
            pass

    def _directly(self) -> bool:
        """From the fullest to the emptiest that takes something of it; whether anything was moved."""
        load = self._layout.load
        fullest = [(-load[node], node) for node in self._layout.takers]
        heapq.heapify(fullest)
        moved = False
        while fullest:
            node = heapq.heappop(fullest)[1]
            for other in self._reachable(node, (), load[node] - 2):
                placement = self._exchange.find(node, other)
                if placement is not None:
                    self._exchange.shift(placement, node, other)
                    heapq.heappush(fullest, (-load[node], node))
                    moved = True
                    break
        return moved

    def _reachable(self, node: int, without: Collection[int], most: int | None = None) -> list[int]:
        """Nodes of zones that something of that node may go to, the emptiest first; with at most so many owners."""
        exchange, fits = self._exchange, dict[Zone, bool]()
        found = []
        for load, other in self._layout.ranked:
            if most is not None and load > most:
                break
            target = exchange.target(other)
            if target not in fits:
                fits[target] = exchange.has_any(node, target)
            if fits[target] and other not in without and other != node:
                found.append(other)
        return found

    def _over_others(self) -> bool:
        """By the shortest chains of steps; whether anything was moved.

        What cannot be reached from a node need not be looked at for those that it can be reached from: ``closed`` holds
        nodes that lead to none that is empty enough, and to one another only.
        """
        load, closed, moved = self._layout.load, set[int](), False
        for node in sorted(self._layout.takers, key=lambda n: (-load[n], n)):
            while node not in closed and self._relieve(node, closed):
                moved = True
        return moved

    def _relieve(self, start: int, closed: set[int]) -> bool:
        if self._layout.ranked[0][0] > self._layout.load[start] - 2:
            return False
        came: dict[int, tuple[int, Placement]] = {}
        seen, queue = {start, *closed}, deque([start])
        while queue:
            node = queue.popleft()
            for other in self._reachable(node, seen):
                placement = self._exchange.find(node, other)
                if placement is None:
                    continue
                came[other] = (node, placement)
                if self._layout.load[other] <= self._layout.load[start] - 2:
                    self._follow(start, other, came)
                    return True
                seen.add(other)
                queue.append(other)
        closed.update(seen)
        return False

    def _follow(self, start: int, end: int, came: dict[int, tuple[int, Placement]]) -> None:
        """The last step first. No step of a shortest chain spoils another, even of the same shard."""
        while end != start:
            node, placement = came[end]
            self._exchange.shift(placement, node, end)
            end = node
