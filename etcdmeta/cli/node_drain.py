"""``etcdmeta node drain``: nodes take no new shards, and what they own moves to the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli import exits
from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import verb
from etcdmeta.cli.node import app, listing
from etcdmeta.cli.node_emptying import (
    Wait,
    Way,
    current,
    empty,
    go_on,
    tell_left_out,
    tell_what_is_left,
    under_way,
    way_of,
)
from etcdmeta.cli.options import DryRun, Reason, Yes
from etcdmeta.cli.plan_options import AtOnce, Detach, PauseOnInterrupt, PerNode, PerSource, ZoneLabel, limits_of
from etcdmeta.cli.session import Session
from etcdmeta.cli.waiting import waiting
from etcdmeta.commands.node_states import DrainNode
from etcdmeta.commands.planning import decommission
from etcdmeta.commands.planning.layout import ZONE_LABEL
from etcdmeta.model.moveplans import PlanKind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from etcdmeta.cli.items import NodeItem
    from etcdmeta.cli.output import Listing
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore


@verb(
    app,
    "drain",
    epilog="It is a plan (decommission): plan show, pause, abort and undo take it as any other. Ctrl-C: the work goes\n"
    "on at the agents; where this process carries it out, it is paused. The same command again goes on with it.\n"
    "node undrain lets nodes take shards again. Exit code: 0 they own nothing any more, 8 something stayed.",
)
def drain(
    ctx: typer.Context,
    nodes: Annotated[list[str], typer.Argument(metavar="NODE...", help="By id or host.")],
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
    """Take everything off nodes. They stay in the cluster, and take no new shards from now on.

    What they own moves to other nodes; every shard is served all along.
    """
    session = Session.of(ctx)
    way = way_of(wait, detach, reason=reason, limits=limits_of(per_node, per_source, at_once), zone_label=zone_label,
                 pause_on_interrupt=pause_on_interrupt, yes=yes, dry_run=dry_run)  # fmt: skip
    with session.store() as store:
        snapshot = current(session, store)
        ids = tuple(dict.fromkeys(snapshot.node(which).id for which in nodes))
        for node_id in ids:
            store.plan(DrainNode(node_id=node_id))  # what is refused anyway is not worth a plan, or a question
        plan = under_way(snapshot, PlanKind.DECOMMISSION, ids, remove=False)
        code = _begin(session, store, snapshot, ids, way) if plan is None else go_on(session, store, plan, way)
        if not (code or detach or dry_run):
            code = tell_what_is_left(session, store, ids)
    raise typer.Exit(code)


def _begin(session: Session, store: MetaStore, snapshot: Snapshot, ids: tuple[int, ...], way: Way) -> int:
    with waiting(session, "planning"):
        draft = decommission(snapshot, node_ids=ids, zone_label=way.zone_label)
    question = _nobody_left(snapshot, ids)
    if draft.moves:
        return empty(session, store, draft, way, question=question)
    if question and not way.dry_run:
        confirm(session, question, yes=way.yes)
    commands = [DrainNode(node_id=node_id, reason=way.reason) for node_id in ids]

    def show(after: Snapshot) -> Listing[NodeItem]:
        return listing(after, map(after.node, ids))

    carry_out(session, store, commands, dry_run=way.dry_run, show=show)
    tell_left_out(session, draft.left_out)
    return exits.PARTLY_DONE if draft.left_out and not way.dry_run else 0


def _nobody_left(snapshot: Snapshot, ids: Sequence[int]) -> str:
    """The question to ask where no node would be left that takes shards; "" where there is one."""
    taking = {node.id for node in snapshot.nodes() if node.takes_shards}
    if not taking or taking - set(ids):
        return ""
    return "no node is left then that takes shards: no shard group can be created until one does"
