"""Plans of moves, as methods."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from etcdmeta.commands.moveplan import AbortPlan, AddPlanMoves, CreatePlan, FinishPlan, PausePlan, StartPlan
from etcdmeta.commands.planning.draft import PlanDraft
from etcdmeta.commands.proposing import PAGES_A_STEP
from etcdmeta.model.moveplans import MOVES_A_PAGE, Move, MovePlan, PlanLimits
from etcdmeta.records.encoding import encode_moves
from etcdmeta.store.shortcuts.basis import Executes

_A_STEP = PAGES_A_STEP * MOVES_A_PAGE


class Proposes(Executes, Protocol):
    """What is asked of the store beside executing: who its commands name as the one who acts."""

    _actor: str

    def proposal(self, draft: PlanDraft, *, reason: str = "", limits: PlanLimits | None = None) -> CreatePlan: ...


class PlanShortcuts:
    """One method a command, but for `propose`, which takes as many as the plan is large."""

    def propose(
        self: Proposes,
        draft: PlanDraft,
        *,
        reason: str = "",
        limits: PlanLimits | None = None,
        timeout: float | None = None,
    ) -> MovePlan:
        """Store a planner's draft. Nothing moves until `start_plan`. Interrupted it stays drafting, and can be aborted.

        ``timeout``: seconds for each of the steps, one for 10,000 moves. Raises `InvalidInput` beyond 200,000 moves,
        `NodeNotFound`, and `PlanConflict` where the plan that is to be undone is not one that has ended.
        """
        create = self.proposal(draft, reason=reason, limits=limits)
        plan_id = int(self.execute(create, timeout=timeout).result["plan_id"])
        for begin in range(_A_STEP, len(draft.moves), _A_STEP):
            page = AddPlanMoves(plan_id=plan_id, page=begin // MOVES_A_PAGE, moves=_page(draft.moves, begin))
            self.execute(page, timeout=timeout)
        return self.snapshot().plan(plan_id)

    def proposal(self: Proposes, draft: PlanDraft, *, reason: str = "", limits: PlanLimits | None = None) -> CreatePlan:
        """The command that `propose` begins with: all of a small plan, the first 10,000 moves of a large one."""
        limits = PlanLimits() if limits is None else limits
        return CreatePlan(
            kind=draft.kind,
            moves=_page(draft.moves, 0),
            total=len(draft.moves),
            reason=reason,
            author=self._actor,
            per_target=limits.per_target,
            per_source=limits.per_source,
            at_once=limits.at_once,
            subjects=tuple(draft.subjects),
            replacement=draft.replacement,
            remove_subjects=draft.remove_subjects,
            before={str(node_id): count for node_id, count in draft.before.items()},
            after={str(node_id): count for node_id, count in draft.after.items()},
            undoes=draft.undoes,
        )

    def start_plan(self: Executes, plan_id: int, *, timeout: float | None = None) -> MovePlan:
        """Begin a proposed plan, or go on with a paused one; whoever leads "plans" drives it. Raises `PlanConflict`."""
        self.execute(StartPlan(plan_id=plan_id), timeout=timeout)
        return self.snapshot().plan(plan_id)

    def pause_plan(self: Executes, plan_id: int, reason: str = "", *, timeout: float | None = None) -> MovePlan:
        """Begin nothing more of it; copies that run go on. Raises `PlanConflict` where it is not running."""
        self.execute(PausePlan(plan_id=plan_id, reason=reason), timeout=timeout)
        return self.snapshot().plan(plan_id)

    def abort_plan(self: Executes, plan_id: int, reason: str = "", *, timeout: float | None = None) -> MovePlan:
        """End it early; what it began is settled first, by who drives it. Raises `PlanConflict` where it is done."""
        self.execute(AbortPlan(plan_id=plan_id, reason=reason), timeout=timeout)
        return self.snapshot().plan(plan_id)

    def finish_plan(self: Executes, plan_id: int, *, timeout: float | None = None) -> MovePlan:
        """End it where nothing is left of it; who drives it does that. Raises `PlanConflict`, `NodeOwnsShards`."""
        self.execute(FinishPlan(plan_id=plan_id), timeout=timeout)
        return self.snapshot().plan(plan_id)


def _page(moves: Sequence[Move], begin: int) -> bytes:
    return encode_moves(moves[begin : begin + _A_STEP])
