"""Which stored plans have a say in a shard: shown by `shard explain`, heeded before a person takes an owner away."""

from __future__ import annotations

from typing import NamedTuple

from etcdmeta.errors import PlanConflict
from etcdmeta.model.entities import Shard
from etcdmeta.model.moveplans import Move, MovePlan, PlanState
from etcdmeta.model.moves import SETTLED, MoveState, outlook
from etcdmeta.model.snapshot import Snapshot


class PlannedMove(NamedTuple):
    """One move of a plan, with the plan that it stands in. ``blocked``: why it cannot go on now; "" where it can."""

    plan: MovePlan
    move: Move
    state: MoveState = MoveState.WAITING
    blocked: str = ""

    @property
    def is_settled(self) -> bool:
        """The plan has nothing more to do about the shard."""
        return self.state in SETTLED


def active_moves(snapshot: Snapshot, shard_id: int) -> list[PlannedMove]:
    """The moves of the shard in plans that run, are paused, or are being aborted; also those that are done."""
    found = []
    for plan in snapshot.plans():
        if plan.is_active:
            for move in snapshot.plan_moves(plan.id):
                if move.shard_id == shard_id:
                    now = outlook(snapshot, plan, move)
                    found.append(PlannedMove(plan, move, now.state, now.blocked))
    return found


def check_no_plan_wants(snapshot: Snapshot, shard_id: int, node_id: int) -> None:
    """Raises `PlanConflict` where a running plan would bring the owner back as soon as it is gone."""
    shard = snapshot.shard(shard_id)
    for plan, move, *_ in active_moves(snapshot, shard_id):
        if plan.state == PlanState.RUNNING and move.to_node == node_id and _begins_again(shard, move):
            raise PlanConflict(
                f"plan {plan.id} ({plan.kind}) brings shard {shard_id} to node {node_id}, and would begin that again",
                value=plan.id,
                rule="what a running plan is about is left to it",
                remedy=f"etcdmeta plan pause {plan.id}, or plan abort {plan.id}; or --force",
            )


def _begins_again(shard: Shard, move: Move) -> bool:
    """A move whose shard has lost both its owners is void; one that only adds an owner never is."""
    return move.from_node == 0 or shard.owner(move.from_node) is not None
