"""A plan beside others: what those at work will have done is done, what is only proposed is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etcdmeta.commands.planning import decommission, rebalance, repair, replication
from etcdmeta.model.moveplans import Move, MovePlan, PlanKind, PlanState
from etcdmeta.model.owners import NodeState
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode, encode_moves
from tests.commands.planning.brute import Owners, Small, small_clusters

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etcdmeta.model.snapshot import Snapshot

STAGES = ("waiting", "copying", "failed", "copied", "leaving", "done")


def on(*nodes: int) -> Owners:
    return dict.fromkeys(nodes, "active")


def small(*shards: Owners, nodes: int, wanted: int = 2) -> Small:
    return Small(list(shards), " " * nodes, (NodeState.JOINED,) * nodes, wanted=wanted)


def beside(cluster: Small, moves: Sequence[Move], state: PlanState = PlanState.RUNNING) -> Snapshot:
    """The picture with plan 1, which is so far."""
    plan = MovePlan(id=1, kind=PlanKind.REBALANCE, state=state, moves=len(moves), pages=1)
    return cluster.picture((keys.plan(1), encode(plan)), (keys.plan_moves(1, 0), encode_moves(moves)))


def at_stage(owners: Owners, move: Move, stage: str) -> Owners:
    """The owners of the move's shard when it is so far."""
    gone: Owners = {move.from_node: "leaving" if stage == "leaving" else owners[move.from_node]}
    come = {"copying": "copying", "failed": "failed"}.get(stage, "active")
    new = owners | ({} if stage == "waiting" else {move.to_node: come})
    return {n: s for n, s in (new | gone).items() if stage != "done" or n != move.from_node}


@settings(max_examples=200, deadline=None)
@given(
    st.one_of(small_clusters(), small_clusters(zones="aab")),
    st.sampled_from([PlanState.RUNNING, PlanState.PAUSED]),
    st.data(),
)
def test_a_second_rebalance_finds_nothing_to_do_however_far_the_first_one_is(
    cluster: Small, state: PlanState, data: st.DataObject
) -> None:
    first = rebalance(cluster.picture())
    shards = list(cluster.shards)
    for move in first.moves:
        stage = data.draw(st.sampled_from(STAGES))
        shards[move.shard_id - 1] = at_stage(shards[move.shard_id - 1], move, stage)
    second = rebalance(beside(cluster._replace(shards=shards), first.moves, state))
    assert second.moves == ()
    assert second.before == second.after
    nodes = {*first.after, *second.after}
    assert [second.after.get(n, 0) for n in nodes] == [first.after.get(n, 0) for n in nodes]


def test_what_others_bring_and_take_is_in_the_balance() -> None:
    """Plan 1 empties node 1 onto node 3: a rebalance gives node 3 nothing more, and node 1 gets what is missing there.
    """
    cluster = small(*[on(1)] * 4, *[on(2)] * 4, nodes=3, wanted=1)
    moves = [Move(shard, 1, 3) for shard in (1, 2, 3, 4)]
    draft = rebalance(beside(cluster, moves))
    assert draft.before == {1: 0, 2: 4, 3: 4}
    assert draft.after == {1: 2, 2: 2, 3: 4}
    assert [move[1:3] for move in draft.moves] == [(2, 1)] * 2
    assert draft.at_work == (1,)
    drained = decommission(beside(cluster, moves), [2])
    assert drained.after == {1: 4, 2: 0, 3: 4}
    assert {move.to_node for move in drained.moves} == {1}


def test_owners_that_others_bring_are_left_to_them() -> None:
    cluster = small(on(1), on(1), nodes=3)
    for draft in (replication(beside(cluster, [Move(1, 0, 2)])), repair(beside(cluster, [Move(1, 0, 2)]), now=0)):
        assert draft.moves == (Move(2, 0, 3),)
        assert draft.left_out == ((1, "plan 1, which is active, moves it"),)


@pytest.mark.parametrize(
    ("owners", "after"),
    [
        (on(1), {1: 1, 2: 0}),  # nothing has begun, and nothing will
        ({1: "active", 2: "copying"}, {1: 1, 2: 0}),  # is cancelled
        ({1: "active", 2: "failed"}, {1: 1, 2: 0}),
        ({1: "active", 2: "active"}, {1: 0, 2: 1}),  # takes over
        ({1: "leaving", 2: "active"}, {1: 0, 2: 1}),
    ],
)
def test_of_a_plan_that_is_aborted_counts_what_it_leaves(owners: Owners, after: dict[int, int]) -> None:
    cluster = small(owners, nodes=2, wanted=1)
    draft = repair(beside(cluster, [Move(1, 1, 2)], PlanState.ABORTING), now=0)
    assert (draft.moves, draft.before) == ((), after)


def test_who_leaves_for_nobody_stays_after_an_abort() -> None:
    cluster = small({1: "active", 2: "leaving"}, nodes=2, wanted=1)
    assert rebalance(beside(cluster, [Move(1, 2, 0)])).before == {1: 1, 2: 0}
    assert rebalance(beside(cluster, [Move(1, 2, 0)], PlanState.ABORTING)).before == {1: 1, 2: 1}


def test_a_proposal_is_named_and_not_reckoned_with() -> None:
    cluster = small(*[on(1)] * 4, nodes=2, wanted=1)
    first = rebalance(cluster.picture())
    second = rebalance(beside(cluster, first.moves, PlanState.PROPOSED))
    assert (second.moves, second.before, second.after) == (first.moves, first.before, first.after)
    assert (second.at_work, second.proposed) == ((), (1,))
    for state in (PlanState.DRAFTING, PlanState.ABORTED, PlanState.DONE):
        draft = rebalance(beside(cluster, first.moves, state))
        assert (draft.at_work, draft.proposed) == ((), ())
