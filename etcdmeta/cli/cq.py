"""``etcdmeta cq``: continuous queries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.items import QueryItem
from etcdmeta.cli.options import DryRun, Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column
from etcdmeta.commands.query import CreateContinuousQuery, DropContinuousQuery
from etcdmeta.model.entities import ContinuousQuery
from etcdmeta.model.views import DatabaseView

app = noun("cq")

Database = Annotated[str, typer.Argument(metavar="DB", help="The database it belongs to.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The continuous query.")]


@verb(app, "list")
def list_(
    ctx: typer.Context,
    databases: Annotated[list[str] | None, typer.Argument(metavar="DB", help="Only of these databases.")] = None,
) -> None:
    """List continuous queries, in the order they were created."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        views = [snapshot.database(name) for name in databases] if databases else snapshot.databases()
        session.output.listing(listing((view, query) for view in views for query in view.queries()), picture)


@verb(app, "create", epilog="The same text again is no error (in any case of letters); another text is exit 4.")
def create(
    ctx: typer.Context,
    database: Database,
    name: Name,
    query: Annotated[str, typer.Argument(metavar="QUERY", help="Its text, in InfluxQL.")],
    dry_run: DryRun = False,
) -> None:
    """Create a continuous query."""
    session = Session.of(ctx)
    command = CreateContinuousQuery(database=database, name=name, query=query)
    with session.store() as store:
        carry_out(
            session,
            store,
            [command],
            dry_run=dry_run,
            show=lambda snap: listing([(snap.database(database), snap.database(database).query(name))]),
        )


@verb(app, "drop")
def drop(ctx: typer.Context, database: Database, name: Name, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Drop a continuous query. Asks first."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, _ = session.look(store)
        view = snapshot.database(database)
        query = view.query(name)
        if not dry_run:
            confirm(session, f"this drops continuous query {name!r} of {database!r}: {query.query}", yes=yes)
        command = DropContinuousQuery(database=database, name=name)
        carry_out(session, store, [command], dry_run=dry_run, show=listing([(view, query)]))


def listing(queries: Iterable[tuple[DatabaseView, ContinuousQuery]]) -> Listing[QueryItem]:
    """The queries in every format."""
    return Listing(
        kind="ContinuousQueryList",
        items=[QueryItem(database=view.name, name=query.name, query=query.query) for view, query in queries],
        columns=(
            Column("DATABASE", lambda item: item.database),
            Column("NAME", lambda item: item.name),
            Column("QUERY", lambda item: item.query),
        ),
        fields=QueryItem.fields(),
        plain=QueryItem.plain,
        name=lambda item: item.name,
        things="continuous queries",
    )
