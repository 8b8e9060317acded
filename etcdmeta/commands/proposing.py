"""A plan of moves is written: in one transaction where it is small, page by page where it is large (law 5)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Final

from pydantic import ConfigDict, Field

from etcdmeta.commands.plan import Command, Context, Plan, PlanBuilder, unchanged
from etcdmeta.commands.shard_edit import check_reason
from etcdmeta.errors import InvalidInput, PlanConflict
from etcdmeta.model.moveplans import MOVES_A_PAGE, Move, MovePlan, PlanKind, PlanLimits, PlanState
from etcdmeta.model.planstates import check_plan_transition
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.decoding import decode_moves
from etcdmeta.records.encoding import encode, encode_moves

MOST_MOVES: Final = 200_000
"""In one plan: 400 pages, some 4 MB that every cache holds."""
PAGES_A_STEP: Final = 20
"""Pages in one transaction: 10,000 moves, some 200 KB."""
ENDED_KEPT: Final = 50
"""Plans that have ended and are still shown; older ones go when new ones come."""
FORGOTTEN_AT_ONCE: Final = 10

_IN_BASE64 = ConfigDict(ser_json_bytes="base64")


class CreatePlan(Command):
    """Store a plan, with all of its moves or the first pages of them.

    ``moves``: a serialized ``etcdmeta.v1.Moves`` with the first of ``total`` moves: all, or whole pages of 500, at most
    20 of them. With all it is proposed at once, else drafting until `AddPlanMoves` has written the rest. ``before`` and
    ``after``: owners per node, by node id in decimal. The oldest plans beyond 50 that have ended are forgotten.

    Compares: ``create(plan/I)=0``; ``mod(plan/…)`` of what is forgotten. Writes: ``plan/I``, ``plan/I/moves/…``;
    deletes what is forgotten. Result: ``plan_id``, ``state``, ``pages`` (those written). Errors: `InvalidInput`,
    `NodeNotFound` (a subject, the replacement), `PlanNotFound` and `PlanConflict` (the plan that is undone).
    """

    NAME: ClassVar[str] = "create plan"
    model_config = _IN_BASE64

    kind: PlanKind
    moves: bytes = b""
    total: int
    reason: str = ""
    author: str = ""
    per_target: int = PlanLimits().per_target
    per_source: int = PlanLimits().per_source
    at_once: int = PlanLimits().at_once
    subjects: tuple[int, ...] = ()
    replacement: int = 0
    remove_subjects: bool = False
    before: Mapping[str, int] = Field(default_factory=dict)
    after: Mapping[str, int] = Field(default_factory=dict)
    undoes: int = 0

    @property
    def lasting(self) -> bool:
        """Who planned what is known for ever (bounded)."""
        return True

    def plan(self, context: Context) -> Plan:
        check_reason(self.reason)
        check_reason(self.author)
        if not 0 <= self.total <= MOST_MOVES:
            raise InvalidInput(
                f"a plan of {self.total} moves",
                value=self.total,
                rule=f"at most {MOST_MOVES} moves in one plan",
                remedy="plan fewer shards, or fewer nodes, at a time",
            )
        if min(self.per_target, self.per_source, self.at_once) < 1:
            raise InvalidInput(
                "a plan that may copy nothing",
                value=(self.per_target, self.per_source, self.at_once),
                rule="each limit is at least 1",
            )
        snapshot = context.snapshot
        moves = read_moves(self.moves)
        complete = _check_part(moves, 0, self.total)
        for node_id in (*self.subjects, *((self.replacement,) if self.replacement else ())):
            snapshot.node(node_id)
        if self.undoes:
            check_plan_transition(snapshot.plan(self.undoes), PlanState.UNDONE)
        plan_id = context.ids.take(plan=1)["plan"][0]
        plan = MovePlan(
            id=plan_id,
            kind=self.kind,
            state=PlanState.DRAFTING,
            reason=self.reason,
            author=self.author,
            created_at=context.now,
            changed_at=context.now,
            moves=self.total,
            pages=-(-self.total // MOVES_A_PAGE),
            limits=PlanLimits(per_target=self.per_target, per_source=self.per_source, at_once=self.at_once),
            subjects=self.subjects,
            replacement=self.replacement,
            remove_subjects=self.remove_subjects,
            before=_by_node(self.before),
            after=_by_node(self.after),
            undoes=self.undoes,
        )
        if complete:
            plan = _proposed(plan, moves, context.now)
        builder = PlanBuilder().require_absent(keys.plan(plan_id))
        builder.put(keys.plan(plan_id), encode(plan))
        pages = _put_pages(builder, plan_id, 0, moves)
        _forget_oldest(builder, snapshot)
        return builder.build(
            f"plan {plan_id}: {self.kind}, {_counted(self.total)}",
            {"plan_id": plan_id, "state": str(plan.state), "pages": pages},
        )


class AddPlanMoves(Command):
    """Write the next pages of a plan that is drafting; with the last of them it is proposed. There already: unchanged.

    ``page``: the number of the first; ``moves``: as `CreatePlan`.

    Compares: ``mod(plan/I)``, ``create(plan/I/moves/…)=0``. Writes: ``plan/I/moves/…``, with the last ones ``plan/I``.
    Result: ``plan_id``, ``state``, ``pages`` (those written by now). Errors: `PlanNotFound`, `InvalidInput`,
    `PlanConflict` where other moves stand there, or it drafts no more.
    """

    NAME: ClassVar[str] = "add plan moves"
    model_config = _IN_BASE64

    plan_id: int
    page: int
    moves: bytes

    def plan(self, context: Context) -> Plan:
        snapshot = context.snapshot
        plan = snapshot.plan(self.plan_id)
        moves = read_moves(self.moves)
        complete = _check_part(moves, self.page * MOVES_A_PAGE, plan.moves)
        written = _pages_written(snapshot, plan)
        end = self.page + -(-len(moves) // MOVES_A_PAGE)
        if end <= written and _stored(snapshot, plan, self.page, end) == moves:
            return unchanged(
                f"pages {self.page} to {end - 1} of plan {plan.id} are written already",
                {"plan_id": plan.id, "state": str(plan.state), "pages": written},
            )
        if plan.state != PlanState.DRAFTING or self.page != written:
            raise PlanConflict(
                f"page {self.page} of plan {plan.id} cannot be written: it is {plan.state}, with {written} pages",
                value=self.page,
                rule="pages are written in order, once, while the plan is drafting",
                remedy="make a new plan",
            )
        builder = PlanBuilder().require_modified(keys.plan(plan.id), plan.mod_revision)
        _put_pages(builder, plan.id, self.page, moves)
        for number in range(self.page, end):
            builder.require_absent(keys.plan_moves(plan.id, number))
        if complete:
            plan = _proposed(plan, (*snapshot.plan_moves(plan.id), *moves), context.now)
            builder.put(keys.plan(plan.id), encode(plan))
        return builder.build(
            f"plan {plan.id}: {min(end * MOVES_A_PAGE, plan.moves)} of {_counted(plan.moves)} written",
            {"plan_id": plan.id, "state": str(plan.state), "pages": end},
        )


def read_moves(value: bytes) -> tuple[Move, ...]:
    """A serialized ``Moves``. Raises `InvalidInput`; also where a move goes nowhere."""
    try:
        moves = decode_moves(value)
    except ValueError:
        raise InvalidInput("these are no moves", rule="a serialized etcdmeta.v1.Moves") from None
    for move in moves:
        if not move.shard_id or move.from_node == move.to_node:
            raise InvalidInput(
                f"a move of shard {move.shard_id} from node {move.from_node} to node {move.to_node}",
                value=tuple(move),
                rule="a move takes an owner away, adds one, or both at two nodes",
            )
    return moves


def check_apart(moves: Iterable[Move]) -> None:
    """No owner's place is part of two moves, so that each says by itself how far it is. Raises `InvalidInput`."""
    seen: set[tuple[int, int]] = set()
    for move in moves:
        for node_id in (move.from_node, move.to_node):
            if node_id and (move.shard_id, node_id) in seen:
                raise InvalidInput(
                    f"two moves of the plan concern node {node_id} as owner of shard {move.shard_id}",
                    value=(move.shard_id, node_id),
                    rule="a plan moves an owner once, and to where none is",
                )
            seen.add((move.shard_id, node_id))


def _proposed(plan: MovePlan, moves: Sequence[Move], now: int) -> MovePlan:
    check_plan_transition(plan, PlanState.PROPOSED)
    check_apart(moves)
    return plan.model_copy(update={"state": PlanState.PROPOSED, "changed_at": now})


def _check_part(moves: Sequence[Move], begin: int, total: int) -> bool:
    """Whether they are the last ones. Raises `InvalidInput` where they are no whole pages from there on."""
    left = total - begin - len(moves)
    most = PAGES_A_STEP * MOVES_A_PAGE
    if begin < 0 or left < 0 or len(moves) > most or (left and (len(moves) % MOVES_A_PAGE or not moves)):
        raise InvalidInput(
            f"{len(moves)} moves from number {begin} of {total}",
            value=len(moves),
            rule=f"whole pages of {MOVES_A_PAGE} moves, but for the last, at most {PAGES_A_STEP} in one step",
        )
    return left == 0


def _put_pages(builder: PlanBuilder, plan_id: int, first: int, moves: Sequence[Move]) -> int:
    """How many there are then, from 0 on."""
    number = first
    for begin in range(0, len(moves), MOVES_A_PAGE):
        builder.put(keys.plan_moves(plan_id, number), encode_moves(moves[begin : begin + MOVES_A_PAGE]))
        number += 1
    return number


def _pages_written(snapshot: Snapshot, plan: MovePlan) -> int:
    written = len(snapshot.plan_moves(plan.id))
    return -(-written // MOVES_A_PAGE)


def _stored(snapshot: Snapshot, plan: MovePlan, first: int, end: int) -> tuple[Move, ...]:
    return snapshot.plan_moves(plan.id)[first * MOVES_A_PAGE : end * MOVES_A_PAGE]


def _forget_oldest(builder: PlanBuilder, snapshot: Snapshot) -> None:
    """Those that have ended, beyond the newest 50, but for what a plan that has not ended undoes."""
    plans = snapshot.plans()
    undone = {plan.undoes for plan in plans if not plan.has_ended}
    ended = [plan for plan in plans if plan.has_ended and plan.id not in undone]
    for plan in ended[: max(0, len(ended) - ENDED_KEPT)][:FORGOTTEN_AT_ONCE]:
        builder.require_modified(keys.plan(plan.id), plan.mod_revision)
        builder.delete(keys.plan(plan.id)).delete_range(*keys.plan_moves_span(plan.id))


def _by_node(counts: Mapping[str, int]) -> dict[int, int]:
    if any(not node.isascii() or not node.isdigit() or not 0 <= count < 2**32 for node, count in counts.items()):
        raise InvalidInput("counts of owners that cannot be", rule="the node's id in decimal, and how many owners")
    return {int(node): count for node, count in counts.items()}


def _counted(moves: int) -> str:
    return "1 move" if moves == 1 else f"{moves} moves"
