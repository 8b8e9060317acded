"""What plans at work hold and will have changed: what a planner leaves alone, and reckons with.

A plan that runs or is paused counts as carried out: whom its moves bring owns the shard, whom they take away does not.
Of one that is being aborted counts what its settling will leave. So a second rebalance finds nothing to do that the
first one is doing.

A plan that is only proposed does not count: nothing of it may ever come about, and an operator who looks at two
proposals to choose one wants each to be complete. They are named, so that nobody who starts both is surprised.
"""

from __future__ import annotations

from collections import defaultdict
from typing import NamedTuple

from etcdmeta.model.moveplans import MovePlan, PlanState
from etcdmeta.model.moves import SETTLED, MoveState, Step, outlook
from etcdmeta.model.snapshot import Snapshot


class Change(NamedTuple):
    """Who will own a shard no more, and who will; 0: nobody."""

    gone: int
    come: int


class UnderWay:
    """``busy``: the shards that plans at work have unsettled moves for, and why they are left alone. ``changes``: of
    those shards, what will come of it. ``at_work``: the plans that are reckoned with; ``proposed``: those that are not.
    """

    __slots__ = ("at_work", "busy", "changes", "proposed")

    def __init__(self, snapshot: Snapshot) -> None:
        self.busy: dict[int, str] = {}
        self.changes: defaultdict[int, list[Change]] = defaultdict(list)
        at_work, proposed = [], []
        for plan in snapshot.plans():
            if plan.is_active and self._read(snapshot, plan):
                at_work.append(plan.id)
            elif plan.state == PlanState.PROPOSED and plan.moves:
                proposed.append(plan.id)
        self.at_work, self.proposed = tuple(at_work), tuple(proposed)

    def _read(self, snapshot: Snapshot, plan: MovePlan) -> bool:
        """Whether anything of it is not settled."""
        found = False
        for move in snapshot.plan_moves(plan.id):
            state, step, _ = outlook(snapshot, plan, move)
            if state in SETTLED:
                continue
            found = True
            self.busy.setdefault(move.shard_id, f"plan {plan.id}, which is active, moves it")
            if plan.state != PlanState.ABORTING:
                self.changes[move.shard_id].append(Change(move.from_node, move.to_node))
            elif (change := _settled(state, step, move.from_node, move.to_node)) is not None:
                self.changes[move.shard_id].append(change)
        return found


def _settled(state: MoveState, step: Step | None, gone: int, come: int) -> Change | None:
    """What an abort makes of a move. Where an owner who leaves stays after all, it owns the shard again."""
    if step is Step.CANCEL:
        return Change(come, 0)
    if step in {Step.LEAVE, Step.DROP, Step.REMOVE}:
        return Change(gone, come)
    return Change(0, gone) if state is MoveState.LEAVING else None
