"""The table of a plan's life, as that of owners is in `etcdmeta.model.owners`.

Everything that decides which state of a plan may follow which is in this file; what else must hold, the commands of
`etcdmeta.commands.moveplan` check on their snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from etcdmeta.errors import PlanConflict
from etcdmeta.model.moveplans import MovePlan, PlanState


@dataclass(frozen=True, slots=True)
class PlanTransition:
    """One row of the table, and what else must hold, in a sentence for people."""

    before: PlanState
    after: PlanState
    rule: str


PLAN_TRANSITIONS: Final[tuple[PlanTransition, ...]] = (
    PlanTransition(PlanState.DRAFTING, PlanState.PROPOSED, "a plan is proposed when all of its moves are written"),
    PlanTransition(PlanState.DRAFTING, PlanState.ABORTED, "a plan that moves nothing yet is aborted at once"),
    PlanTransition(PlanState.PROPOSED, PlanState.RUNNING, "no two plans at work move the same owner"),
    PlanTransition(PlanState.PROPOSED, PlanState.ABORTED, "a plan that moves nothing yet is aborted at once"),
    PlanTransition(PlanState.RUNNING, PlanState.PAUSED, "a plan at work can stand still: what copies goes on copying"),
    PlanTransition(PlanState.PAUSED, PlanState.RUNNING, "no two plans at work move the same owner"),
    PlanTransition(PlanState.RUNNING, PlanState.ABORTING, "what a plan has begun is settled before it ends"),
    PlanTransition(PlanState.PAUSED, PlanState.ABORTING, "what a plan has begun is settled before it ends"),
    PlanTransition(PlanState.RUNNING, PlanState.DONE, "a plan is done when each of its moves is done or void"),
    PlanTransition(PlanState.ABORTING, PlanState.ABORTED, "a plan is aborted when nothing that it began is left"),
    PlanTransition(PlanState.DONE, PlanState.UNDONE, "a plan is undone when the plan that undoes it is done"),
    PlanTransition(PlanState.ABORTED, PlanState.UNDONE, "a plan is undone when the plan that undoes it is done"),
)


def check_plan_transition(plan: MovePlan, after: PlanState) -> PlanTransition:
    """The row that allows the step. Raises `PlanConflict`, also from a state of a later version."""
    for row in plan_transitions_from(plan.state):
        if row.after == after:
            return row
    ways = ", ".join(row.after for row in plan_transitions_from(plan.state))
    raise PlanConflict(
        f"plan {plan.id} is {plan.state} and cannot become {after}",
        value=str(plan.state),
        rule=f"from {plan.state} the next is one of: {ways}" if ways else f"nothing follows {plan.state}",
        remedy="make a new plan" if plan.has_ended else f"`etcdmeta plan show {plan.id}` says how far it is",
    )


def plan_transitions_from(state: PlanState | str) -> tuple[PlanTransition, ...]:
    """The rows that leave this state; none for an unknown one."""
    return tuple(row for row in PLAN_TRANSITIONS if row.before == state)
