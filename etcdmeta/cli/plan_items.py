"""The JSON of the noun ``plan``: plans of moves, and their moves.

The models are the contract; the objects themselves are made by hand, since 200,000 moves through pydantic would take
longer than everything else. A test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from etcdmeta.cli.plan_moves import MoveRow
from etcdmeta.cli.plan_view import PlanView
from etcdmeta.cli.schema import Id, Item, Time
from etcdmeta.model.moves import MoveState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import format_time


class MoveItem(Item):
    """One owner's place changes. ``fromNode`` null: an owner is added; ``toNode`` null: one goes. ``source`` null:
    copied from whichever owner serves. ``planId`` null: the plan is not stored.

    ``state``: waiting, copying, failed, copied, leaving, done, or void (there is nothing left of it). ``agreement``:
    what that is, measured by the plan: done, moving, waiting (for its turn), blocked, drifted (others have changed what
    it is about), gone (its shard is deleted), left (by a plan that was aborted or undone). ``why``: what it waits for,
    or what is wrong with it; "" where there is nothing to say. ``database``, ``policy`` and ``groupId`` are null where
    the shard is gone. Bytes are those of the copy that runs, and null where nobody says; ``sizeBytes``: as planned.
    """

    plan_id: Id | None
    number: int
    shard_id: Id
    database: str | None
    policy: str | None
    group_id: Id | None
    from_node: Id | None
    to_node: Id | None
    source: Id | None
    size_bytes: int | None
    state: str
    agreement: str
    why: str
    attempt: int
    bytes_done: int | None
    bytes_total: int | None
    bytes_per_second: int | None


class LimitsItem(Item):
    """How many copies may run at the same time: to one node, from one node, in all."""

    per_target: int
    per_source: int
    at_once: int


class NodeBalanceItem(Item):
    """Owners of one node in live groups, as it was planned on and as it will be. ``host`` null: it has no record."""

    node_id: Id
    host: str | None
    zone: str | None
    before: int
    after: int


class ZoneBalanceItem(Item):
    """The same of all nodes of a zone."""

    zone: str
    before: int
    after: int


class BalanceItem(Item):
    """``least`` and ``most``: owners of a node, of those that take shards; before and after."""

    nodes: list[NodeBalanceItem]
    zones: list[ZoneBalanceItem]
    least_before: int
    most_before: int
    least_after: int
    most_after: int


class LeftOutItem(Item):
    """A shard that the plan cannot help, and why."""

    shard_id: Id
    why: str


class MovePlanItem(Item):
    """``id`` null: it is not stored. ``state``: draft (of such a one), drafting, proposed, running, paused, aborting,
    aborted, done, undone.

    ``moves``: how many. ``moveStates``: how many are in which state; null in a list, of a plan that has ended: later
    changes may have nothing to do with it. ``moveList``: all moves; null in a list. ``leftOut``: null once it is
    stored. ``note``: why it stands still, or ended. ``subjects``: the nodes that are drained or replaced.
    """

    id: Id | None
    kind: str
    state: str
    reason: str
    author: str
    created_at: Time | None
    changed_at: Time | None
    note: str
    moves: int
    move_states: Mapping[str, int] | None
    limits: LimitsItem
    subjects: list[Id]
    replacement: Id | None
    remove_subjects: bool
    undoes: Id | None
    undone_by: Id | None
    balance: BalanceItem
    left_out: list[LeftOutItem] | None
    move_list: list[MoveItem] | None


KINDS: dict[str, type[BaseModel]] = {"MovePlanList": MovePlanItem, "MoveList": MoveItem}


def plan_json(view: PlanView) -> dict[str, Any]:
    """One plan, as `MovePlanItem` describes it."""
    plan = view.plan
    return {
        "id": _id(plan.id),
        "kind": str(plan.kind),
        "state": "draft" if not plan.id else str(plan.state),
        "reason": plan.reason,
        "author": plan.author,
        "createdAt": _time(plan.created_at),
        "changedAt": _time(plan.changed_at),
        "note": plan.note,
        "moves": plan.moves,
        "moveStates": None if view.counts is None else {str(s): view.counts[s] for s in MoveState if view.counts[s]},
        "limits": {
            "perTarget": plan.limits.per_target,
            "perSource": plan.limits.per_source,
            "atOnce": plan.limits.at_once,
        },
        "subjects": [str(node_id) for node_id in plan.subjects],
        "replacement": _id(plan.replacement),
        "removeSubjects": plan.remove_subjects,
        "undoes": _id(plan.undoes),
        "undoneBy": _id(plan.undone_by),
        "balance": _balance(view),
        "leftOut": None if view.left_out is None else [{"shardId": str(s), "why": why} for s, why in view.left_out],
        "moveList": None if view.rows is None else moves_json(view.snapshot, plan.id, view.rows),
    }


def moves_json(snapshot: Snapshot, plan_id: int, rows: Iterable[MoveRow]) -> list[dict[str, Any]]:
    """The moves, as `MoveItem` describes them."""
    names: dict[tuple[int, int], tuple[str, str]] = {}
    return [_move(snapshot, plan_id, row, names) for row in rows]


def names_of(snapshot: Snapshot, row: MoveRow) -> tuple[str, str] | None:
    """Database and policy of the move's shard; None where it is gone."""
    if row.group is None:
        return None
    database = snapshot.database_by_id(row.group.database_id)
    return database.name, database.policy_by_id(row.group.policy_id).name


def _move(
    snapshot: Snapshot, plan_id: int, row: MoveRow, names: dict[tuple[int, int], tuple[str, str]]
) -> dict[str, Any]:
    move, group, progress = row.move, row.group, row.progress
    database = policy = None
    if group is not None:
        where = (group.database_id, group.policy_id)
        if where not in names:
            names[where] = names_of(snapshot, row) or ("", "")
        database, policy = names[where]
    return {
        "planId": _id(plan_id),
        "number": row.number,
        "shardId": str(move.shard_id),
        "database": database,
        "policy": policy,
        "groupId": None if group is None else str(group.id),
        "fromNode": _id(move.from_node),
        "toNode": _id(move.to_node),
        "source": _id(move.source),
        "sizeBytes": move.size,
        "state": str(row.state),
        "agreement": str(row.agreement),
        "why": row.why,
        "attempt": row.attempt,
        "bytesDone": progress.bytes_done if progress else None,
        "bytesTotal": progress.bytes_total if progress else None,
        "bytesPerSecond": progress.bytes_per_second if progress else None,
    }


def _balance(view: PlanView) -> dict[str, Any]:
    before, after = view.before, view.after
    return {
        "nodes": [
            {"nodeId": str(node_id), "host": host, "zone": zone, "before": owned, "after": will_own}
            for node_id, host, zone, owned, will_own in view.node_balances()
        ],
        "zones": [
            {"zone": zone, "before": before.zones.get(zone, 0), "after": after.zones.get(zone, 0)}
            for zone in _sorted_union(before.zones, after.zones)
        ],
        "leastBefore": before.least,
        "mostBefore": before.most,
        "leastAfter": after.least,
        "mostAfter": after.most,
    }


def _sorted_union(one: Mapping[str, int], other: Mapping[str, int]) -> Sequence[str]:
    return sorted({*one, *other})


def _id(number: int) -> str | None:
    return str(number) if number else None


def _time(nanoseconds: int) -> str | None:
    return format_time(nanoseconds) if nanoseconds else None
