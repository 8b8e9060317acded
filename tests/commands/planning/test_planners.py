"""Planners on small clusters: the least number of moves by brute force, and what each kind of plan does."""

from __future__ import annotations

from collections import Counter
from itertools import combinations, product

from hypothesis import given, settings
from hypothesis import strategies as st

from etcdmeta.commands.planning import PlanDraft, decommission, rebalance, repair, replace, replication
from etcdmeta.model.durations import HOUR, Duration
from etcdmeta.model.entities import Database, Node, RetentionPolicy, Shard, ShardGroup, ShardOwner
from etcdmeta.model.moveplans import Move
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from tests.model.pictures import Book

Owners = dict[int, str]


def picture(
    shards: list[Owners], nodes: int, *, zones: str = "", down: tuple[int, ...] = (), wanted: int = 2
) -> Snapshot:
    """Shard and group i own ``shards[i - 1]``; node n is in the zone ``zones[n - 1]``."""
    book = Book()
    book.put(keys.database_info(1), Database(id=1, name="d"))
    policy = RetentionPolicy(
        id=1, database_id=1, name="p", replicas=wanted, duration=Duration(0), group_duration=Duration(HOUR)
    )
    book.put(keys.policy_info(1, 1), policy)
    for n in range(1, nodes + 1):
        labels = {"zone": zones[n - 1]} if zones else {}
        book.put(keys.node(n), Node(id=n, host=f"h{n}:1", labels=labels, reports_liveness=n in down))
    for i, owners in enumerate(shards, 1):
        made = tuple(ShardOwner(node_id=n, status=status) for n, status in owners.items())
        start = i * HOUR
        group = ShardGroup(
            id=i, database_id=1, policy_id=1, start=start, end=start + HOUR, shards=(Shard(id=i, owners=made),)
        )
        book.put(keys.group(1, 1, start, i), group)
    return book.load()


def after(shards: list[Owners], draft: PlanDraft) -> list[set[int]]:
    """The owners when all moves are done. Each step has to make sense."""
    left = [set(owners) for owners in shards]
    for move in draft.moves:
        owners = left[move.shard_id - 1]
        if move.from_node:
            owners.remove(move.from_node)
        if move.to_node:
            assert move.to_node not in owners
            owners.add(move.to_node)
    return left


def loads(layout: list[set[int]], nodes: int) -> list[int]:
    counts = Counter(node for owners in layout for node in owners)
    return [counts[n] for n in range(1, nodes + 1)]


@st.composite
def clusters(draw: st.DrawFn) -> tuple[int, list[Owners]]:
    nodes = draw(st.integers(2, 4))
    some = st.sets(st.integers(1, nodes), min_size=1, max_size=nodes)
    return nodes, [dict.fromkeys(sorted(s), "active") for s in draw(st.lists(some, max_size=5))]


@settings(max_examples=60, deadline=None)
@given(clusters())
def test_a_rebalance_is_level_in_the_least_number_of_moves(cluster: tuple[int, list[Owners]]) -> None:
    nodes, shards = cluster
    draft = rebalance(picture(shards, nodes))
    layout = after(shards, draft)
    assert max(loads(layout, nodes)) - min(loads(layout, nodes)) <= 1
    choices = [[set(c) for c in combinations(range(1, nodes + 1), len(s))] for s in shards]
    least = min(
        sum(len(set(old) - new) for old, new in zip(shards, every, strict=True))
        for every in product(*choices)
        if max(loads(list(every), nodes)) - min(loads(list(every), nodes)) <= 1
    )
    assert len(draft.moves) == least
    assert list(draft.after.values()) == loads(layout, nodes)


@settings(max_examples=60, deadline=None)
@given(clusters())
def test_a_rebalance_never_worsens_the_spread_over_zones(cluster: tuple[int, list[Owners]]) -> None:
    nodes, shards = cluster
    zones = "aabb"[:nodes]
    layout = after(shards, rebalance(picture(shards, nodes, zones=zones)))
    there = len(set(zones))
    for old, new in zip(shards, layout, strict=True):
        assert len(old) == len(new)
        assert len({zones[n - 1] for n in new}) == min(there, len(new))


def test_a_drained_node_owns_nothing() -> None:
    shards = [{1: "active", 2: "active"}, {1: "active", 3: "active"}, {1: "active", 2: "active", 3: "active"}]
    draft = decommission(picture(shards, 4), [1], remove=True)
    assert all(1 not in owners and len(owners) == 2 for owners in after(shards, draft))
    assert draft.moves[2] == Move(3, 1, 0)
    assert draft.remove_subjects
    assert draft.subjects == (1,)


def test_a_dead_node_is_replaced_and_what_it_alone_had_is_named() -> None:
    shards = [{1: "active", 2: "active"}, {1: "active"}, {1: "copying", 2: "active", 3: "active"}]
    draft = replace(picture(shards, 4, down=(1,)), 1, 4)
    assert draft.moves == (Move(1, 1, 4), Move(3, 1, 0))
    assert [left.shard_id for left in draft.left_out] == [2]


def test_replication_follows_the_policy_up_and_down() -> None:
    shards = [{1: "active"}, {1: "active", 2: "active", 3: "active"}]
    draft = replication(picture(shards, 3, zones="aab"))
    assert draft.moves[0] == Move(1, 0, 3)
    assert draft.moves[1].from_node in {1, 2}
    assert draft.moves[1].to_node == 0


def test_repair_copies_again_in_place_or_elsewhere() -> None:
    shards = [{1: "active", 2: "failed"}, {1: "active", 3: "active"}, {1: "active"}, {3: "active"}]
    draft = repair(picture(shards, 4, down=(3,)), now=0)
    assert draft.moves[:2] == (Move(1, 0, 2), Move(2, 3, 4))
    assert draft.moves[2].from_node == 0
    assert [left.shard_id for left in draft.left_out] == [4]
