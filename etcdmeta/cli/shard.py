"""``etcdmeta shard``: what serves, what does not, who is moving what, what to do."""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli import exits
from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.naming import parse_id, parse_span
from etcdmeta.cli.options import DryRun, Force, Reason, Yes
from etcdmeta.cli.output import Listing, Picture
from etcdmeta.cli.paging import page
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_listing import detail, listing
from etcdmeta.cli.shard_options import policy_filter
from etcdmeta.cli.shard_screen import status_screen
from etcdmeta.cli.shard_table import Look
from etcdmeta.cli.shard_view import StatusView, status_view
from etcdmeta.cli.shard_watch import Absences, redraw, tell
from etcdmeta.cli.stream import check_format
from etcdmeta.cli.text import counted
from etcdmeta.cli.uncollected import uncollected
from etcdmeta.commands.owner import SetOwnerStatus
from etcdmeta.errors import GroupNotFound, WaitTimedOut
from etcdmeta.model.durations import Duration
from etcdmeta.model.health import Health, ShardStatus
from etcdmeta.model.owners import SERVING, OwnerStatus
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import parse_time
from etcdmeta.replica.states import FollowerState

if TYPE_CHECKING:
    from etcdmeta.store import MetaStore

app = noun("shard")

EXIT_CODES: Mapping[Health, int] = {
    Health.OK: 0,
    Health.SURPLUS: exits.DEGRADED,
    Health.ORPHAN: exits.DEGRADED,
    Health.DEGRADED: exits.DEGRADED,
    Health.UNAVAILABLE: exits.UNAVAILABLE,
    Health.UNKNOWN: exits.UNKNOWN,
}
"""0 is said of ok alone."""


class Goal(StrEnum):
    """What `shard wait` waits for."""

    OK = "ok"
    ACTIVE = "active"


Ids = Annotated[list[str], typer.Argument(metavar="ID...", help="Shards.")]
_Many = list[str] | None
_TIME = "RFC 3339, now, now-2h, or nanoseconds"


@verb(
    app,
    "status",
    epilog="Filters combine: values of one are alternatives, all have to fit.\n"
    "Exit code: 0 ok, 10 degraded (or orphan, or surplus), 11 unavailable, 12 unknown.",
)
def status(
    ctx: typer.Context,
    ids: Annotated[_Many, typer.Argument(metavar="[ID]...", help="Only these shards.")] = None,
    db: Annotated[_Many, typer.Option("--db", metavar="NAME", help="Only of this database.")] = None,
    rp: Annotated[_Many, typer.Option("--rp", metavar="[DB.]POLICY", help="Only of this policy.")] = None,
    group: Annotated[_Many, typer.Option("--group", metavar="ID", help="Only of this shard group.")] = None,
    shard: Annotated[_Many, typer.Option("--shard", metavar="ID", help="Only this shard.")] = None,
    node: Annotated[_Many, typer.Option("--node", metavar="NODE", help="Only with this owner.")] = None,
    state: Annotated[
        _Many,
        typer.Option(
            "--state", metavar="STATE", help="Only with an owner active, copying, leaving, failed, down, gone."
        ),
    ] = None,
    health: Annotated[list[Health] | None, typer.Option("--health", help="Only of this health.")] = None,
    at: Annotated[_Many, typer.Option("--at", metavar="TIME", help=f"Only of groups that hold it: {_TIME}.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="Only of groups that end after it.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only of groups that begin by it.")] = None,
    copying: Annotated[bool, typer.Option("--copying", help="Only where a copy is going on.")] = False,
    deleted: Annotated[bool, typer.Option("--all", help="Those of deleted groups too.")] = False,
    max_age: Annotated[
        str, typer.Option(metavar="DURATION", help="A picture older than this makes every health unknown.")
    ] = "30s",
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Again at each change, until Ctrl-C.")] = False,
) -> None:
    """Is it serving, what is wrong, who is moving what, what to do: one screen, worst first."""
    session = Session.of(ctx)
    now = time.time_ns()
    span = parse_span(since, until, now=now)
    wanted = ShardFilter(
        databases=tuple(db or ()),
        policies=tuple(map(policy_filter, rp or ())),
        groups=tuple(parse_id(text, "shard group") for text in group or ()),
        shards=tuple(parse_id(text, "shard") for text in [*(ids or ()), *(shard or ())]),
        nodes=tuple(node or ()),
        states=tuple(state or ()),
        healths=tuple(health or ()),
        at=tuple(parse_time(text, now=now) for text in at or ()),
        since=span[0],
        until=span[1],
        copying=copying,
        deleted=deleted,
    )
    allowed = int(Duration.parse(max_age)) / 1e9
    output = session.output
    if watch:
        check_format(output)
    with session.store() as store:
        snapshot, picture = session.look(store)
        absences = Absences()
        make = partial(take_view, store=store, wanted=wanted, max_age=allowed, absences=absences)
        if session.at_generation is not None:
            view = take_view(snapshot, store=store, wanted=wanted, past=picture)
        elif not watch:
            view = make(store.snapshot())
        elif output.is_table:
            view = redraw(session, store, make, lambda shown: status_screen(shown, look(session)))
        else:
            view = tell(session, store, make)
    if not watch:
        _show(session, view)  # the store is closed by now: a pager may stay open for long
    raise typer.Exit(EXIT_CODES[view.summary.verdict])


@verb(app, "show")
def show(ctx: typer.Context, ids: Ids) -> None:
    """Show shards in full: span, health and why, every owner."""
    session = Session.of(ctx)
    numbers = tuple(parse_id(text, "shard") for text in ids)
    with session.store() as store:
        snapshot, picture = session.look(store)
        past = picture if session.at_generation is not None else None
        view = take_view(snapshot, store=store, wanted=ShardFilter(shards=numbers), past=past)
        by_id = {status.shard_id: status for status in view.statuses}
        shown = [by_id[number] for number in dict.fromkeys(numbers)]
        nodes = {node.id: node for node in snapshot.nodes(include_removed=True)}
        session.output.details(listing(view, shown), (detail(item, nodes) for item in shown), view.picture)


@verb(app, "wait", epilog="Without --timeout: as long as it takes. Exit code: 0 when true, 124 when not in time.")
def wait(
    ctx: typer.Context,
    ids: Ids,
    goal: Annotated[Goal, typer.Option("--for", help="ok: its health; active: each of its owners.")] = Goal.OK,
) -> None:
    """Wait until shards are ok, or all their owners active."""
    session = Session.of(ctx)
    numbers = tuple(parse_id(text, "shard") for text in ids)
    told, view = "", None

    def reached(snapshot: Snapshot) -> bool:
        nonlocal told, view
        view = take_view(snapshot, store=store, wanted=ShardFilter(shards=numbers))
        missing = [status for status in view.statuses if not _reached(status, goal)]
        text = ", ".join(map(_sentence, missing))
        if text != told and session.stderr.isatty():
            session.note(text)
        told = text
        return not missing

    with session.store() as store:
        session.look(store)
        try:
            store.wait_for(reached, timeout=session.remaining(float("inf")))
        except WaitTimedOut as error:
            raise WaitTimedOut(f"not {goal} in time: {told}", value=told, remedy="give it more --timeout") from error
        assert view is not None  # of the last picture asked
        if session.output.is_table:
            session.output.lines(f"shard {status.shard_id} is {_state(status, goal)}" for status in view.statuses)
        else:
            session.output.listing(listing(view), view.picture)


@verb(
    app,
    "set-status",
    epilog="active finishes a copy, or calls a move off; copying begins a copy, and makes an owner; leaving begins a\n"
    "move; failed says that it cannot serve. Taking away what serves asks first.",
)
def set_status(
    ctx: typer.Context,
    shard: Annotated[str, typer.Argument(metavar="SHARD", help="The shard's id.")],
    node: Annotated[str, typer.Argument(metavar="NODE", help="The owner, by id or host.")],
    status: Annotated[OwnerStatus, typer.Argument(metavar="STATUS", help=" ".join(OwnerStatus))],
    source: Annotated[str | None, typer.Option(metavar="NODE", help="With copying: where from.")] = None,
    reason: Reason = "",
    force: Force = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Bring an owner of a shard into a status, by the rules of the table of transitions."""
    session = Session.of(ctx)
    number = parse_id(shard, "shard")
    with session.store() as store:
        snapshot, _ = session.look(store)
        record = snapshot.node(node)
        command = SetOwnerStatus(
            shard_id=number,
            node_id=record.id,
            status=status,
            source=None if source is None else snapshot.node(source).id,
            reason=reason,
            force=force,
        )
        owner = snapshot.shard(number).owner(record.id)
        if not dry_run and owner is not None and owner.serves and status not in SERVING:
            store.plan(command)  # what is refused anyway is not worth a question
            left = sum(other.serves for other in snapshot.shard(number).owners) - 1
            taken = f"node {record.id} ({record.host}) will not serve shard {number} any more"
            confirm(session, f"{taken}; {counted(left, 'owner')} will", yes=yes)

        def after(current: Snapshot) -> Listing[ShardStatus]:
            return listing(take_view(current, store=store, wanted=ShardFilter(shards=(number,))))

        carry_out(session, store, [command], dry_run=dry_run, show=after)


def look(session: Session) -> Look:
    """How this session's output can draw."""
    output = session.output
    size = shutil.get_terminal_size() if output.is_terminal else None
    return Look(
        width=size.columns if size else None,
        marks=output.marks,
        colour=output.colour,
        ascii=not output.utf8 or (output.is_terminal and not output.marks),
        wide=output.format == "wide",
        quiet=session.quiet,
        height=size.lines if size else None,
    )


def take_view(
    snapshot: Snapshot,
    *,
    store: MetaStore,
    wanted: ShardFilter,
    max_age: float | None = None,
    absences: Absences | None = None,
    past: Picture | None = None,
) -> StatusView:
    """What the filter selects of this picture, judged now. ``max_age`` in seconds. Raises `NotFound`.

    ``past``: it is a picture of the past, to be judged as it was then, however long ago.
    """
    if past is not None:
        then = past.as_of or time.time_ns()
        return status_view(snapshot, past, wanted, now=then, problem="a picture of the past", past=True)
    now, fresh = time.time_ns(), store.freshness()
    if absences is not None:
        absences.note(snapshot, now)
    problem = ""
    if fresh.problem is not None:
        problem = fresh.problem.message
    elif fresh.state is not FollowerState.LIVE:
        problem = f"cache {fresh.state}"
    cluster = snapshot.cluster
    picture = Picture(
        cluster_id=cluster.cluster_id if cluster else 0,
        generation=snapshot.generation,
        revision=snapshot.revision,
        as_of=now - int(fresh.age * 1e9),
        age=fresh.age,
    )
    since = absences.since if absences is not None else None
    with uncollected():
        return status_view(snapshot, picture, wanted, now=now, max_age=max_age, problem=problem, down_since=since)


def _show(session: Session, view: StatusView) -> None:
    output = session.output
    if not output.is_table:
        output.listing(listing(view), view.picture)
        return
    for warning in view.warnings:
        session.note(warning, level="warning")
    page(session, status_screen(view, look(session)))


def _reached(status: ShardStatus, goal: Goal) -> bool:
    """Raises GroupNotFound where it cannot come true any more."""
    if status.is_deleted:
        raise GroupNotFound(f"group {status.group_id} of shard {status.shard_id} was deleted", value=status.group_id)
    if goal is Goal.OK:
        return status.health is Health.OK
    return bool(status.owners) and all(owner.status == OwnerStatus.ACTIVE for owner in status.owners)


def _state(status: ShardStatus, goal: Goal) -> str:
    owners = ", ".join(f"n{owner.node_id}" for owner in status.owners)
    return str(status.health) if goal is Goal.OK else f"active on {owners}"


def _sentence(status: ShardStatus) -> str:
    return f"shard {status.shard_id} is {status.health}" + (f" ({status.reason})" if status.reason else "")


from etcdmeta.cli import (  # noqa: E402 - they register their verbs with ``app``
    shard_copying,  # noqa: F401
    shard_explain,  # noqa: F401
    shard_map,  # noqa: F401
    shard_owners,  # noqa: F401
    shard_repair,  # noqa: F401
    shard_timeline,  # noqa: F401
)
