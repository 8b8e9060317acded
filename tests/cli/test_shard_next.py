"""What `shard explain` says to type, and when a running plan stands in the way of taking an owner away."""

from __future__ import annotations

import pytest

from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_next import next_commands
from etcdmeta.cli.shard_past import Past
from etcdmeta.cli.shard_plans import PlannedMove, active_moves, check_no_plan_wants
from etcdmeta.cli.shard_story import explain
from etcdmeta.cli.shard_view import status_view
from etcdmeta.errors import PlanConflict
from etcdmeta.model.entities import ShardOwner
from etcdmeta.model.moveplans import Move, MovePlan, PlanKind, PlanState
from etcdmeta.model.moves import MoveState
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode_moves
from tests.cli.pictures import NOW, PICTURE, Scene, owner


def scene(*owners: ShardOwner, down: int = 0, gone: int = 0, silent: int = 0) -> Scene:
    """Shard 1, which wants two owners, on nodes 1 to 4; ``silent`` never reported."""
    made = Scene()
    for node_id in range(1, 5):
        live = None if node_id == silent else node_id not in (down, gone)
        made.node(node_id, live=live, state="removed" if node_id == gone else "joined")
    made.policy("db", "p", replicas=2)
    made.group(1, ("db", "p"), "2026-11-23", {1: owners})
    return made


def commands(made: Scene, *plans: PlannedMove) -> tuple[str, ...]:
    snapshot = made.snapshot()
    (status,) = status_view(snapshot, PICTURE, ShardFilter(), now=NOW).statuses
    nodes = {node.id: node for node in snapshot.nodes(include_removed=True)}
    return tuple(command.removeprefix("etcdmeta ") for command in next_commands(status, nodes, plans))


def copying(source: int) -> ShardOwner:
    return owner(2, "copying", source=source, attempt=1)


WAIT = "shard wait 1 --for ok"
REPAIR = "shard repair 1"
TABLE = {
    "ok": (scene(owner(1), owner(2)), ()),
    "failed": (scene(owner(1), owner(2, "failed")), (REPAIR, "shard copy 1 --from 1 --to 2")),
    "failed, and its node is down": (
        scene(owner(1), owner(2, "failed"), down=2),
        (REPAIR, "node show 2", "shard copy 1 --from 1 --to NODE"),
    ),
    "down": (scene(owner(1), owner(2), down=2), (REPAIR, "node show 2", "shard copy 1 --from 1 --to NODE")),
    "gone": (scene(owner(1), owner(2), gone=2), (REPAIR, "shard copy 1 --from 1 --to NODE")),
    "gone, enough others": (scene(owner(1), owner(2), owner(3), gone=2), (REPAIR, "shard remove-owner 1 2")),
    "leaving, and a node is down": (
        scene(owner(1), owner(2, "leaving"), owner(3), down=2),
        ("node show 2",),
    ),
    "all failed, on nodes that are well": (
        scene(owner(1, "failed"), owner(2, "failed")),
        ("shard timeline 1", "node show 1", "node show 2"),
    ),
    "nobody owns it": (scene(), ("shard timeline 1",)),
    "copies": (scene(owner(1), copying(1)), (WAIT,)),
    "copies, and is ok already": (scene(owner(1), owner(3), copying(1)), ("shard wait 1 --for active",)),
    "copies from who is down": (
        scene(owner(1), owner(3), copying(3), down=3),
        (
            REPAIR,
            "node show 3",
            "shard copy 1 --from 1 --to NODE",
            "shard cancel 1 2",
            "shard copy 1 --from 1 --to 2",
            WAIT,
        ),
    ),
    "too few": (scene(owner(1)), (REPAIR, "shard copy 1 --from 1 --to NODE")),
    "too many": (scene(owner(1), owner(2), owner(3)), ("shard remove-owner 1 3",)),
    "lost": (scene(owner(1, "failed"), owner(2), down=2), ("node show 2",)),
}


@pytest.mark.parametrize("case", TABLE)
def test_what_to_type(case: str) -> None:
    made, wanted = TABLE[case]
    assert commands(made) == wanted


@pytest.mark.parametrize(("silent", "said"), [(0, False), (1, False), (2, True)])
def test_a_copy_to_a_node_that_never_reported_may_wait_for_ever(silent: int, said: bool) -> None:
    snapshot = scene(owner(1), copying(1), silent=silent).snapshot()
    (status,) = status_view(snapshot, PICTURE, ShardFilter(), now=NOW).statuses
    story = explain(status, Past(()), {node.id: node for node in snapshot.nodes()}, (), NOW)
    (waits,) = (each.waits for each in story.owners if each.node_id == 2)
    assert any("never reported: perhaps nothing runs there" in sentence for sentence in waits) is said


def plan(state: PlanState) -> MovePlan:
    return MovePlan(id=3, kind=PlanKind.REBALANCE, state=state, moves=1, pages=1)


@pytest.mark.parametrize(("state", "first"), [(PlanState.PAUSED, "plan apply 3"), (PlanState.RUNNING, "plan show 3")])
def test_a_plan_is_named(state: PlanState, first: str) -> None:
    assert commands(scene(owner(1), copying(1)), PlannedMove(plan(state), Move(1, 1, 2))) == (first, WAIT)


def test_what_a_plan_moves_is_not_repaired_besides() -> None:
    made, wanted = TABLE["failed"]
    assert wanted[0] == REPAIR
    assert REPAIR not in commands(made, PlannedMove(plan(PlanState.RUNNING), Move(1, 2, 3)))


def test_where_a_plan_is_done_with_a_shard_it_is_repaired_as_any_other() -> None:
    made, wanted = TABLE["failed"]
    assert commands(made, PlannedMove(plan(PlanState.RUNNING), Move(1, 2, 3), MoveState.DONE)) == wanted


def planned(move: Move, state: PlanState, *owners: ShardOwner) -> Scene:
    made = scene(*owners)
    made.put(keys.plan(3), plan(state))
    made.raw(keys.plan_moves(3, 0), encode_moves([Move(9, 1, 2), move]))
    return made


@pytest.mark.parametrize(
    ("move", "state", "refused"),
    [
        (Move(1, 1, 2), PlanState.RUNNING, True),
        (Move(1, 0, 2), PlanState.RUNNING, True),
        (Move(1, 1, 2), PlanState.PAUSED, False),
        (Move(1, 1, 2), PlanState.ABORTING, False),
        (Move(1, 1, 2), PlanState.DONE, False),
        (Move(1, 1, 3), PlanState.RUNNING, False),  # to another node
        (Move(1, 4, 2), PlanState.RUNNING, False),  # who was to go is gone: the move is void without its target
        (Move(1, 2, 0), PlanState.RUNNING, False),  # the plan wants it away, too
    ],
)
def test_a_running_plan_keeps_its_owners(move: Move, state: PlanState, refused: bool) -> None:
    snapshot = planned(move, state, owner(1), copying(1)).snapshot()
    if not refused:
        check_no_plan_wants(snapshot, 1, 2)
        return
    with pytest.raises(PlanConflict, match=r"plan 3 .*rebalance.* brings shard 1 to node 2") as caught:
        check_no_plan_wants(snapshot, 1, 2)
    assert "etcdmeta plan pause 3" in str(caught.value.remedy)


def test_only_active_plans_have_a_say() -> None:
    made = planned(Move(1, 1, 2), PlanState.RUNNING, owner(1), owner(3))
    assert [each.move for each in active_moves(made.snapshot(), 1)] == [Move(1, 1, 2)]
    assert active_moves(planned(Move(1, 1, 2), PlanState.PROPOSED, owner(1)).snapshot(), 1) == []
