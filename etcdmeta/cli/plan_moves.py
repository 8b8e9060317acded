"""How a move of a plan stands, as people are told it: its state, whether that is what the plan wants, and why not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple

from etcdmeta.model.copyload import CopyLoad
from etcdmeta.model.entities import Progress, Shard, ShardGroup
from etcdmeta.model.moveplans import Move, MovePlan, PlanState
from etcdmeta.model.moves import MoveState, Outlook, held_back, outlook
from etcdmeta.model.snapshot import Snapshot


class Agreement(StrEnum):
    """What a move is, measured by its plan.

    ``waiting``: for its turn; ``moving``: between beginning and end; ``blocked``: it cannot go on, or its copy failed;
    ``drifted``: others have changed what it is about, so that it will not come true; ``gone``: so has its shard;
    ``left``: a plan that was aborted or undone left it so.
    """

    DONE = "done"
    MOVING = "moving"
    WAITING = "waiting"
    BLOCKED = "blocked"
    DRIFTED = "drifted"
    GONE = "gone"
    LEFT = "left"


IN_AGREEMENT = frozenset({Agreement.DONE, Agreement.GONE, Agreement.LEFT})
"""Nothing is left to do, and nothing has to be."""

TROUBLE_FIRST = (
    Agreement.BLOCKED,
    Agreement.DRIFTED,
    Agreement.MOVING,
    Agreement.WAITING,
    Agreement.LEFT,
    Agreement.GONE,
    Agreement.DONE,
)


class MoveRow(NamedTuple):
    """One move. ``why``: what it waits for, or what is wrong with it; "" where there is nothing to say. ``group`` None:
    it is gone. ``progress``: of the copy that runs.
    """

    number: int
    move: Move
    state: MoveState
    agreement: Agreement
    why: str
    group: ShardGroup | None
    attempt: int
    progress: Progress | None


def rows_of(
    snapshot: Snapshot, plan: MovePlan, moves: Iterable[tuple[int, Move]], *, limits: bool = True
) -> Iterator[MoveRow]:
    """The moves as they stand in that picture. ``limits``: also which limit of the plan a waiting one waits for, which
    takes a third longer.
    """
    load = CopyLoad.of(snapshot) if limits else None
    at_work = _as_at_work(plan)
    for number, move in moves:
        group, shard = place_of(snapshot, move)
        ahead = outlook(snapshot, at_work, move)
        state = ahead.state
        agreement, why = _judge(snapshot, plan, move, shard, ahead)
        if agreement is Agreement.WAITING and load is not None:
            why = held_back(snapshot, at_work, move, load)
        comer = shard.owner(move.to_node) if shard is not None and move.to_node else None
        progress = snapshot.progress(move.shard_id, move.to_node) if state is MoveState.COPYING else None
        yield MoveRow(number, move, state, agreement, why, group, comer.attempt if comer is not None else 0, progress)


def place_of(snapshot: Snapshot, move: Move) -> tuple[ShardGroup | None, Shard | None]:
    """The move's shard and its group; None where it is gone, or its group is deleted."""
    group_id = snapshot.tables.shards.get(move.shard_id)
    group = None if group_id is None else snapshot.find_group(group_id)
    shard = None if group is None or group.is_deleted else group.shard(move.shard_id)
    return (group, shard) if shard is not None else (None, None)


def _as_at_work(plan: MovePlan) -> MovePlan:
    """The plan as if it ran: what would block a move is told of a proposed and of a paused one, too."""
    if plan.state in {PlanState.DRAFTING, PlanState.PROPOSED, PlanState.PAUSED}:
        return plan.model_copy(update={"state": PlanState.RUNNING})
    return plan


def _judge(
    snapshot: Snapshot, plan: MovePlan, move: Move, shard: Shard | None, ahead: Outlook
) -> tuple[Agreement, str]:
    state = ahead.state
    if state is MoveState.DONE:
        return Agreement.DONE, ""
    if shard is None:
        return Agreement.GONE, f"shard {move.shard_id} is deleted"
    if plan.has_ended and plan.state != PlanState.DONE:
        return Agreement.LEFT, ""
    if plan.has_ended or state is MoveState.VOID:
        return Agreement.DRIFTED, _drift(snapshot, shard, move)
    if state is MoveState.COPYING:
        gone = snapshot.is_live(move.to_node) is False
        return Agreement.MOVING, f"node {move.to_node} is down: its copy goes on when it is back" if gone else ""
    if plan.state == PlanState.ABORTING and ahead.step is None:
        return Agreement.LEFT, ""
    if state is MoveState.FAILED:
        comer = shard.owner(move.to_node)
        failed = f"its copy failed: {comer.reason or 'no reason given'}" if comer is not None else "its copy failed"
        return Agreement.BLOCKED, f"{failed}; {ahead.blocked}" if ahead.blocked else failed
    if ahead.blocked:
        return Agreement.BLOCKED, ahead.blocked
    return (Agreement.WAITING if state is MoveState.WAITING else Agreement.MOVING), ""


def _drift(snapshot: Snapshot, shard: Shard, move: Move) -> str:
    """What others have made of it."""
    told = []
    for node_id, wanted in ((move.to_node, True), (move.from_node, False)):
        owner = shard.owner(node_id) if node_id else None
        if wanted and node_id and owner is None:
            node = snapshot.find_node(node_id)
            state = "" if node is None or node.takes_shards else f", and is {node.state}"
            told.append(f"node {node_id} does not own it{state}")
        elif owner is not None and not (wanted and owner.serves):
            told.append(f"node {node_id} is {owner.status} at it" + (f" ({owner.reason})" if owner.reason else ""))
        elif node_id and not wanted and owner is None and told:
            told.append(f"node {node_id} owns it no more")
    return "; ".join(told) or "its owners are not as planned"
