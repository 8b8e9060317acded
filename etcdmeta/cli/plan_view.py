"""One plan, stored or only planned, with all that a person or a script is told of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from etcdmeta.cli.plan_moves import MoveRow, rows_of
from etcdmeta.cli.text import counted
from etcdmeta.cli.uncollected import uncollected
from etcdmeta.commands.planning.balance import Balance, balance
from etcdmeta.commands.planning.draft import LeftOut, PlanDraft
from etcdmeta.commands.planning.layout import ZONE_LABEL
from etcdmeta.model.moveplans import MOVES_A_PAGE, MovePlan, PlanLimits, PlanState
from etcdmeta.model.moves import MoveState, move_state
from etcdmeta.model.snapshot import Snapshot


class NodeBalance(NamedTuple):
    """Owners of one node in live groups, before the plan and after it. ``host`` None: it has no record."""

    node_id: int
    host: str | None
    zone: str | None
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class PlanView:
    """``plan.id`` 0: it is not stored. ``counts``: its moves by state; None: not counted. ``rows``: all of its moves;
    None: not looked at. ``left_out`` None: not known any more. ``notices``: sentences about other plans.
    """

    snapshot: Snapshot
    plan: MovePlan
    before: Balance
    after: Balance
    counts: Mapping[MoveState, int] | None = None
    rows: Sequence[MoveRow] | None = None
    left_out: Sequence[LeftOut] | None = None
    zone_label: str = ZONE_LABEL
    notices: Sequence[str] = ()

    def node_balances(self) -> list[NodeBalance]:
        """Of each node that owns any, or may take some."""
        found = []
        for node_id in sorted({*self.before.nodes, *self.after.nodes}):
            node = self.snapshot.find_node(node_id)
            zone = None if node is None else node.labels.get(self.zone_label)
            host = None if node is None else node.host
            before, after = self.before.nodes.get(node_id, 0), self.after.nodes.get(node_id, 0)
            found.append(NodeBalance(node_id, host, zone, before, after))
        return found


def brief_view(snapshot: Snapshot, plan: MovePlan) -> PlanView:
    """For a list: the moves are counted only of a plan that has not ended."""
    before, after = balance(snapshot, plan.before), balance(snapshot, plan.after)
    counts = None
    if not plan.has_ended:
        with uncollected():
            counts = Counter(move_state(snapshot, move) for move in snapshot.plan_moves(plan.id))
    return PlanView(snapshot, plan, before, after, counts)


def full_view(snapshot: Snapshot, plan: MovePlan, *, limits: bool = True, zone_label: str = ZONE_LABEL) -> PlanView:
    """With each move as it stands. ``limits``: as in `rows_of`."""
    with uncollected():
        rows = list(rows_of(snapshot, plan, enumerate(snapshot.plan_moves(plan.id)), limits=limits))
    before = balance(snapshot, plan.before, zone_label=zone_label)
    after = balance(snapshot, plan.after, zone_label=zone_label)
    return PlanView(snapshot, plan, before, after, Counter(row.state for row in rows), rows, zone_label=zone_label)


def draft_view(
    snapshot: Snapshot,
    draft: PlanDraft,
    *,
    reason: str = "",
    limits: PlanLimits | None = None,
    plan: MovePlan | None = None,
    zone_label: str = ZONE_LABEL,
) -> PlanView:
    """A planner's draft; ``plan``: what it has become, once it is stored."""
    shown = plan or MovePlan(
        id=0,
        kind=draft.kind,
        state=PlanState.PROPOSED,
        reason=reason,
        moves=len(draft.moves),
        pages=-(-len(draft.moves) // MOVES_A_PAGE),
        limits=limits or PlanLimits(),
        subjects=tuple(draft.subjects),
        replacement=draft.replacement,
        remove_subjects=draft.remove_subjects,
        before=draft.before,
        after=draft.after,
        undoes=draft.undoes,
    )
    with uncollected():
        rows = list(rows_of(snapshot, shown, enumerate(draft.moves)))
    return PlanView(
        snapshot,
        shown,
        balance(snapshot, draft.before, zone_label=zone_label),
        balance(snapshot, draft.after, zone_label=zone_label),
        Counter(row.state for row in rows),
        rows,
        draft.left_out,
        zone_label,
        _notices(snapshot, draft),
    )


def _notices(snapshot: Snapshot, draft: PlanDraft) -> list[str]:
    """Which plans at work it reckons with, and which proposed ones it does not."""
    notices = []
    if draft.at_work:
        named = " and ".join(_plan_words(snapshot, plan_id) for plan_id in draft.at_work)
        if len(draft.at_work) == 1:
            notices.append(f"{named} is at work: what it will have done counts as done")
        else:
            notices.append(f"{named} are at work: what they will have done counts as done")
    notices += [
        f"{_plan_words(snapshot, plan_id)} is proposed, too, and not reckoned with: where both are meant, apply one, "
        f"and plan the other anew (etcdmeta plan apply {plan_id}, or plan abort {plan_id})"
        for plan_id in draft.proposed
    ]
    return notices


def _plan_words(snapshot: Snapshot, plan_id: int) -> str:
    plan = snapshot.find_plan(plan_id)
    return f"plan {plan_id}" if plan is None else f"plan {plan_id} ({plan.kind}, {counted(plan.moves, 'move')})"
