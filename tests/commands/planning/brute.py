"""All layouts that there could be of a small cluster, and the best of them: what the planners are held to."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product
from typing import TYPE_CHECKING, NamedTuple

from hypothesis import strategies as st

from etcdmeta.model.durations import HOUR, Duration
from etcdmeta.model.entities import Database, Node, RetentionPolicy, Shard, ShardGroup, ShardOwner
from etcdmeta.model.owners import SERVING, NodeState
from etcdmeta.records import keys
from tests.model.pictures import Book

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from etcdmeta.commands.planning import PlanDraft
    from etcdmeta.model.snapshot import Snapshot

Owners = dict[int, str]
Layout = list[frozenset[int]]
"""Of each shard: the nodes that own it, but for those that leave it."""


class Small(NamedTuple):
    """A cluster: shard and group i own ``shards[i - 1]``, node n is ``states[n - 1]`` and in the zone ``zones[n - 1]``,
    " " being none. ``down``: nodes that are.
    """

    shards: list[Owners]
    zones: str
    states: tuple[NodeState, ...]
    down: frozenset[int] = frozenset()
    wanted: int = 2

    @property
    def nodes(self) -> range:
        return range(1, len(self.zones) + 1)

    @property
    def takers(self) -> list[int]:
        return [n for n in self.nodes if self.states[n - 1] is NodeState.JOINED and n not in self.down]

    def picture(self, *more: tuple[bytes, bytes]) -> Snapshot:
        book = Book()
        for key, value in more:
            book.put(key, value)
        book.put(keys.database_info(1), Database(id=1, name="d"))
        policy = RetentionPolicy(
            id=1, database_id=1, name="p", replicas=self.wanted, duration=Duration(0), group_duration=Duration(HOUR)
        )
        book.put(keys.policy_info(1, 1), policy)
        for n in self.nodes:
            zone = self.zones[n - 1].strip()
            labels = {"zone": zone} if zone else {}
            state, down = self.states[n - 1], n in self.down
            book.put(keys.node(n), Node(id=n, host=f"h{n}:1", labels=labels, state=state, reports_liveness=down))
        for i, owners in enumerate(self.shards, 1):
            made = tuple(ShardOwner(node_id=n, status=status) for n, status in owners.items())
            start = i * HOUR
            group = ShardGroup(
                id=i, database_id=1, policy_id=1, start=start, end=start + HOUR, shards=(Shard(id=i, owners=made),)
            )
            book.put(keys.group(1, 1, start, i), group)
        return book.load()

    def is_up(self, node: int) -> bool:
        return node not in self.down and self.states[node - 1] is not NodeState.REMOVED

    def is_served(self, owners: Owners) -> bool:
        return any(status in SERVING and self.is_up(node) for node, status in owners.items())

    def now(self) -> Layout:
        return [frozenset(n for n, status in owners.items() if status != "leaving") for owners in self.shards]

    def choices(self, owners: Owners) -> list[frozenset[int]]:
        """Where the owners of one shard could be, each zone having as even a share as there can be."""
        here = {n for n, status in owners.items() if status != "leaving"}
        free = {n for n in here if owners[n] == "active" and n in self.takers} if self.is_served(owners) else set()
        able = [n for n in self.takers if n in free or n not in owners]
        every = [frozenset((here - free) | set(chosen)) for chosen in combinations(able, len(free))]
        least = min(map(self.crowding, every))
        return [nodes for nodes in every if self.crowding(nodes) == least]

    def crowding(self, nodes: frozenset[int]) -> int:
        """The sum of the squares of the owners per zone; a node without a label, or that is gone, is one of its own."""
        gone = NodeState.REMOVED
        counts = Counter(n if self.states[n - 1] is gone else self.zones[n - 1].strip() or n for n in nodes)
        return sum(count * count for count in counts.values())

    def loads(self, layout: Sequence[frozenset[int]]) -> list[int]:
        """Of the nodes that take shards."""
        counts = Counter(n for nodes in layout for n in nodes)
        return [counts[n] for n in self.takers]

    def unevenness(self, layout: Sequence[frozenset[int]]) -> int:
        return sum(load * load for load in self.loads(layout))

    def best(self) -> tuple[int, int]:
        """The least unevenness, and the least number of moves that it can be had for."""
        return min((self.unevenness(layout), self.distance(layout)) for layout in self.layouts())

    def layouts(self) -> Iterator[tuple[frozenset[int], ...]]:
        return product(*map(self.choices, self.shards))

    def distance(self, layout: Sequence[frozenset[int]]) -> int:
        return sum(len(new - old) for old, new in zip(self.now(), layout, strict=True))

    def after(self, draft: PlanDraft) -> Layout:
        """When all moves are done. Each of them has to make sense."""
        left = [set(nodes) for nodes in self.now()]
        for move in draft.moves:
            nodes, owners = left[move.shard_id - 1], self.shards[move.shard_id - 1]
            if move.from_node:
                assert move.from_node in nodes or owners[move.from_node] == "leaving"
                nodes.discard(move.from_node)
            if move.to_node:
                in_place = owners.get(move.to_node) == "failed" and not move.from_node
                assert in_place or move.to_node not in nodes | owners.keys()
                assert move.to_node in self.takers
                nodes.add(move.to_node)
        return [frozenset(nodes) for nodes in left]


@st.composite
def small_clusters(
    draw: st.DrawFn, *, zones: str = " ab", statuses: Sequence[str] = ("active",), hurt: bool = False
) -> Small:
    """``hurt``: nodes may be down, draining or removed. Most owners are active all the same."""
    nodes = draw(st.integers(2, 5))
    some = st.sets(st.integers(1, nodes), min_size=1, max_size=min(3, nodes))
    status = st.sampled_from(("active",) * 3 + tuple(statuses))
    shards = [{n: draw(status) for n in sorted(s)} for s in draw(st.lists(some, max_size=4))]
    states = [NodeState.JOINED] * 4 + ([NodeState.DRAINING, NodeState.REMOVED] if hurt else [])
    return Small(
        shards,
        "".join(draw(st.lists(st.sampled_from(zones), min_size=nodes, max_size=nodes))),
        tuple(draw(st.lists(st.sampled_from(states), min_size=nodes, max_size=nodes))),
        draw(st.frozensets(st.integers(1, nodes), max_size=1)) if hurt else frozenset(),
        draw(st.integers(1, 3)),
    )
