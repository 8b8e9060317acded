"""What a snapshot knows of plans of moves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from etcdmeta.errors import PlanNotFound
from etcdmeta.model.decoded import DecodedCache
from etcdmeta.model.moveplans import MOVES_A_PAGE, Move, MovePlan, PlanState
from etcdmeta.model.owners import NodeState

if TYPE_CHECKING:
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.model.tables import Decoder, Tables


class Pictures(Protocol):
    """What of a `Snapshot` these queries need."""

    tables: Tables
    decoder: Decoder

    @property
    def cache(self) -> DecodedCache: ...
    def find_plan(self, plan_id: int) -> MovePlan | None: ...
    def plan(self, plan_id: int) -> MovePlan: ...
    def require_readable(self, what: str, kind: str, *where: int | str) -> None: ...


class PlanQueries:
    """Part of a `Snapshot`."""

    __slots__ = ()

    def plans(self: Pictures) -> tuple[MovePlan, ...]:
        """In order of id, which is the order of creation; those that have ended, too, until they are forgotten."""
        cache, decode = self.cache, self.decoder.plan
        return tuple(cache.get(("plan", i), row, decode) for i, row in sorted(self.tables.plans.items()))

    def find_plan(self: Pictures, plan_id: int) -> MovePlan | None:
        row = self.tables.plans.get(plan_id)
        return None if row is None else self.cache.get(("plan", plan_id), row, self.decoder.plan)

    def plan(self: Pictures, plan_id: int) -> MovePlan:
        """Raises `PlanNotFound`, `RecordUnreadable`."""
        plan = self.find_plan(plan_id)
        if plan is None:
            self.require_readable(f"plan {plan_id}", "plan", plan_id)
            raise PlanNotFound(
                f"plan {plan_id} is not there", value=plan_id, remedy="`etcdmeta plan list` shows those that are"
            )
        return plan

    def find_move(self: Pictures, plan_id: int, number: int) -> Move | None:
        """One move of a plan; None where it has no such number. Raises `PlanNotFound`, `RecordUnreadable`."""
        page, place = divmod(number, MOVES_A_PAGE)
        if not 0 <= number < self.plan(plan_id).moves:
            return None
        row = self.tables.plan_moves.get((plan_id, page))
        if row is None:
            self.require_readable(f"page {page} of plan {plan_id}", "moves", plan_id, page)
            return None
        moves = self.cache.get(("moves", plan_id, page), row, self.decoder.moves)
        return moves[place] if place < len(moves) else None

    def plan_moves(self: Pictures, plan_id: int) -> tuple[Move, ...]:
        """All moves of a plan, by number. Raises `PlanNotFound`, and `RecordUnreadable` where a page is."""
        moves: list[Move] = []
        for page in range(self.plan(plan_id).pages):
            row = self.tables.plan_moves.get((plan_id, page))
            if row is None:
                self.require_readable(f"page {page} of plan {plan_id}", "moves", plan_id, page)
                break  # it is being written: see PlanState.DRAFTING
            moves += self.cache.get(("moves", plan_id, page), row, self.decoder.moves)
        return tuple(moves)


def states_at_work(snapshot: Snapshot, plan: MovePlan) -> dict[int, str]:
    """Node id → the state that the plan gives it while it is at work: subjects drain, or are being removed where they
    go for good; of a plan that undoes another, what the nodes were before that one."""
    if plan.undoes:
        undone = snapshot.find_plan(plan.undoes)
        return {} if undone is None else dict(undone.prior_states)
    return dict.fromkeys(plan.subjects, NodeState.REMOVING if plan.removes_subjects else NodeState.DRAINING)


def put_back(snapshot: Snapshot, undone: MovePlan) -> dict[int, str]:
    """Node id → the state that undoing the plan gives it: what it was before, where it still is what the plan made it.
    A plan that was aborted has put them back itself."""
    if undone.state != PlanState.DONE:
        return {}
    given = states_at_work(snapshot, undone)
    nodes = {node_id: snapshot.find_node(node_id) for node_id in undone.prior_states}
    return {
        node_id: undone.prior_states[node_id]
        for node_id, node in nodes.items()
        if node is not None and node.state == given.get(node_id) and node.state != NodeState.REMOVED
    }
