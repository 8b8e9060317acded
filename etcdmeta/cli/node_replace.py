"""``etcdmeta node replace``: what one node owns goes to another, which takes its place."""

from __future__ import annotations

from typing import Annotated

import typer

from etcdmeta.cli.frame import verb
from etcdmeta.cli.node import app
from etcdmeta.cli.node_emptying import Wait, current, empty, go_on, under_way, way_of, what_stays
from etcdmeta.cli.node_remove import tell_removed
from etcdmeta.cli.options import DryRun, Reason, Yes
from etcdmeta.cli.plan_options import AtOnce, Detach, PauseOnInterrupt, PerNode, PerSource, ZoneLabel, limits_of
from etcdmeta.cli.session import Session
from etcdmeta.cli.text import counted
from etcdmeta.cli.waiting import waiting
from etcdmeta.commands.planning import replace as plan_replace
from etcdmeta.commands.planning.draft import PlanDraft
from etcdmeta.commands.planning.layout import ZONE_LABEL
from etcdmeta.errors import NodeOwnsShards, NodeUnavailable
from etcdmeta.model.entities import Node
from etcdmeta.model.moveplans import PlanKind
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot


@verb(
    app,
    "replace",
    epilog="A node that is dead is replaced as well: each shard is copied from an owner that serves. A shard that NEW\n"
    "owns already goes to another node, where there are too few owners then. The same command again goes on.\n"
    "Exit code: 0 OLD is removed, 8 stopped on the way, 4 refused.",
)
def replace(
    ctx: typer.Context,
    old: Annotated[str, typer.Argument(metavar="OLD", help="Who goes, by id or host.")],
    new: Annotated[str, typer.Argument(metavar="NEW", help="Who takes over: another node, joined and up.")],
    reason: Reason = "",
    per_node: PerNode = None,
    per_source: PerSource = None,
    at_once: AtOnce = None,
    zone_label: ZoneLabel = ZONE_LABEL,
    wait: Wait = False,
    detach: Detach = False,
    pause_on_interrupt: PauseOnInterrupt = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Put one node in the place of another. That one may be dead; it is removed for good at the end. Asks first."""
    session = Session.of(ctx)
    way = way_of(wait, detach, reason=reason, limits=limits_of(per_node, per_source, at_once), zone_label=zone_label,
                 pause_on_interrupt=pause_on_interrupt, yes=yes, dry_run=dry_run)  # fmt: skip
    with session.store() as store:
        snapshot = current(session, store)
        gone, come = snapshot.node(old), snapshot.node(new)
        if gone.state == NodeState.REMOVED:
            tell_removed(session, store, gone, "is removed already; nothing changed")
            return
        plan = under_way(snapshot, PlanKind.REPLACE, [gone.id], remove=True, replacement=come.id)
        if plan is not None:
            code = go_on(session, store, plan, way)
        else:
            _check_taker(snapshot, come)
            with waiting(session, "planning"):
                draft = plan_replace(snapshot, old=gone.id, new=come.id, zone_label=zone_label)
            _check(gone, draft)
            code = empty(session, store, draft, way, question=_question(snapshot, gone, come, draft))
    raise typer.Exit(code)


def _check_taker(snapshot: Snapshot, come: Node) -> None:
    """Raises `NodeUnavailable`, saying which it is; what else the planner refuses."""
    if not come.takes_shards:
        raise NodeUnavailable(
            f"node {come.id} ({come.host}) cannot take over: it is {come.state}",
            value=str(come.state),
            rule="only a joined node takes shards",
            remedy=None if come.state == NodeState.REMOVED else f"etcdmeta node undrain {come.id}",
        )
    if snapshot.is_live(come.id) is False:
        raise NodeUnavailable(
            f"node {come.id} ({come.host}) cannot take over: it is down",
            value=come.id,
            rule="what is down copies nothing",
            remedy=f"start its agent; etcdmeta node show {come.id}",
        )


def _check(gone: Node, draft: PlanDraft) -> None:
    """Raises `NodeOwnsShards` where nothing of the node can be moved."""
    if draft.left_out and not draft.moves:
        first = draft.left_out[0].shard_id
        raise NodeOwnsShards(
            f"node {gone.id} ({gone.host}) cannot be replaced: {what_stays(draft.left_out)}",
            value=gone.id,
            rule="a shard is copied from an owner that serves",
            remedy=f"bring a node that has them back, or give them up: etcdmeta shard remove-owner {first} {gone.id} "
            "--force --allow-last --reason TEXT",
        )


def _question(snapshot: Snapshot, gone: Node, come: Node, draft: PlanDraft) -> str:
    text = f"this removes node {gone.id} ({gone.host}{', down' if snapshot.is_live(gone.id) is False else ''}) for good"
    taken = sum(move.to_node == come.id for move in draft.moves)
    if draft.moves:
        moved = f"{counted(taken, 'shard')} {'is' if taken == 1 else 'are'} moved"
        text += f", after {moved} to node {come.id} ({come.host})"
    if taken < len(draft.moves):
        text += f", and {len(draft.moves) - taken} that it owns already to others, where too few would be left"
    if draft.left_out:
        text += f"; {what_stays(draft.left_out)}; node {gone.id} goes when nothing of it is left"
    return text
