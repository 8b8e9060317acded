"""``etcdmeta plan``: which owners go where, and how far that is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.naming import parse_id, parse_policy
from etcdmeta.cli.options import DryRun, Yes
from etcdmeta.cli.plan_apply import take_up
from etcdmeta.cli.plan_listing import moves_listing, plans_listing
from etcdmeta.cli.plan_options import (
    Apply,
    AtOnce,
    Detach,
    PauseOnInterrupt,
    PerNode,
    PerSource,
    PlanReason,
    ZoneLabel,
    limits_of,
)
from etcdmeta.cli.plan_screen import plan_lines
from etcdmeta.cli.plan_view import PlanView, brief_view, full_view
from etcdmeta.cli.session import Session
from etcdmeta.cli.waiting import waiting
from etcdmeta.commands.planning import decommission as plan_decommission
from etcdmeta.commands.planning import rebalance as plan_rebalance
from etcdmeta.commands.planning import replication as plan_replication
from etcdmeta.commands.planning.layout import ZONE_LABEL

if TYPE_CHECKING:
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore

app = noun("plan")

_NEXT = (
    "The plan is stored and numbered; nothing moves until it is applied: with --apply at once, watched here; with\n"
    "--detach at once, by who leads plans. Exit code of --apply: 0 done, 8 stopped on the way, 130 interrupted."
)


@verb(app, "rebalance", epilog=_NEXT)
def rebalance(
    ctx: typer.Context,
    zone_label: ZoneLabel = ZONE_LABEL,
    reason: PlanReason = "",
    per_node: PerNode = None,
    per_source: PerSource = None,
    at_once: AtOnce = None,
    apply: Apply = False,
    detach: Detach = False,
    pause_on_interrupt: PauseOnInterrupt = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Plan to level owners over the nodes.

    Those of a shard are spread over the zones where they share one; it takes as few moves as it can. Nodes that are
    down, draining or being removed keep what they have.
    """
    session = Session.of(ctx)
    limits = limits_of(per_node, per_source, at_once)
    with session.store() as store:
        snapshot = _current(session, store)
        with waiting(session, "planning"):
            draft = plan_rebalance(snapshot, zone_label=zone_label)
        code = take_up(
            session,
            store,
            draft,
            reason=reason,
            limits=limits,
            dry_run=dry_run,
            apply=apply,
            detach=detach,
            pause_on_interrupt=pause_on_interrupt,
            yes=yes,
            zone_label=zone_label,
        )
    raise typer.Exit(code)


@verb(app, "decommission", epilog=_NEXT)
def decommission(
    ctx: typer.Context,
    nodes: Annotated[list[str], typer.Argument(metavar="NODE...", help="By id or host.")],
    remove: Annotated[bool, typer.Option("--remove", help="At the end they are removed for good. Asks.")] = False,
    zone_label: ZoneLabel = ZONE_LABEL,
    reason: PlanReason = "",
    per_node: PerNode = None,
    per_source: PerSource = None,
    at_once: AtOnce = None,
    apply: Apply = False,
    detach: Detach = False,
    pause_on_interrupt: PauseOnInterrupt = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Plan to take everything off nodes. They take no new shards from when it is applied."""
    session = Session.of(ctx)
    limits = limits_of(per_node, per_source, at_once)
    with session.store() as store:
        snapshot = _current(session, store)
        subjects = [snapshot.node(which).id for which in nodes]
        with waiting(session, "planning"):
            draft = plan_decommission(snapshot, subjects, remove=remove, zone_label=zone_label)
        code = take_up(
            session,
            store,
            draft,
            reason=reason,
            limits=limits,
            dry_run=dry_run,
            apply=apply,
            detach=detach,
            pause_on_interrupt=pause_on_interrupt,
            yes=yes,
            zone_label=zone_label,
        )
    raise typer.Exit(code)


@verb(app, "replication", epilog=_NEXT)
def replication(
    ctx: typer.Context,
    policy: Annotated[
        str | None, typer.Argument(metavar="[DB[.POLICY]]", help="Only of this database or policy.")
    ] = None,
    zone_label: ZoneLabel = ZONE_LABEL,
    reason: PlanReason = "",
    per_node: PerNode = None,
    per_source: PerSource = None,
    at_once: AtOnce = None,
    apply: Apply = False,
    detach: Detach = False,
    pause_on_interrupt: PauseOnInterrupt = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Plan as many owners as the policies want.

    More of them, or fewer, after `rp alter --replicas`.
    """
    session = Session.of(ctx)
    limits = limits_of(per_node, per_source, at_once)
    database, name = parse_policy(policy) if policy else (None, None)
    with session.store() as store:
        snapshot = _current(session, store)
        with waiting(session, "planning"):
            draft = plan_replication(snapshot, database=database, policy=name or None, zone_label=zone_label)
        code = take_up(
            session,
            store,
            draft,
            reason=reason,
            limits=limits,
            dry_run=dry_run,
            apply=apply,
            detach=detach,
            pause_on_interrupt=pause_on_interrupt,
            yes=yes,
            zone_label=zone_label,
        )
    raise typer.Exit(code)


@verb(app, "list")
def list_(
    ctx: typer.Context,
    active: Annotated[bool, typer.Option("--active", help="Only those that have not ended.")] = False,
) -> None:
    """List the plans, in the order they were made.

    They are those that have not ended, and the last 50 that have. DONE counts moves of those that have not ended.
    """
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        views = [brief_view(snapshot, plan) for plan in snapshot.plans() if not (active and plan.has_ended)]
        session.output.listing(plans_listing(views), picture)


@verb(app, "show")
def show(
    ctx: typer.Context,
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Plans.")],
    moves: Annotated[bool, typer.Option("--moves", help="All moves, however many; -o json: the moves alone.")] = False,
    zone_label: ZoneLabel = ZONE_LABEL,
) -> None:
    """Show plans: how far they are, what they move.

    And what they are for, and the balance before and after. Of a large plan 20 moves are shown, those in trouble first.
    """
    session = Session.of(ctx)
    output = session.output
    numbers = list(dict.fromkeys(parse_id(text, "plan") for text in ids))
    with session.store() as store:
        snapshot, picture = session.look(store)
        plans = [snapshot.plan(number) for number in numbers]
        with waiting(session, "looking at the moves"):
            every = moves or not output.is_table or output.format == "wide"
            views = [full_view(snapshot, plan, limits=every, zone_label=zone_label) for plan in plans]
    if output.is_table:
        _print(session, views, every=moves)
    elif moves:
        # A summary and rows of one kind: of several plans the rows follow each other, and say whose they are.
        owners = {id(row): view for view in views for row in view.rows or ()}
        rows = [row for view in views for row in view.rows or ()]
        output.listing(moves_listing(views[0], rows, plan_of=lambda row: owners[id(row)].plan.id), picture)
    else:
        output.listing(plans_listing(views), picture)


def _print(session: Session, views: list[PlanView], *, every: bool) -> None:
    from etcdmeta.cli.paging import page
    from etcdmeta.cli.shard import look

    lines: list[str] = []
    for view in views:
        drawn = plan_lines(view, look(session), every=every or session.output.format == "wide")
        lines += [*([""] if lines else []), *drawn]
    page(session, lines)


def _current(session: Session, store: MetaStore) -> Snapshot:
    """A picture with everything that was done before, to plan on."""
    session.look(store)  # there has to be a cluster
    return store.read_consistent(session.remaining())


from etcdmeta.cli import plan_life, plan_verify  # noqa: E402, F401 - they register their verbs with ``app``
