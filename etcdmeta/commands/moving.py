"""One move of a plan goes one step on: the transition of one owner that comes next (`etcdmeta.model.moves`)."""

from __future__ import annotations

from typing import Any, ClassVar

from etcdmeta.commands.copying import begin, cancel
from etcdmeta.commands.plan import Command, Context, Plan, unchanged
from etcdmeta.commands.shard_edit import ShardEdit
from etcdmeta.errors import InvalidInput, MoveBlocked, PlanConflict
from etcdmeta.model.copyload import CopyLoad
from etcdmeta.model.entities import ShardOwner
from etcdmeta.model.moveplans import Move, MovePlan, PlanState
from etcdmeta.model.moves import Step, choose_source, outlook, sources
from etcdmeta.model.owners import OwnerStatus, check_transition
from etcdmeta.records import keys


class AdvanceMove(Command):
    """Do the next step of one move of a plan: begin its copy, let the old owner leave, remove it; in a plan that is
    being aborted settle what was begun. Nothing to do now (settled, or its copy runs): unchanged.

    ``number`` counts the moves of the plan from 0. ``source``: the node to copy from; 0: the one that the plan names if
    it can give, else one that gives few copies now. How many copies run at once is up to whoever drives the plan, one
    at a time (`etcdmeta.services.applying`); here they are not counted. No step leaves a shard fewer serving owners
    than it had before the move, and none is taken but from the table of owners' transitions.

    Compares: ``mod(plan/I)``, and those of the transition: ``mod(group)``; a copy begins: ``mod(node)`` of both,
    ``create(progress/…)=0``; an owner begins to leave, or goes: ``mod(rp/P/info)``. Writes: the group; ``progress/…``,
    or deletes it. Result: ``plan_id``, ``number``, ``state`` (of the move, before), ``step``; of a step also
    ``shard_id``, ``node_id``, ``attempt``. Errors: `PlanNotFound`, `InvalidInput` (no such move); `PlanConflict` where
    the plan is not at work; `MoveBlocked`, which says why; those of the transition.
    """

    NAME: ClassVar[str] = "advance move"

    plan_id: int
    number: int
    source: int = 0

    def plan(self, context: Context) -> Plan:
        snapshot = context.snapshot
        plan = snapshot.plan(self.plan_id)
        if plan.state not in {PlanState.RUNNING, PlanState.ABORTING}:
            raise PlanConflict(
                f"plan {plan.id} is {plan.state}",
                value=str(plan.state),
                rule="a plan moves something while it is running, and settles it while it is aborted",
                remedy=None if plan.has_ended else f"`etcdmeta plan apply {plan.id}` starts it",
            )
        move = snapshot.find_move(plan.id, self.number)
        if move is None:
            raise InvalidInput(
                f"plan {plan.id} has no move {self.number}",
                value=self.number,
                rule=f"its moves are numbered from 0 to {plan.moves - 1}",
            )
        state, step, why = outlook(snapshot, plan, move)
        told: dict[str, Any] = {"plan_id": plan.id, "number": self.number, "state": str(state)}
        if why:
            raise MoveBlocked(
                f"move {self.number} of plan {plan.id} cannot go on: {why}",
                value=self.number,
                rule="a copy needs a node that takes it and one that gives it; an owner goes when enough others serve",
                remedy=f"`etcdmeta shard explain {move.shard_id}` says more",
            )
        if step is None:
            what = "nothing is to be done now" if state not in {"done", "void"} else "nothing is left to do"
            return unchanged(f"move {self.number} of plan {plan.id} is {state}: {what}", {**told, "step": ""})
        edit = ShardEdit(context, move.shard_id)
        edit.builder.require_modified(keys.plan(plan.id), plan.mod_revision)
        done = self._do(edit, plan, move, step)
        return Plan(
            done.compares,
            done.writes,
            {**told, "step": str(step), **done.result},
            f"plan {plan.id}, move {self.number}: {done.summary}",
            notices=done.notices,
        )

    def _do(self, edit: ShardEdit, plan: MovePlan, move: Move, step: Step) -> Plan:
        match step:
            case Step.BEGIN:
                return begin(edit, self._source(edit, move), move.to_node)
            case Step.CANCEL:
                return cancel(edit, edit.owner(move.to_node))
            case Step.DROP:
                return cancel(edit, edit.owner(move.from_node))
            case Step.REMOVE:
                return _remove(edit, edit.owner(move.from_node))
            case Step.LEAVE:
                edit.compare_policy()
                return _set(edit, edit.owner(move.from_node), OwnerStatus.LEAVING, f"plan {plan.id}")
            case Step.STAY:
                return _set(edit, edit.owner(move.from_node), OwnerStatus.ACTIVE, "")

    def _source(self, edit: ShardEdit, move: Move) -> int:
        snapshot = edit.context.snapshot
        if not self.source:
            found = choose_source(snapshot, move, CopyLoad.of(snapshot))
            assert found is not None  # else the move were blocked
            return found
        if self.source not in sources(snapshot, move):
            raise MoveBlocked(
                f"node {self.source} cannot give shard {move.shard_id} now",
                value=self.source,
                rule="a copy goes from an owner that serves, on a node that is up",
                remedy="leave the choice of the source to the command",
            )
        return self.source


def _set(edit: ShardEdit, owner: ShardOwner, status: OwnerStatus, reason: str) -> Plan:
    check_transition(owner.status, status)
    edit.set_status(owner, status, reason)
    return edit.plan(
        f"node {owner.node_id} is {status} at shard {edit.shard.id}; it was {owner.status}",
        owner.node_id,
        attempt=owner.attempt,
    )


def _remove(edit: ShardEdit, owner: ShardOwner) -> Plan:
    """leaving → –; that enough others serve, `outlook` has seen on this snapshot, and group and policy are compared."""
    check_transition(owner.status, None)
    edit.compare_policy()
    edit.remove(owner.node_id)
    return edit.plan(
        f"node {owner.node_id} owns shard {edit.shard.id} no more; it was {owner.status}",
        owner.node_id,
        attempt=owner.attempt,
    )
