"""Planners against all that could be done, on small clusters: with zones, without, with owners that cannot move."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from etcdmeta.commands.planning import PlanDraft, decommission, rebalance, repair, replace, replication, undo
from etcdmeta.errors import InvalidInput
from etcdmeta.model.moveplans import Move, MovePlan, PlanKind, PlanState
from etcdmeta.model.owners import SERVING, NodeState
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_moves
from tests.commands.planning.brute import Small, small_clusters

if TYPE_CHECKING:
    from collections.abc import Callable

HURT = ("failed", "copying", "leaving")
JOINED = NodeState.JOINED

any_cluster = small_clusters(statuses=HURT, hurt=True)


def small(*shards: dict[int, str], zones: str, down: tuple[int, ...] = (), wanted: int = 2) -> Small:
    return Small(list(shards), zones, (JOINED,) * len(zones), frozenset(down), wanted)


def on(*nodes: int) -> dict[int, str]:
    return dict.fromkeys(nodes, "active")


# The first needs an owner that comes back to where it was, the second a chain over another node.
@example(small(on(4, 5), {1: "active", 4: "failed", 5: "active"}, zones="  bbb"))
@example(small({2: "failed", 3: "active"}, on(1, 4), zones="b ab"))
@settings(max_examples=300, deadline=None)
@given(st.one_of(small_clusters(), small_clusters(zones="aab"), any_cluster))
def test_a_rebalance_is_as_level_as_can_be_in_the_least_number_of_moves(cluster: Small) -> None:
    """Of all layouts whose shards are spread over the zones as well as they can be."""
    draft = rebalance(cluster.picture())
    layout = cluster.after(draft)
    for owners, nodes in zip(cluster.shards, layout, strict=True):
        assert nodes in cluster.choices(owners)
    assert (cluster.unevenness(layout), len(draft.moves)) == cluster.best()
    counts = {node: count for node, count in draft.after.items() if node in cluster.takers}
    assert counts == dict(zip(cluster.takers, cluster.loads(layout), strict=True))


@pytest.mark.parametrize(
    ("cluster", "loads"),
    [
        # Each shard has to have an owner in each zone: level within them.
        (small(*[on(1, 3)] * 3, on(2, 3), zones="aab"), [2, 2, 4]),
        # Over another: the first shard can go to node 3 only, from where the second one goes to node 4.
        (small(on(1, 4), on(1, 4), on(1, 2, 4), on(3), zones="    "), [2, 2, 2, 2]),
        # More owners than zones: the zone with two of a shard may give one, and stays as well spread.
        (small(on(1, 2, 3), on(1, 2, 3), zones="aabb"), [2, 1, 2, 1]),
        # Two that share a zone though another is free are parted.
        (small(on(1, 2), zones="aab"), [1, 0, 1]),
    ],
)
def test_as_level_as_labels_allow(cluster: Small, loads: list[int]) -> None:
    layout = cluster.after(rebalance(cluster.picture()))
    assert sorted(cluster.loads(layout)) == sorted(loads)
    assert [cluster.crowding(nodes) for nodes in layout] == [
        cluster.crowding(cluster.choices(owners)[0]) for owners in cluster.shards
    ]


@settings(max_examples=200, deadline=None)
@given(any_cluster, st.sets(st.integers(1, 5), min_size=1, max_size=2))
def test_a_decommission_copies_no_more_than_is_missing(cluster: Small, leaving: set[int]) -> None:
    """Only what is on the nodes goes; as many come as would be missing else, to zones that have fewest."""
    subjects = leaving & set(cluster.nodes) or {1}
    draft = decommission(cluster.picture(), sorted(subjects))
    layout, out = cluster.after(draft), {left.shard_id for left in draft.left_out}
    able = [n for n in cluster.takers if n not in subjects]
    for shard_id, (owners, before, after) in enumerate(zip(cluster.shards, cluster.now(), layout, strict=True), 1):
        going = subjects & owners.keys()
        moves = [move for move in draft.moves if move.shard_id == shard_id]
        assert {move.from_node for move in moves} <= going
        staying = [n for n, s in owners.items() if n not in subjects and s == "active" and cluster.is_up(n)]
        free = [n for n in able if n not in owners]
        missing = min(len(going), max(0, cluster.wanted - len(staying)))
        possible = min(missing, len(free)) if cluster.is_served(owners) else 0
        came = [move.to_node for move in moves if move.to_node]
        assert len(came) == possible
        assert (shard_id in out) == (missing > possible)
        if shard_id not in out:
            assert not after & subjects
        rest = before - {move.from_node for move in moves}
        best = min(cluster.crowding(rest | set(chosen)) for chosen in combinations(free, possible))
        assert cluster.crowding(after) == best


@settings(max_examples=200, deadline=None)
@given(any_cluster)
def test_replication_changes_no_more_than_the_difference(cluster: Small) -> None:
    draft = replication(cluster.picture())
    layout, out = cluster.after(draft), {left.shard_id for left in draft.left_out}
    for shard_id, (owners, before, after) in enumerate(zip(cluster.shards, cluster.now(), layout, strict=True), 1):
        free = [n for n in cluster.takers if n not in owners]
        missing = max(0, cluster.wanted - len(before))
        possible = min(missing, len(free)) if cluster.is_served(owners) else 0
        assert len(after - before) == possible
        assert len(before - after) <= max(0, len(before) - cluster.wanted)
        assert (shard_id in out) == (len(after) != cluster.wanted)
        if possible:
            best = min(cluster.crowding(before | set(chosen)) for chosen in combinations(free, possible))
            assert cluster.crowding(after) == best
        if len(before) > cluster.wanted and all(owners[n] == "active" and cluster.is_up(n) for n in before):
            kept = combinations(sorted(before), cluster.wanted)
            assert cluster.crowding(after) == min(cluster.crowding(frozenset(nodes)) for nodes in kept)


@settings(max_examples=200, deadline=None)
@given(any_cluster)
def test_a_repair_copies_no_more_than_is_lost(cluster: Small) -> None:
    draft = repair(cluster.picture(), now=0)
    layout, out = cluster.after(draft), {left.shard_id for left in draft.left_out}
    for shard_id, (owners, before, after) in enumerate(zip(cluster.shards, cluster.now(), layout, strict=True), 1):
        good = {n for n in before if owners[n] == "active" and cluster.is_up(n)}
        copying = {n for n in before if owners[n] == "copying" and cluster.is_up(n)}  # may fail yet
        mended = [move.to_node for move in draft.moves if move.shard_id == shard_id and move.to_node]
        missing = max(0, cluster.wanted - len(good))
        assert good <= after
        assert len(mended) <= missing
        if cluster.is_served(owners) and shard_id not in out:
            assert len(mended) >= cluster.wanted - len(good | copying)
        if missing and not cluster.is_served(owners):
            assert shard_id in out
            assert not mended


# --- no shard is made unavailable, and those that cannot be helped are named


PLANNERS: dict[str, Callable[[Small], PlanDraft]] = {
    "rebalance": lambda cluster: rebalance(cluster.picture()),
    "decommission": lambda cluster: decommission(cluster.picture(), [1]),
    "replace": lambda cluster: replace(cluster.picture(), 1, cluster.takers[-1]),
    "replication": lambda cluster: replication(cluster.picture()),
    "repair": lambda cluster: repair(cluster.picture(), now=0),
}


@settings(max_examples=300, deadline=None)
@given(any_cluster, st.sampled_from(sorted(PLANNERS)))
def test_no_plan_makes_a_shard_unavailable(cluster: Small, planner: str) -> None:
    """Who serves it on a node that is up stays, or another comes; nothing is copied that nobody serves."""
    assume(planner != "replace" or cluster.takers[-1:] not in ([], [1]))
    draft = PLANNERS[planner](cluster)
    left = {out.shard_id for out in draft.left_out}
    cluster.after(draft)
    for shard_id, owners in enumerate(cluster.shards, 1):
        moves = [move for move in draft.moves if move.shard_id == shard_id]
        if cluster.is_served(owners):
            going = {move.from_node for move in moves}
            stay = [n for n, s in owners.items() if s in SERVING and cluster.is_up(n) and n not in going]
            assert stay or any(move.to_node for move in moves)
        else:
            assert not any(move.to_node for move in moves)
            assert not moves or planner in {"decommission", "replace"}  # active ones on down nodes remain
            assert shard_id in left or planner not in {"rebalance", "repair"}
    assert all(out.why for out in draft.left_out)


def test_what_would_be_made_unavailable_is_named() -> None:
    """Shard 1 is served by node 1 alone, which is down; shard 2 has no node left to go to."""
    cluster = small(on(1), on(2, 3), zones="   ", down=(1,), wanted=2)
    picture = cluster.picture()
    nothing = "nobody serves it on a node that is up, so there is nothing to copy from"
    assert rebalance(picture).left_out == ((1, nothing),)
    assert decommission(picture, [1]).left_out == ((1, nothing),)
    assert replace(picture, 1, 2).left_out == ((1, nothing),)
    assert replication(picture).left_out == ((1, nothing),)
    assert repair(picture, now=0).left_out == ((1, nothing),)
    drained = decommission(picture, [2])
    assert drained.left_out == ((2, "no node is left that could take over from node 2"),)
    assert not drained.moves
    assert decommission(picture, [2, 3]).left_out == ((2, "no node is left that could take over from nodes 2, 3"),)


def test_an_undo_names_what_cannot_go_back() -> None:
    """Shard 1 went from node 1, which is down, to 2; shard 2 was given a second owner, 2, and wants it; of shard 3
    nobody is up but who came, and that one failed, at shard 3; shard 4 goes back.
    """
    shards = [on(2), on(1, 2), {1: "active", 3: "failed"}, on(3)]
    cluster = small(*shards, zones="    ", down=(1,), wanted=2)
    moves = (Move(1, 1, 2), Move(2, 0, 2), Move(3, 0, 3), Move(4, 4, 3))
    plan = MovePlan(id=1, kind=PlanKind.REBALANCE, state=PlanState.DONE, moves=len(moves), pages=1)
    draft = undo(cluster.picture((keys.plan(1), encode(plan)), (keys.plan_moves(1, 0), encode_moves(moves))), 1)
    assert draft.moves == (Move(4, 3, 4),)
    assert draft.left_out == (
        (1, "node 1, where it was, takes no shards or is down"),
        (2, "without node 2 it would have fewer owners than its policy wants"),
        (3, "node 3 failed at it: repair it, or cancel it"),
    )


@pytest.mark.parametrize(("new", "why"), [(1, "the same node"), (2, "down, or takes no shards")])
def test_who_cannot_replace_is_refused(new: int, why: str) -> None:
    cluster = small(on(1, 3), zones="   ", down=(2,))
    with pytest.raises(InvalidInput, match=f"node {new} cannot replace node 1: it is {why}"):
        replace(cluster.picture(), 1, new)
