"""``etcdmeta history``: who changed what, when: the ledger."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli.frame import lone_verb, verb
from etcdmeta.cli.output import Listing
from etcdmeta.cli.screens import HistoryItem
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column
from etcdmeta.model.times import format_time, parse_time

if TYPE_CHECKING:
    from etcdmeta.store import HistoryEntry

app = lone_verb()


@verb(app, "history")
def history(
    ctx: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", metavar="N", min=1, help="At most so many.")] = 50,
    actor: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only by them; repeatable.")] = None,
    since: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only from then on: RFC 3339, now-2h, or nanoseconds.")
    ] = None,
    operation: Annotated[str | None, typer.Option(metavar="ID", help="Only this operation.")] = None,
) -> None:
    """Who changed what, when: the newest operations, newest first.

    TIME is by the clock of whoever issued it. A void operation is one that is proven not to have happened.
    """
    session = Session.of(ctx)
    begin = None if since is None else parse_time(since, now=time.time_ns())
    filtered = actor is not None or begin is not None
    with session.store() as store:
        _, picture = session.look(store)
        entries = [
            entry
            for entry in reversed(store.history(limit=None if filtered else limit, operation_id=operation))
            if (actor is None or entry.actor in actor) and (begin is None or entry.time >= begin)
        ]
        session.output.listing(listing(entries[:limit]), picture)


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
