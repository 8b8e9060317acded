"""``etcdmeta db``: databases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.items import DatabaseItem
from etcdmeta.cli.naming import quote
from etcdmeta.cli.options import DryRun, Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column, block
from etcdmeta.cli.text import counted
from etcdmeta.commands.database import CreateDatabase, DropDatabase
from etcdmeta.model.durations import Duration
from etcdmeta.model.owners import Privilege
from etcdmeta.model.views import DatabaseView

app = noun("db")

Name = Annotated[str, typer.Argument(metavar="NAME", help="The database.")]


@verb(app, "list")
def list_(ctx: typer.Context) -> None:
    """List the databases, in the order they were created."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        session.output.listing(listing(snapshot.databases()), picture)


@verb(app, "show")
def show(ctx: typer.Context, names: Annotated[list[str], typer.Argument(metavar="NAME", help="Databases.")]) -> None:
    """Show databases with their policies, queries and who has rights on them."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        views = [snapshot.database(name) for name in names]
        session.output.details(listing(views), map(detail, views), picture)


@verb(app, "create", epilog="Making the same database again is no error; making another under its name is exit 4.")
def create(
    ctx: typer.Context,
    name: Name,
    duration: Annotated[
        str | None, typer.Option(metavar="DURATION", help="How long data is kept: 30d, 1w; without: INF.")
    ] = None,
    replicas: Annotated[int | None, typer.Option(metavar="N", help="Copies of each shard; without: 1.")] = None,
    shard_duration: Annotated[
        str | None, typer.Option(metavar="DURATION", help="What a shard group spans; without: by --duration.")
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Create a database with its default policy, autogen."""
    session = Session.of(ctx)
    command = CreateDatabase(
        name=name,
        duration=None if duration is None else Duration.parse(duration),
        replicas=replicas,
        group_duration=None if shard_duration is None else Duration.parse(shard_duration),
    )
    with session.store() as store:
        carry_out(session, store, [command], dry_run=dry_run, show=lambda snap: listing([snap.database(name)]))


@verb(app, "drop")
def drop(ctx: typer.Context, name: Name, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Drop a database and all that is below it. Asks first."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, _ = session.look(store)
        view = snapshot.database(name)
        dropped = listing([view])
        if not dry_run:
            confirm(session, what_goes(view), yes=yes)
        carry_out(session, store, [DropDatabase(name=name)], dry_run=dry_run, show=dropped)


def what_goes(view: DatabaseView) -> str:
    """The sentence of the question: what a drop takes along."""
    item = item_of(view)
    parts = (
        counted(len(item.policies), "policy", "policies"),
        counted(item.shard_groups, "shard group"),
        counted(item.continuous_queries, "query", "queries"),
    )
    losers = f"; {counted(item.granted_users, 'user')} would lose rights" if item.granted_users else ""
    return f"this drops database {view.name!r} with {', '.join(parts)}{losers}"


def listing(views: Iterable[DatabaseView]) -> Listing[DatabaseItem]:
    """The databases in every format."""
    return Listing(
        kind="DatabaseList",
        items=[item_of(view) for view in views],
        columns=(
            Column("NAME", lambda item: item.name),
            Column("DEFAULT POLICY", lambda item: item.default_policy or "-"),
            Column("POLICIES", lambda item: str(len(item.policies)), right=True),
            Column("GROUPS", lambda item: str(item.shard_groups), right=True),
            Column("QUERIES", lambda item: str(item.continuous_queries), right=True),
            Column("USERS", lambda item: str(item.granted_users), right=True),
            Column("ID", lambda item: str(item.id), wide=True, right=True),
            Column("ALL POLICIES", lambda item: ",".join(map(quote, item.policies)), wide=True),
        ),
        fields=DatabaseItem.fields(),
        plain=DatabaseItem.plain,
        name=lambda item: item.name,
        things="databases",
    )


def item_of(view: DatabaseView) -> DatabaseItem:
    """A database as its JSON has it."""
    default, policies = view.default_policy, view.policies()
    return DatabaseItem(
        id=view.id,
        name=view.name,
        default_policy=default.name if default else None,
        policies=[policy.name for policy in policies],
        shard_groups=sum(policy.group_count() for policy in policies),
        continuous_queries=len(view.queries()),
        granted_users=sum(grant.privilege != Privilege.NONE for grant in view.grants()),
    )


def detail(view: DatabaseView) -> str:
    """A database for a person to read."""
    item, snapshot = item_of(view), view.snapshot
    users = {user.id: user.name for user in snapshot.users()}
    pairs = [
        ("Name", item.name),
        ("Id", str(item.id)),
        ("Default policy", item.default_policy or "none"),
        ("Shard groups", str(item.shard_groups)),
    ]
    for policy in view.policies():
        kept = "for ever" if policy.duration == 0 else policy.duration.influxql()
        copies = counted(policy.replicas, "copy", "copies")
        groups = f"shard groups of {policy.group_duration.influxql()}"
        pairs.append(("Policy", f"{quote(policy.name)}  keeps {kept}, {copies}, {groups}"))
    pairs.extend(("Query", f"{query.name}  {query.query}") for query in view.queries())
    pairs.extend(("User", f"{users.get(grant.user_id, '?')}  {grant.privilege}") for grant in view.grants())
    return block(pairs)
