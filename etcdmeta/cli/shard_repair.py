"""``etcdmeta shard repair``: what is lost is copied again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli import exits
from etcdmeta.cli.frame import verb
from etcdmeta.cli.naming import parse_id
from etcdmeta.cli.node_emptying import Wait, current, go_on, way_of, what_stays
from etcdmeta.cli.options import DryRun, Reason
from etcdmeta.cli.plan_apply import take_up
from etcdmeta.cli.plan_options import AtOnce, Detach, PauseOnInterrupt, PerNode, PerSource, ZoneLabel, limits_of
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard import app
from etcdmeta.cli.shard_plans import active_moves
from etcdmeta.cli.waiting import waiting
from etcdmeta.commands.planning import repair as plan_repair
from etcdmeta.commands.planning.layout import ZONE_LABEL
from etcdmeta.errors import MoveBlocked
from etcdmeta.model.moveplans import MovePlan, PlanKind, PlanState

if TYPE_CHECKING:
    from collections.abc import Iterable

    from etcdmeta.commands.planning.draft import PlanDraft
    from etcdmeta.model.snapshot import Snapshot


@verb(
    app,
    "repair",
    epilog="It is a plan: plan show, pause, abort and undo take it as any other. An owner that failed copies again\n"
    "where it is; one on a node that is down, or gone, is replaced on another node. Where nobody serves a shard,\n"
    "nothing can be copied: its nodes have to come back. Exit code: 0 repaired, or nothing to repair, 4 none of it\n"
    "can be, 8 a part of it, or stopped on the way.",
)
def repair(
    ctx: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="These shards; without: all.")] = None,
    reason: Reason = "",
    per_node: PerNode = None,
    per_source: PerSource = None,
    at_once: AtOnce = None,
    zone_label: ZoneLabel = ZONE_LABEL,
    wait: Wait = False,
    detach: Detach = False,
    pause_on_interrupt: PauseOnInterrupt = False,
    dry_run: DryRun = False,
) -> None:
    """Copy again what is lost: owners that failed, are on nodes that are down or gone, or that the policy wants."""
    session = Session.of(ctx)
    numbers = None if not ids else {parse_id(text, "shard") for text in ids}
    way = way_of(wait, detach, reason=reason, limits=limits_of(per_node, per_source, at_once), zone_label=zone_label,
                 pause_on_interrupt=pause_on_interrupt, yes=True, dry_run=dry_run)  # fmt: skip
    with session.store() as store:
        snapshot = current(session, store)
        for number in numbers or ():
            snapshot.shard(number)
        with waiting(session, "planning"):
            draft = plan_repair(snapshot, shards=numbers, now=time.time_ns(), zone_label=zone_label)
        plan = None if draft.moves else _under_way(snapshot, (left.shard_id for left in draft.left_out))
        if plan is not None:
            code = go_on(session, store, plan, way)
        elif session.output.is_table and not draft.moves:
            session.output.sentence("nothing is to be repaired" if not draft.left_out else "nothing can be repaired")
            code = 0
        else:
            code = take_up(
                session,
                store,
                draft,
                reason=reason,
                limits=way.limits,
                dry_run=dry_run,
                apply=not detach,
                detach=detach,
                pause_on_interrupt=pause_on_interrupt,
                zone_label=zone_label,
            )
        if plan is None and draft.left_out:
            _check(draft, dry_run=dry_run)
            session.note(what_stays(draft.left_out), level="warning")
            code = code if dry_run else code or exits.PARTLY_DONE
    raise typer.Exit(code)


def _check(draft: PlanDraft, *, dry_run: bool) -> None:
    """Raises `MoveBlocked` where nothing could be done."""
    if not draft.moves and not dry_run:
        raise MoveBlocked(
            what_stays(draft.left_out),
            value=draft.left_out[0].shard_id,
            rule="a shard is copied from an owner that serves, to a node that takes shards",
            remedy=f"etcdmeta shard explain {draft.left_out[0].shard_id}",
        )


def _under_way(snapshot: Snapshot, shard_ids: Iterable[int]) -> MovePlan | None:
    """The one repair at work that concerns all of these shards; None also where there are none."""
    found: set[int] = set()
    for shard_id in shard_ids:
        repairs = {each.plan.id for each in active_moves(snapshot, shard_id) if each.plan.kind == PlanKind.REPAIR}
        if not repairs:
            return None
        found |= repairs
    if len(found) != 1:
        return None
    plan = snapshot.plan(found.pop())
    return plan if plan.state in {PlanState.RUNNING, PlanState.PAUSED} else None
