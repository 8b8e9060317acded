"""What `node drain`, `remove` and `replace` have in common: a plan that takes everything off nodes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli import exits
from etcdmeta.cli.asking import confirm
from etcdmeta.cli.plan_apply import propose, watch_plan
from etcdmeta.cli.plan_latecomers import start_or_abort
from etcdmeta.cli.plan_listing import plans_listing
from etcdmeta.cli.plan_view import full_view
from etcdmeta.cli.text import counted
from etcdmeta.commands.planning.draft import LeftOut
from etcdmeta.commands.planning.layout import ZONE_LABEL
from etcdmeta.errors import InvalidInput
from etcdmeta.model.moveplans import MovePlan, PlanKind, PlanLimits, PlanState

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session
    from etcdmeta.commands.planning.draft import PlanDraft
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore

NAMED = 5

Wait = Annotated[
    bool, typer.Option("--apply", "--wait", help="Carry it out, or watch, until it is done: so it is without, too.")
]


@dataclass(frozen=True, slots=True)
class Way:
    """How a plan is carried out, as the options say."""

    reason: str = ""
    limits: PlanLimits | None = None
    detach: bool = False
    pause_on_interrupt: bool = False
    yes: bool = False
    dry_run: bool = False
    zone_label: str = ZONE_LABEL


def way_of(
    wait: bool,
    detach: bool,
    *,
    reason: str,
    limits: PlanLimits,
    pause_on_interrupt: bool,
    yes: bool,
    dry_run: bool,
    zone_label: str = ZONE_LABEL,
) -> Way:
    """Of a verb's options. Raises `InvalidInput` where it shall wait and not wait."""
    if wait and detach:
        raise InvalidInput("--apply and --detach", rule="either this waits until it is done, or it does not")
    return Way(reason, limits, detach, pause_on_interrupt, yes, dry_run, zone_label)


def current(session: Session, store: MetaStore) -> Snapshot:
    """A picture with everything that was done before, to plan on. Raises `NotInitialised`."""
    session.look(store)
    return store.read_consistent(session.remaining())


def under_way(
    snapshot: Snapshot, kind: PlanKind, node_ids: Collection[int], *, remove: bool, replacement: int = 0
) -> MovePlan | None:
    """The plan at work that does that for all of these nodes already."""
    for plan in snapshot.plans():
        same = (plan.kind, plan.remove_subjects, plan.replacement) == (kind, remove, replacement)
        if same and plan.state in {PlanState.RUNNING, PlanState.PAUSED} and set(node_ids) <= set(plan.subjects):
            return plan
    return None


def go_on(session: Session, store: MetaStore, plan: MovePlan, way: Way) -> int:
    """With a plan that somebody began before; the exit code."""
    session.note(f"plan {plan.id}, which is {plan.state}, does that already")
    if way.dry_run:
        if not session.output.is_table:
            snapshot, picture = session.look(store)
            session.output.listing(plans_listing([full_view(snapshot, plan)]), picture)
        return 0
    return watch_plan(
        session, store, plan.id, detach=way.detach, pause_on_interrupt=way.pause_on_interrupt, zone_label=way.zone_label
    )


def empty(session: Session, store: MetaStore, draft: PlanDraft, way: Way, *, question: str = "") -> int:
    """Ask ``question`` where there is one, store the draft, start it, and carry it out; the exit code.

    Raises `PlanConflict` and what else a start raises; the plan is aborted then, since nobody would come back to it.
    """
    if question and not way.dry_run:
        confirm(session, question, yes=way.yes)
    plan_id = propose(
        session,
        store,
        draft,
        reason=way.reason,
        limits=way.limits,
        dry_run=way.dry_run,
        goes_on=True,
        zone_label=way.zone_label,
    )
    if plan_id is None:
        return 0
    start_or_abort(session, store, plan_id)
    return watch_plan(
        session,
        store,
        plan_id,
        detach=way.detach,
        pause_on_interrupt=way.pause_on_interrupt,
        zone_label=way.zone_label,
    )


def tell_left_out(session: Session, left_out: Sequence[LeftOut]) -> None:
    """What a plan cannot help, on stderr, where its screen does not show it."""
    for shard_id, why in left_out[:NAMED]:
        session.note(f"shard {shard_id}: {why}", level="warning")
    if len(left_out) > NAMED:
        session.note(f"{len(left_out) - NAMED} more shards stay, too", level="warning")


def what_stays(left_out: Sequence[LeftOut]) -> str:
    """``2 shards cannot be moved: shard 5: nobody serves it; shard 9: …``."""
    told = "; ".join(f"shard {shard_id}: {why}" for shard_id, why in left_out[:NAMED])
    more = f"; and {len(left_out) - NAMED} more" if len(left_out) > NAMED else ""
    return f"{counted(len(left_out), 'shard')} cannot be moved: {told}{more}"


def tell_what_is_left(session: Session, store: MetaStore, node_ids: Sequence[int]) -> int:
    """Say what the nodes own still, after a plan that has ended; the exit code."""
    snapshot = store.latest()
    code = 0
    for node_id in node_ids:
        owned = [shard.id for _, shard, _ in snapshot.shards_of(node_id)]
        if not owned:
            session.output.sentence(f"node {node_id} ({snapshot.node(node_id).host}) owns nothing any more")
        else:
            named = ", ".join(map(str, owned[:NAMED])) + (", …" if len(owned) > NAMED else "")
            text = f"node {node_id} still owns {counted(len(owned), 'shard')}: {named}"
            session.note(f"{text}; etcdmeta shard explain {owned[0]} says why", level="warning")
            code = exits.PARTLY_DONE
    return code
