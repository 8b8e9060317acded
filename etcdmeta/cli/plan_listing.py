"""Plans and moves in every format but the screens of `etcdmeta.cli.plan_screen`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from etcdmeta.cli.naming import policy_name
from etcdmeta.cli.output import Listing
from etcdmeta.cli.plan_items import MoveItem, MovePlanItem, moves_json, names_of, plan_json
from etcdmeta.cli.plan_moves import MoveRow
from etcdmeta.cli.plan_view import PlanView
from etcdmeta.cli.tables import Column
from etcdmeta.model.durations import SECOND
from etcdmeta.model.moves import MoveState
from etcdmeta.model.times import format_time


def plans_listing(views: Sequence[PlanView], summary: Mapping[str, Any] | None = None) -> Listing[PlanView]:
    """As ``MovePlanList``."""
    return Listing(
        kind="MovePlanList",
        items=views,
        columns=(
            Column("PLAN", lambda view: str(view.plan.id or "-"), right=True),
            Column("KIND", lambda view: str(view.plan.kind)),
            Column("STATE", lambda view: str(view.plan.state)),
            Column("MOVES", lambda view: str(view.plan.moves), right=True),
            Column("DONE", _done, right=True),
            Column("CREATED", lambda view: _second(view.plan.created_at), rank=1),
            Column("AUTHOR", lambda view: view.plan.author or "-"),
            Column("REASON", lambda view: view.plan.reason or "-"),
            Column("CHANGED", lambda view: _second(view.plan.changed_at), wide=True),
            Column("NODES", lambda view: ",".join(f"n{node_id}" for node_id in view.plan.subjects) or "-", wide=True),
            Column("LIMITS", _limits, wide=True),
            Column("NOTE", lambda view: view.plan.note or "-", wide=True),
        ),
        fields=MovePlanItem.fields(),
        plain=plan_json,
        name=lambda view: str(view.plan.id),
        things="plans",
        flat={
            "balance": _levels,
            "moveList": lambda _: "",
            "leftOut": lambda view: ",".join(str(left.shard_id) for left in view.left_out or ()),
        },
        summary=summary or {},
        warnings=[notice for view in views for notice in view.notices],
    )


def moves_listing(
    view: PlanView,
    rows: Sequence[MoveRow],
    summary: Mapping[str, Any] | None = None,
    *,
    plan_of: Callable[[MoveRow], int] | None = None,
) -> Listing[MoveRow]:
    """As ``MoveList``. ``plan_of``: whose move it is, where they are of several plans."""
    snapshot = view.snapshot
    whose = plan_of or (lambda _: view.plan.id)

    def place(row: MoveRow) -> str:
        names = names_of(snapshot, row)
        return "-" if names is None else policy_name(*names)

    return Listing(
        kind="MoveList",
        items=rows,
        columns=(
            Column("MOVE", lambda row: str(row.number), right=True),
            Column("SHARD", lambda row: str(row.move.shard_id), right=True),
            Column("DB.POLICY", place),
            Column("FROM", lambda row: f"n{row.move.from_node}" if row.move.from_node else "-"),
            Column("TO", lambda row: f"n{row.move.to_node}" if row.move.to_node else "-"),
            Column("STATE", lambda row: str(row.state)),
            Column("WHY", lambda row: row.why or "-"),
        ),
        fields=MoveItem.fields(),
        plain=lambda row: moves_json(snapshot, whose(row), [row])[0],
        name=lambda row: str(row.number),
        things="moves",
        summary=summary or {},
    )


def _done(view: PlanView) -> str:
    return "-" if view.counts is None else str(view.counts[MoveState.DONE])


def _limits(view: PlanView) -> str:
    limits = view.plan.limits
    return f"{limits.at_once} at once, {limits.per_target} to a node, {limits.per_source} from a node"


def _levels(view: PlanView) -> str:
    before, after = view.before, view.after
    return f"{before.least}-{before.most},{after.least}-{after.most}"


def _second(time: int) -> str:
    return format_time(time // SECOND * SECOND) if time else "-"
