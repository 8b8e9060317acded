"""``etcdmeta history``: who changed what, when: the ledger."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli.frame import lone_verb, verb
from etcdmeta.cli.history_filter import Things
from etcdmeta.cli.naming import parse_span
from etcdmeta.cli.output import Listing, Picture
from etcdmeta.cli.screens import HistoryItem
from etcdmeta.cli.session import Session
from etcdmeta.cli.stream import check_format, emit
from etcdmeta.cli.tables import Column
from etcdmeta.cli.text import printable, to_ascii
from etcdmeta.errors import InvalidInput
from etcdmeta.model.times import format_time

if TYPE_CHECKING:
    from etcdmeta.store import HistoryEntry

app = lone_verb()


_Many = list[str] | None


@verb(app, "history", epilog="With --follow it ends at Ctrl-C (exit code 130).")
def history(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="At most so many.")] = 50,
    actor: Annotated[_Many, typer.Option(metavar="NAME", help="Only by them; repeatable.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only from then on: RFC 3339, now-2h, or nanoseconds.")
    ] = None,
    operation: Annotated[str | None, typer.Option(metavar="ID", help="Only this operation.")] = None,
    until: Annotated[str | None, typer.Option(metavar="TIME", help="Only up to then.")] = None,
    command: Annotated[
        _Many, typer.Option(metavar="NAME", help="Only commands that begin so: 'create database', drop.")
    ] = None,
    db: Annotated[_Many, typer.Option("--db", metavar="NAME", help="Only what touched this database.")] = None,
    rp: Annotated[_Many, typer.Option("--rp", metavar="DB.POLICY", help="… this policy.")] = None,
    group: Annotated[_Many, typer.Option("--group", metavar="ID", help="… this shard group.")] = None,
    shard: Annotated[_Many, typer.Option("--shard", metavar="ID", help="… the group of this shard.")] = None,
    node: Annotated[_Many, typer.Option("--node", metavar="NODE", help="… this node's own record.")] = None,
    name: Annotated[_Many, typer.Option("--name", metavar="USER", help="… this database user.")] = None,
    plan: Annotated[_Many, typer.Option("--plan", metavar="ID", help="… this plan of moves.")] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="And what comes, as it comes.")] = False,
) -> None:
    """Who changed what, when: the newest operations, newest first.

    TIME is by the clock of whoever issued it. A void operation is one that is proven not to have happened. With
    --follow the newest come last. Of several things that were named any is enough.
    """
    session = Session.of(ctx)
    now = time.time_ns()
    things = Things(*(tuple(each or ()) for each in (db, rp, group, shard, node, name, plan)))
    actors = frozenset(actor) if actor else None
    commands = tuple(command or ())
    begin, end = parse_span(since, until, now=now)
    if follow:
        check_format(session.output)
        if operation is not None:
            raise InvalidInput("--follow with --operation", rule="an operation is settled once, and stays as it is")
    with session.store() as store:
        snapshot, picture = session.look(store)
        touching = things.touching(snapshot)
        entries = store.history(
            limit=limit,
            operation_id=operation,
            actors=actors,
            commands=commands,
            since=begin,
            until=end,
            touching=touching,
            timeout=session.remaining(),
        )
        if not follow:
            session.output.listing(listing(entries[::-1]), picture)
            return
        coming = store.follow_history(
            after=max((entry.revision for entry in entries), default=snapshot.revision),
            actors=actors,
            commands=commands,
            until=end,
            touching=touching,
        )
        _follow(session, entries, coming, picture)


def _follow(session: Session, entries: list[HistoryEntry], coming: Iterator[HistoryEntry], picture: Picture) -> None:
    """One line, or one object, an operation, oldest first."""
    output = session.output
    session.note("following the history; Ctrl-C ends it")
    for entry in chain(entries, coming):
        item = _item(entry)
        if output.is_table:
            clock = format_time(item.time // 10**9 * 10**9)
            what = f"void: {item.command}" if item.void else item.summary
            line = printable(f"{clock}  {'-' if item.generation is None else item.generation}  {item.actor}  {what}")
            output.lines([line if output.utf8 else to_ascii(line)])
            output.stream.flush()
        else:
            emit(output, "HistoryList", item.plain(), picture)


def listing(entries: list[HistoryEntry]) -> Listing[HistoryItem]:
    """The entries in every format."""
    return Listing(
        kind="HistoryList",
        items=[_item(entry) for entry in entries],
        columns=(
            Column("GENERATION", lambda item: "-" if item.generation is None else str(item.generation), right=True),
            Column("TIME", lambda item: format_time(item.time // 10**9 * 10**9)),
            Column("ACTOR", lambda item: item.actor),
            Column("WHAT", lambda item: f"void: {item.command}" if item.void else item.summary),
            Column("COMMAND", lambda item: item.command, wide=True),
            Column("OPERATION", lambda item: item.operation_id, wide=True),
            Column("REVISION", lambda item: str(item.revision), wide=True, right=True),
            Column("TOUCHED", lambda item: str(item.touched_count), wide=True, right=True),
        ),
        fields=HistoryItem.fields(),
        plain=HistoryItem.plain,
        name=lambda item: item.operation_id,
        things="operations",
    )


def _item(entry: HistoryEntry) -> HistoryItem:
    return HistoryItem(
        operation_id=entry.operation_id,
        generation=entry.generation,
        revision=entry.revision,
        time=entry.time,
        actor=entry.actor,
        command=entry.command,
        summary=entry.summary,
        touched=list(entry.touched),
        touched_count=entry.touched_count,
        void=entry.void,
    )
