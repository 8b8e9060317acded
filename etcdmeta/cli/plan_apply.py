"""Plans from the command line: a draft is shown and stored, and a plan is carried out, or watched, until it ends.

The plan is stored in etcd, not in the process: whoever leads "plans" carries it out, an agent or, where none does, this
process; and what one began, another goes on with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from etcdmeta.cli import exits
from etcdmeta.cli.asking import confirm
from etcdmeta.cli.plan_follow import AT_WORK, Following
from etcdmeta.cli.plan_latecomers import take_latecomers, tell_what_stays
from etcdmeta.cli.plan_listing import plans_listing
from etcdmeta.cli.plan_screen import plan_lines, resuming
from etcdmeta.cli.plan_tally import state_words
from etcdmeta.cli.plan_view import PlanView, draft_view, full_view
from etcdmeta.cli.text import counted
from etcdmeta.cli.waiting import waiting
from etcdmeta.commands.planning.layout import ZONE_LABEL
from etcdmeta.errors import InvalidInput
from etcdmeta.model.moveplans import MovePlan, PlanKind, PlanLimits, PlanState
from etcdmeta.model.moves import MoveState

if TYPE_CHECKING:
    from etcdmeta.cli.session import Session
    from etcdmeta.commands.planning.draft import PlanDraft
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore


def propose(
    session: Session,
    store: MetaStore,
    draft: PlanDraft,
    *,
    reason: str = "",
    limits: PlanLimits | None = None,
    dry_run: bool = False,
    goes_on: bool = False,
    zone_label: str = ZONE_LABEL,
) -> int | None:
    """Show a draft and store it as a plan; its id. None: nothing was stored, since there is nothing to move, or for
    ``dry_run``, which shows what would be written besides.

    ``goes_on``: the caller carries the plan out at once, so that nothing but the screen for a person is printed now.
    """
    if not draft.moves and not draft.subjects and not draft.undoes:
        empty = draft_view(store.latest(), draft, reason=reason, limits=limits, zone_label=zone_label)
        _show(session, store, empty, "nothing is to be moved")
        return None
    if dry_run:
        _show_dry_run(session, store, draft, reason, limits, zone_label)
        return None
    with waiting(session, f"storing {counted(len(draft.moves), 'move')}"):
        plan = store.propose(draft, reason=reason, limits=limits, timeout=session.remaining())
    view = draft_view(store.latest(), draft, plan=plan, zone_label=zone_label)
    if session.output.is_table or not goes_on:
        _show(session, store, view, goes_on=goes_on)
    return plan.id


def take_up(
    session: Session,
    store: MetaStore,
    draft: PlanDraft,
    *,
    reason: str = "",
    limits: PlanLimits | None = None,
    dry_run: bool = False,
    apply: bool = False,
    detach: bool = False,
    pause_on_interrupt: bool = False,
    yes: bool = False,
    consent: str = "",
    zone_label: str = ZONE_LABEL,
) -> int:
    """All that a verb does with a draft: shown and stored, with ``apply`` or ``detach`` also started, and with
    ``apply`` carried out to its end. The exit code.

    What takes nodes away is asked first where it is to be started; ``consent``: the question, without its end, instead
    of the one that names the nodes. Raises `InvalidInput` where it shall wait and not wait.
    """
    if apply and detach:
        raise InvalidInput("--apply and --detach", rule="either this waits until the plan is done, or it does not")
    starts = (apply or detach) and not dry_run
    question = consent or what_goes(store.latest(), draft)
    if starts and question:
        confirm(session, question, yes=yes)
    plan_id = propose(session, store, draft, reason=reason, limits=limits, dry_run=dry_run, goes_on=starts,
                      zone_label=zone_label)  # fmt: skip
    if plan_id is None or not starts:
        return 0
    code = watch_plan(
        session, store, plan_id, detach=detach, pause_on_interrupt=pause_on_interrupt, zone_label=zone_label
    )
    tell_what_stays(session, store.latest(), plan_id)
    return code


def watch_plan(
    session: Session,
    store: MetaStore,
    plan_id: int,
    *,
    apply: bool = True,
    settles: bool = False,
    detach: bool = False,
    pause_on_interrupt: bool = False,
    zone_label: str = ZONE_LABEL,
) -> int:
    """Until the plan has ended, or is paused: how far it is, on stderr; at the end the plan itself, on stdout. The exit
    code: 0 done (with ``settles`` aborted), 8 stopped on the way.

    ``apply``: start it, where it is proposed or paused, and carry it out where nobody else does; ``settles``: do not
    start it, but carry it out until it is aborted; ``detach``: do not wait for the end. Over agents this process cannot
    lead, and only watches. Interrupted, the work goes on at whoever leads; where this process does, and with
    ``pause_on_interrupt``, the plan is paused. What came to nodes that it empties since it was made gets plans of its
    own (with ``zone_label``), which are watched after it.

    Raises `PlanNotFound`, `PlanConflict` where it cannot start, `WaitTimedOut` after ``--timeout``, KeyboardInterrupt.
    """
    plan = store.latest().plan(plan_id)
    if apply and plan.state not in {*AT_WORK, PlanState.DONE}:
        plan = store.start_plan(plan_id, timeout=session.remaining())
    late = take_latecomers(session, store, plan, zone_label) if apply else []
    wanted = PlanState.ABORTED if settles else PlanState.DONE
    counts: Mapping[MoveState, int] | None = None
    if plan.state in AT_WORK and not detach:
        watch = Following(session, store, plan, pause_on_interrupt)
        plan, counts = watch.run(carries=apply or settles)
    _tell_end(session, store, plan, counts)
    if detach:
        return 0
    code = 0 if plan.state == wanted else exits.PARTLY_DONE
    return max([code, *(_watch_late(session, store, each, pause_on_interrupt) for each in late)])


def _watch_late(session: Session, store: MetaStore, plan_id: int, pause_on_interrupt: bool) -> int:
    if store.latest().plan(plan_id).has_ended:
        return 0
    if session.output.is_table:
        return watch_plan(session, store, plan_id, pause_on_interrupt=pause_on_interrupt)
    # One document is printed, not two.
    session.note(f"plan {plan_id} is not done yet: etcdmeta plan apply {plan_id} goes on with it", level="warning")
    return exits.PARTLY_DONE


def what_goes(snapshot: Snapshot, plan: PlanDraft | MovePlan) -> str:
    """The sentence to ask by, without its end: which nodes a plan removes for good. "" where it removes none."""
    removes = plan.remove_subjects or plan.kind == PlanKind.REPLACE
    if not removes or not plan.subjects:
        return ""
    moves = plan.moves if isinstance(plan.moves, int) else len(plan.moves)
    nodes = [snapshot.find_node(node_id) for node_id in plan.subjects]
    named = ", ".join(f"node {node.id} ({node.host})" for node in nodes if node is not None)
    return f"this removes {named} for good, after {counted(moves, 'move')} of what is there"


def _show(session: Session, store: MetaStore, view: PlanView, instead: str = "", *, goes_on: bool = False) -> None:
    """The plan, for a person or a script; ``instead``: a sentence where there is no plan."""
    from etcdmeta.cli.shard import look

    output = session.output
    if not output.is_table:
        output.listing(plans_listing([view]), session.look(store)[1])
        return
    if instead:
        output.sentence(instead)
    output.lines(plan_lines(view, look(session), every=output.format == "wide", goes_on=goes_on))
    output.stream.flush()
    for notice in view.notices:
        session.note(notice)


def _show_dry_run(
    session: Session, store: MetaStore, draft: PlanDraft, reason: str, limits: PlanLimits | None, zone_label: str
) -> None:
    from etcdmeta.cli.plans import plan_item, plan_sentences

    command = store.proposal(draft, reason=reason, limits=limits)
    item = plan_item(command, store.plan(command, timeout=session.remaining()))
    view = draft_view(store.latest(), draft, reason=reason, limits=limits, zone_label=zone_label)
    if session.output.is_table:
        _show(session, store, view)
        session.output.lines(["", *plan_sentences(item)])
        session.note("dry run: nothing was written")
    else:
        session.output.listing(plans_listing([view], {"dryRun": item.plain()}), session.look(store)[1])


def _tell_end(session: Session, store: MetaStore, plan: MovePlan, counts: Mapping[MoveState, int] | None) -> None:
    """What became of the plan; of its moves, where they were watched."""
    snapshot = store.latest()
    if not session.output.is_table:
        session.output.listing(plans_listing([full_view(snapshot, plan, limits=False)]), session.look(store)[1])
        return
    facts = [counted(plan.moves, "move")]
    if counts is not None:
        facts += state_words(plan, counts)
    note = f": {plan.note}" if plan.note else ""
    told = f"plan {plan.id} ({plan.kind}) is {plan.state}{note}; {', '.join(facts)}"
    session.output.sentence(f"{told} (generation {snapshot.generation})")
    if plan.state in AT_WORK:
        session.note(f"whoever leads plans carries it out; `{resuming(plan)}` watches it, or does it itself")
    elif not plan.has_ended:
        session.note(f"`{resuming(plan)}` goes on with it")
