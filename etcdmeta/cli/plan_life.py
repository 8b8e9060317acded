"""``etcdmeta plan apply``, ``pause``, ``abort`` and ``undo``: the life of a plan that is stored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import verb
from etcdmeta.cli.naming import parse_id
from etcdmeta.cli.options import DryRun, Yes
from etcdmeta.cli.plan import app
from etcdmeta.cli.plan_apply import take_up, watch_plan, what_goes
from etcdmeta.cli.plan_latecomers import tell_what_stays
from etcdmeta.cli.plan_listing import plans_listing
from etcdmeta.cli.plan_options import (
    Apply,
    AtOnce,
    Detach,
    PauseOnInterrupt,
    PerNode,
    PerSource,
    PlanId,
    PlanReason,
    limits_of,
)
from etcdmeta.cli.plan_view import PlanView, full_view
from etcdmeta.cli.session import Session
from etcdmeta.cli.text import counted
from etcdmeta.commands.moveplan import AbortPlan, PausePlan, StartPlan
from etcdmeta.commands.planning import undo as plan_undo
from etcdmeta.errors import PlanConflict
from etcdmeta.model.moveplans import MovePlan, PlanState
from etcdmeta.model.moves import MoveState, move_state

if TYPE_CHECKING:
    from etcdmeta.cli.output import Listing
    from etcdmeta.model.snapshot import Snapshot

_BEGUN = frozenset({MoveState.COPYING, MoveState.FAILED, MoveState.COPIED, MoveState.LEAVING})


@verb(
    app,
    "apply",
    epilog="Where an agent leads plans, it carries them out and this watches; where none does, this process does.\n"
    "Ctrl-C: the work goes on at the agents; where this process carries it out, the plan is paused. The same command\n"
    "goes on with it, from any machine. Exit code: 0 done, 8 stopped on the way (paused or aborted meanwhile), 124\n"
    "where --timeout runs out, 130 interrupted.",
)
def apply(
    ctx: typer.Context,
    plan: PlanId,
    detach: Detach = False,
    pause_on_interrupt: PauseOnInterrupt = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Carry a plan out, or watch it, until it is done.

    A proposed one begins, a paused one goes on, one that is at work already is watched. What removes nodes at its end
    asks first. Shards that came to the nodes that it empties since it was made get a plan of their own.
    """
    session = Session.of(ctx)
    number = parse_id(plan, "plan")
    with session.store() as store:
        snapshot, _ = session.look(store)
        record = snapshot.plan(number)
        if dry_run:
            carry_out(session, store, [StartPlan(plan_id=number)], dry_run=True, show=_listing(snapshot, number))
            return
        if record.state in {PlanState.PROPOSED, PlanState.PAUSED}:
            store.plan(StartPlan(plan_id=number))  # what is refused anyway is not worth a question
            question = what_goes(snapshot, record)
            if question:
                confirm(session, question, yes=yes)
        code = watch_plan(session, store, number, detach=detach, pause_on_interrupt=pause_on_interrupt)
        tell_what_stays(session, store.latest(), number)
    raise typer.Exit(code)


@verb(app, "pause", epilog="Copies that run go on; plan apply goes on with the plan.")
def pause(ctx: typer.Context, plan: PlanId, reason: PlanReason = "", dry_run: DryRun = False) -> None:
    """Let a running plan stand still.

    Nothing more of it begins; whatever is in between waits there.
    """
    session = Session.of(ctx)
    number = parse_id(plan, "plan")
    with session.store() as store:
        session.look(store)
        command = PausePlan(plan_id=number, reason=reason)
        carry_out(session, store, [command], dry_run=dry_run, show=lambda after: _listing(after, number))


@verb(
    app,
    "abort",
    epilog="Exit code: 0 aborted, with --detach being aborted; 130 interrupted: the same command again goes on.",
)
def abort(
    ctx: typer.Context,
    plan: PlanId,
    reason: PlanReason = "",
    detach: Detach = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """End a plan early; what it began is settled.

    Asks first. What is done stays done (see undo). Copies that run are cancelled; nodes that it drained are
    what they were before.
    """
    session = Session.of(ctx)
    number = parse_id(plan, "plan")
    with session.store() as store:
        snapshot, _ = session.look(store)
        record = snapshot.plan(number)
        command = AbortPlan(plan_id=number, reason=reason)
        if dry_run or record.state == PlanState.ABORTED:
            carry_out(session, store, [command], dry_run=dry_run, show=lambda after: _listing(after, number))
            return
        if record.state != PlanState.ABORTING:
            store.plan(command)  # what is refused anyway is not worth a question
            confirm(session, _given_up(snapshot, record), yes=yes)
            store.execute(command, timeout=session.remaining())
        code = watch_plan(session, store, number, apply=False, settles=True, detach=detach)
    raise typer.Exit(code)


@verb(
    app,
    "undo",
    epilog="The new plan is stored and numbered; nothing moves until it is applied, or with --apply or --detach.",
)
def undo(
    ctx: typer.Context,
    plan: PlanId,
    reason: PlanReason = "",
    per_node: PerNode = None,
    per_source: PerSource = None,
    at_once: AtOnce = None,
    apply: Apply = False,
    detach: Detach = False,
    pause_on_interrupt: PauseOnInterrupt = False,
    dry_run: DryRun = False,
) -> None:
    """Plan to bring back what a plan has moved.

    It has to have ended; its nodes become what they were before it. What cannot go back, since others have moved it or
    its node is gone, is left out and named.
    """
    session = Session.of(ctx)
    number = parse_id(plan, "plan")
    limits = limits_of(per_node, per_source, at_once)
    with session.store() as store:
        session.look(store)
        snapshot = store.read_consistent(session.remaining())
        record = snapshot.plan(number)
        if record.state not in {PlanState.DONE, PlanState.ABORTED}:
            by = f" by plan {record.undone_by}" if record.undone_by else ""
            raise PlanConflict(
                f"plan {number} is {record.state}{by} and cannot be undone",
                value=str(record.state),
                rule="a plan is undone when it has ended, once",
                remedy=None if record.has_ended else f"etcdmeta plan abort {number}, and then undo it",
            )
        draft = plan_undo(snapshot, number)
        code = take_up(session, store, draft, reason=reason or f"undoes plan {number}", limits=limits, dry_run=dry_run,
                       apply=apply, detach=detach, pause_on_interrupt=pause_on_interrupt)  # fmt: skip
    raise typer.Exit(code)


def _given_up(snapshot: Snapshot, plan: MovePlan) -> str:
    """What an abort does, to ask by."""
    if not plan.is_active:
        return f"this aborts plan {plan.id} ({plan.kind}, {counted(plan.moves, 'move')}), of which nothing has begun"
    states = [move_state(snapshot, move) for move in snapshot.plan_moves(plan.id)]
    copying, done = states.count(MoveState.COPYING), states.count(MoveState.DONE)
    begun = sum(state in _BEGUN for state in states)
    cancelled = f", of which {counted(copying, 'copy', 'copies')} will be cancelled" if copying else ""
    facts = f"{done} of {counted(plan.moves, 'move')} stay done; {begun} under way are settled{cancelled}"
    return f"this aborts plan {plan.id} ({plan.kind}): {facts}"


def _listing(snapshot: Snapshot, number: int) -> Listing[PlanView]:
    return plans_listing([full_view(snapshot, snapshot.plan(number))])
