"""The life of a plan of moves: started, paused, aborted, finished. What it moves, `etcdmeta.commands.moving` does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from etcdmeta.commands.node import finish_removal, set_state
from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.proposing import AddPlanMoves, CreatePlan, check_apart
from etcdmeta.commands.quarantine import require_readable, require_readable_groups
from etcdmeta.commands.shard_edit import check_reason
from etcdmeta.errors import NodeUnavailable, PlanConflict
from etcdmeta.model.entities import Node
from etcdmeta.model.moveplans import ENDED_STATES, Move, MovePlan, PlanState
from etcdmeta.model.moves import SETTLED, is_settled, move_state
from etcdmeta.model.owners import NodeState
from etcdmeta.model.planqueries import put_back, states_at_work
from etcdmeta.model.planstates import check_plan_transition
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.encoding import encode

__all__ = ["AbortPlan", "AddPlanMoves", "CreatePlan", "FinishPlan", "NotePlan", "PausePlan", "StartPlan"]

NAMED = 5


class StartPlan(Command):
    """A proposed plan begins, or a paused one goes on. Running already: unchanged.

    Its subjects take no shards from now on: they drain, or are being removed where they go for good (replace,
    ``remove_subjects``); what they were is kept, for an abort. A plan that undoes one that is done puts the nodes whose
    state that one set back to what they were, where nobody has changed them since. Refused while another plan at work
    has moves left that take from, or bring to, the same node at the same shard; but for subjects of this plan, whose
    owners have to go whatever others intend; and while one empties a node that an undo puts back.

    Rows: proposed → running, paused → running. Compares: ``mod(plan/I)``; range ``plan/``: ``mod<r+1``; ``mod(node/N)``
    of each subject. Writes: ``plan/I``, ``node/N``. Result: ``plan_id``, ``state``. Errors: `PlanNotFound`,
    `PlanConflict`, `NodeUnavailable` (the replacement takes no shards), `RecordUnreadable`.
    """

    NAME: ClassVar[str] = "start plan"

    plan_id: int

    @property
    def lasting(self) -> bool:
        """Who moved what is known for ever (bounded)."""
        return True

    def plan(self, context: Context) -> Plan:
        snapshot = context.snapshot
        plan = snapshot.plan(self.plan_id)
        if plan.state == PlanState.RUNNING:
            return unchanged(f"plan {plan.id} is running already", _result(plan))
        check_plan_transition(plan, PlanState.RUNNING)
        require_readable(snapshot, *keys.PLANS_SPAN, f"plan {plan.id} cannot start beside plans that nobody can read")
        moves = snapshot.plan_moves(plan.id)
        check_apart(moves)
        if plan.undoes:
            undone = snapshot.plan(plan.undoes)
            check_plan_transition(undone, PlanState.UNDONE)
            states = put_back(snapshot, undone)
        else:
            states = states_at_work(snapshot, plan)
        _require_no_conflict(snapshot, plan, moves, states)
        if plan.replacement and not snapshot.node(plan.replacement).takes_shards:
            node = snapshot.node(plan.replacement)
            raise NodeUnavailable(
                f"node {node.id}, which should take over, is {node.state}",
                value=str(node.state),
                rule="only a joined node takes shards",
            )
        builder = _changing(plan).require_unchanged(*keys.PLANS_SPAN, snapshot.revision)
        prior = dict(plan.prior_states)
        for node, state in _present(snapshot, states):
            prior.setdefault(node.id, str(node.state))
            if node.state in {state, NodeState.REMOVING} and not plan.undoes:
                builder.require_modified(keys.node(node.id), node.mod_revision)
            else:
                set_state(builder, node, state)
        return _become(builder, plan, PlanState.RUNNING, context.now, prior_states=prior)


class PausePlan(Command):
    """A running plan stands still: what copies goes on copying, nothing else of it moves. Paused already: unchanged.

    Row: running → paused. Compares: ``mod(plan/I)``. Writes: ``plan/I``. Result: ``plan_id``, ``state``. Errors:
    `PlanNotFound`, `PlanConflict`, `InvalidInput`.
    """

    NAME: ClassVar[str] = "pause plan"

    plan_id: int
    reason: str = ""

    def plan(self, context: Context) -> Plan:
        check_reason(self.reason)
        plan = context.snapshot.plan(self.plan_id)
        if plan.state == PlanState.PAUSED:
            return unchanged(f"plan {plan.id} is paused already", _result(plan))
        check_plan_transition(plan, PlanState.PAUSED)
        return _become(_changing(plan), plan, PlanState.PAUSED, context.now, note=self.reason)


class AbortPlan(Command):
    """A plan ends early: one that has not begun at once, else what it began is settled first (`FinishPlan`).

    Its subjects become what they were before it, where nobody has changed them since. Ended or aborting already:
    unchanged; but a plan that is done is refused.

    Rows: drafting, proposed → aborted; running, paused → aborting. Compares: ``mod(plan/I)``, ``mod(node/N)`` of each
    subject that is put back. Writes: ``plan/I``, ``node/N``. Result: ``plan_id``, ``state``. Errors: `PlanNotFound`,
    `PlanConflict`, `InvalidInput`.
    """

    NAME: ClassVar[str] = "abort plan"

    plan_id: int
    reason: str = ""

    @property
    def lasting(self) -> bool:
        """Who stopped it is known for ever (bounded)."""
        return True

    def plan(self, context: Context) -> Plan:
        check_reason(self.reason)
        snapshot = context.snapshot
        plan = snapshot.plan(self.plan_id)
        if plan.state in {PlanState.ABORTING, PlanState.ABORTED}:
            return unchanged(f"plan {plan.id} is {plan.state} already", _result(plan))
        after = PlanState.ABORTING if plan.is_active else PlanState.ABORTED
        check_plan_transition(plan, after)
        builder = _changing(plan)
        for node, state in _present(snapshot, states_at_work(snapshot, plan)):
            before = plan.prior_states.get(node.id)
            if before is not None and node.state == state != before:
                set_state(builder, node, before)
        return _become(builder, plan, after, context.now, note=self.reason)


class FinishPlan(Command):
    """A plan ends: a running one whose moves are all done or void, an aborted one of which nothing is under way.

    Subjects that go for good are removed in the same transaction (`FinishNodeRemoval`); the plan that this one undoes
    is undone. That its moves are settled is not compared: what has settled stays so, but for somebody's own later act.
    Ended already: unchanged.

    Rows: running → done, aborting → aborted; of the other plan done, aborted → undone. Compares: ``mod(plan/I)`` of
    both, ``mod(node/N)`` of the removed. Writes: ``plan/I``, the other one; what removing a node writes. Result:
    ``plan_id``, ``state``. Errors: `PlanNotFound`; `PlanConflict` where moves are left, or it does not run; those of
    `FinishNodeRemoval`, such as `NodeOwnsShards` for a subject that owns what the plan could not help.
    """

    NAME: ClassVar[str] = "finish plan"

    plan_id: int

    @property
    def lasting(self) -> bool:
        """How it ended is known for ever (bounded)."""
        return True

    def plan(self, context: Context) -> Plan:
        snapshot = context.snapshot
        plan = snapshot.plan(self.plan_id)
        if plan.has_ended:
            return unchanged(f"plan {plan.id} is {plan.state} already", _result(plan))
        after = PlanState.ABORTED if plan.state == PlanState.ABORTING else PlanState.DONE
        check_plan_transition(plan, after)
        require_readable_groups(snapshot, f"cannot tell whether plan {plan.id} is done")
        left = [n for n, move in enumerate(snapshot.plan_moves(plan.id)) if not is_settled(snapshot, plan, move)]
        if left:
            raise PlanConflict(
                f"plan {plan.id} has {len(left)} of {plan.moves} moves left",
                value=tuple(left[:NAMED]),
                rule="a plan ends when each of its moves is done or void",
                remedy=f"`etcdmeta plan show {plan.id}` says what they wait for",
            )
        builder, removed = _changing(plan), ""
        if after is PlanState.DONE:
            for node_id in plan.subjects if plan.removes_subjects else ():
                node = snapshot.node(node_id)
                if node.state != NodeState.REMOVED:
                    finish_removal(builder, snapshot, node)
                    removed += f"; removed node {node.id} ({node.host})"
            _mark_undone(builder, snapshot, plan, context.now)
        note = "" if after is PlanState.DONE else plan.note
        return _become(builder, plan, after, context.now, besides=removed, note=note)


class NotePlan(Command):
    """What keeps a plan at work from going on, for people who look at it. The same note again: unchanged.

    Compares: ``mod(plan/I)``. Writes: ``plan/I``. Result: ``plan_id``, ``state``. Errors: `PlanNotFound`,
    `PlanConflict`, `InvalidInput`.
    """

    NAME: ClassVar[str] = "note plan"

    plan_id: int
    note: str

    def plan(self, context: Context) -> Plan:
        check_reason(self.note)
        plan = context.snapshot.plan(self.plan_id)
        if plan.note == self.note:
            return unchanged(f"plan {plan.id} says so already", _result(plan))
        if not plan.is_active:
            raise PlanConflict(
                f"plan {plan.id} is {plan.state}", value=str(plan.state), rule="only a plan at work is in trouble"
            )
        builder = _changing(plan)
        builder.put(keys.plan(plan.id), encode(plan.model_copy(update={"note": self.note})))
        return builder.build(f"plan {plan.id}: {self.note}", _result(plan))


def _changing(plan: MovePlan) -> PlanBuilder:
    return PlanBuilder().require_modified(keys.plan(plan.id), plan.mod_revision)


def _become(
    builder: PlanBuilder, plan: MovePlan, state: PlanState, now: int, *, besides: str = "", **update: Any
) -> Plan:
    changed = plan.model_copy(update={"note": "", **update, "state": state, "changed_at": now})
    builder.put(keys.plan(plan.id), encode(changed))
    why = f": {changed.note}" if changed.note and state not in {PlanState.DONE, PlanState.RUNNING} else ""
    summary = f"plan {plan.id} ({plan.kind}) is {state}; it was {plan.state}{why}{besides}"
    return builder.build(summary, _result(changed))


def _result(plan: MovePlan) -> Mapping[str, Any]:
    return {"plan_id": plan.id, "state": str(plan.state)}


def _present(snapshot: Snapshot, states: Mapping[int, str]) -> Iterator[tuple[Node, NodeState | str]]:
    """The nodes whose state is to be set, and to what; removed ones are past that."""
    for node_id, state in states.items():
        node = snapshot.find_node(node_id)
        if node is not None and node.state != NodeState.REMOVED:
            yield node, state


def _require_no_conflict(
    snapshot: Snapshot, plan: MovePlan, moves: tuple[Move, ...], states: Mapping[int, str]
) -> None:
    """``states``: of nodes, which it sets. Raises `PlanConflict`."""
    free = set(plan.subjects)
    own = {(m.shard_id, n) for m in moves for n in (m.from_node, m.to_node) if n and n not in free}
    for other in snapshot.plans():
        if other.id == plan.id or not other.is_active:
            continue
        emptied = sorted(states.keys() & set(other.subjects)) if plan.undoes else ()
        if emptied:
            raise PlanConflict(
                f"plan {other.id} ({other.kind}) is {other.state} and empties node {emptied[0]}",
                value=other.id,
                rule="what undoes a plan gives its nodes shards again, which another plan at work takes off them",
                remedy=f"let plan {other.id} end, or abort it, and plan anew",
            )
        for move in snapshot.plan_moves(other.id):
            met = [n for n in (move.from_node, move.to_node) if (move.shard_id, n) in own]
            if met and move_state(snapshot, move) not in SETTLED:
                raise PlanConflict(
                    f"plan {other.id} ({other.kind}) is {other.state} and moves shard {move.shard_id} "
                    f"from node {move.from_node} to node {move.to_node}",
                    value=other.id,
                    rule="no two plans at work move the same owner of a shard",
                    remedy=f"let plan {other.id} end, or abort it, and plan anew",
                )


def _mark_undone(builder: PlanBuilder, snapshot: Snapshot, plan: MovePlan, now: int) -> None:
    undone = snapshot.find_plan(plan.undoes) if plan.undoes else None
    if undone is None or undone.state not in ENDED_STATES - {PlanState.UNDONE}:
        return  # forgotten, or undone, meanwhile
    builder.require_modified(keys.plan(undone.id), undone.mod_revision)
    update = {"state": PlanState.UNDONE, "undone_by": plan.id, "changed_at": now}
    builder.put(keys.plan(undone.id), encode(undone.model_copy(update=update)))
