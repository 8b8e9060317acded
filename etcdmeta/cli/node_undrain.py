"""``etcdmeta node undrain``: nodes take shards again, and what empties them is aborted where that is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import verb
from etcdmeta.cli.node import app, listing
from etcdmeta.cli.options import DryRun, Reason, Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.text import counted
from etcdmeta.commands.moveplan import AbortPlan
from etcdmeta.commands.node_states import UndrainNode
from etcdmeta.model.moveplans import MovePlan, PlanState
from etcdmeta.model.moves import MoveState, move_state

if TYPE_CHECKING:
    from etcdmeta.cli.items import NodeItem
    from etcdmeta.commands.plan import Command
    from etcdmeta.model.snapshot import Snapshot


@verb(
    app,
    "undrain",
    epilog="What was moved off so far stays where it is: plan undo, or plan rebalance. A removal that was begun is\n"
    "called off, too. Refused (exit code 4) while a plan empties the node; --abort ends that plan first, and asks.",
)
def undrain(
    ctx: typer.Context,
    nodes: Annotated[list[str], typer.Argument(metavar="NODE...", help="By id or host.")],
    abort: Annotated[bool, typer.Option("--abort", help="Abort the plan that empties it.")] = False,
    reason: Reason = "",
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Nodes take shards again."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, _ = session.look(store)
        ids = tuple(dict.fromkeys(snapshot.node(which).id for which in nodes))
        plans = emptying(snapshot, ids) if abort else []
        held = {node_id for plan in plans for node_id in plan.subjects}
        commands: list[Command] = [AbortPlan(plan_id=plan.id, reason=reason) for plan in plans]
        undrains = [UndrainNode(node_id=node_id, reason=reason) for node_id in ids]
        for command in undrains:
            if command.node_id not in held:
                store.plan(command)  # what is refused anyway is not worth a question
        if dry_run:  # what follows the abort cannot be planned yet
            undrains = [command for command in undrains if command.node_id not in held]
        elif plans:
            confirm(session, "; ".join(what_ends(snapshot, plan) for plan in plans), yes=yes)

        def show(after: Snapshot) -> Listing[NodeItem]:
            return listing(after, map(after.node, ids))

        carry_out(session, store, [*commands, *undrains], dry_run=dry_run, show=show)
        for plan in plans:
            after = store.snapshot().find_plan(plan.id)
            if after is not None and after.state == PlanState.ABORTING:
                session.note(f"plan {plan.id} settles what it had begun: etcdmeta plan abort {plan.id} watches it")


def emptying(snapshot: Snapshot, node_ids: tuple[int, ...]) -> list[MovePlan]:
    """The plans at work that take everything off one of the nodes."""
    wanted = set(node_ids)
    at_work = {PlanState.RUNNING, PlanState.PAUSED}
    return [plan for plan in snapshot.plans() if plan.state in at_work and wanted.intersection(plan.subjects)]


def what_ends(snapshot: Snapshot, plan: MovePlan) -> str:
    """As ``this aborts plan 3 (decommission of node 1): 12 of 40 moves are done, 2 copies are given up``."""
    states = [move_state(snapshot, move) for move in snapshot.plan_moves(plan.id)]
    done, copies = states.count(MoveState.DONE), states.count(MoveState.COPYING)
    given_up = f", {counted(copies, 'copy', 'copies')} {'is' if copies == 1 else 'are'} given up" if copies else ""
    subjects = ("node " if len(plan.subjects) == 1 else "nodes ") + ", ".join(map(str, plan.subjects))
    return f"this aborts plan {plan.id} ({plan.kind} of {subjects}): {done} of {plan.moves} moves are done{given_up}"
