"""What each kind of plan does, by example; `test_bounds` has what they are held to."""

from __future__ import annotations

from etcdmeta.commands.planning import decommission, repair, replace, replication
from etcdmeta.model.moveplans import Move
from etcdmeta.model.owners import NodeState
from tests.commands.planning.brute import Owners, Small


def small(shards: list[Owners], nodes: int, *, zones: str = "", down: tuple[int, ...] = ()) -> Small:
    return Small(shards, zones or " " * nodes, (NodeState.JOINED,) * nodes, frozenset(down))


def test_a_drained_node_owns_nothing() -> None:
    shards = [{1: "active", 2: "active"}, {1: "active", 3: "active"}, {1: "active", 2: "active", 3: "active"}]
    cluster = small(shards, 4)
    draft = decommission(cluster.picture(), [1], remove=True)
    assert all(1 not in owners and len(owners) == 2 for owners in cluster.after(draft))
    assert draft.moves[2] == Move(3, 1, 0)
    assert draft.remove_subjects
    assert draft.subjects == (1,)


def test_what_is_more_than_wanted_goes_though_nobody_can_take_over() -> None:
    """All but one are drained: of three owners two stay, of one that failed nothing."""
    shards = [{1: "active", 2: "active", 3: "active"}, {1: "failed", 2: "active", 3: "active"}]
    draft = decommission(small(shards, 3).picture(), [1, 2])
    assert draft.moves == (Move(1, 1, 0), Move(2, 1, 0))
    why = "no node is left that could take over from node 2"
    assert [(left.shard_id, left.why) for left in draft.left_out] == [(1, why), (2, why)]


def test_a_dead_node_is_replaced_and_what_it_alone_had_is_named() -> None:
    shards = [{1: "active", 2: "active"}, {1: "active"}, {1: "copying", 2: "active", 3: "active"}]
    draft = replace(small(shards, 4, down=(1,)).picture(), 1, 4)
    assert draft.moves == (Move(1, 1, 4), Move(3, 1, 0))
    assert [left.shard_id for left in draft.left_out] == [2]


def test_replication_follows_the_policy_up_and_down() -> None:
    shards = [{1: "active"}, {1: "active", 2: "active", 3: "active"}]
    draft = replication(small(shards, 3, zones="aab").picture())
    assert draft.moves[0] == Move(1, 0, 3)
    assert draft.moves[1].from_node in {1, 2}
    assert draft.moves[1].to_node == 0


def test_repair_copies_again_in_place_or_elsewhere() -> None:
    shards = [{1: "active", 2: "failed"}, {1: "active", 3: "active"}, {1: "active"}, {3: "active"}]
    draft = repair(small(shards, 4, down=(3,)).picture(), now=0)
    assert draft.moves[:2] == (Move(1, 0, 2), Move(2, 3, 4))
    assert draft.moves[2].from_node == 0
    assert [left.shard_id for left in draft.left_out] == [4]
