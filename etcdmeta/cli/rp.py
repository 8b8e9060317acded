"""``etcdmeta rp``: retention policies."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.items import PolicyItem
from etcdmeta.cli.naming import parse_full_policy, policy_name
from etcdmeta.cli.options import DryRun, Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column
from etcdmeta.cli.text import counted
from etcdmeta.commands.policy import AlterPolicy, CreatePolicy, DropPolicy, SetDefaultPolicy
from etcdmeta.errors import InvalidInput
from etcdmeta.model.durations import Duration
from etcdmeta.model.views import PolicyView

app = noun("rp")

Policy = Annotated[str, typer.Argument(metavar="DB.POLICY", help="The policy; double quotes around a dotted part.")]
ShardDuration = Annotated[
    str | None,
    typer.Option("--shard-duration", metavar="DURATION", help="What a shard group spans; without: by --duration."),
]
Default = Annotated[bool, typer.Option("--default", help="Make it the database's default.")]


@verb(app, "list")
def list_(
    ctx: typer.Context,
    databases: Annotated[list[str] | None, typer.Argument(metavar="DB", help="Only of these databases.")] = None,
) -> None:
    """List retention policies, in the order they were created."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        views = [snapshot.database(name) for name in databases] if databases else snapshot.databases()
        session.output.listing(listing(policy for view in views for policy in view.policies()), picture)


@verb(app, "create", epilog="Making the same policy again is no error; making another under its name is exit 4.")
def create(
    ctx: typer.Context,
    policy: Policy,
    duration: Annotated[str, typer.Option(metavar="DURATION", help="How long data is kept: 30d, 1w, INF.")],
    replicas: Annotated[int, typer.Option(metavar="N", help="Copies of each shard.")],
    shard_duration: ShardDuration = None,
    default: Default = False,
    dry_run: DryRun = False,
) -> None:
    """Create a retention policy."""
    session = Session.of(ctx)
    database, name = parse_full_policy(policy)
    command = CreatePolicy(
        database=database,
        name=name,
        duration=Duration.parse(duration),
        replicas=replicas,
        group_duration=_duration(shard_duration),
        default=default,
    )
    with session.store() as store:
        carry_out(session, store, [command], dry_run=dry_run, show=lambda snap: listing([snap.policy(database, name)]))


@verb(app, "alter")
def alter(
    ctx: typer.Context,
    policy: Policy,
    new_name: Annotated[str | None, typer.Option("--name", metavar="NEW", help="Rename it.")] = None,
    duration: Annotated[str | None, typer.Option(metavar="DURATION", help="How long data is kept.")] = None,
    replicas: Annotated[int | None, typer.Option(metavar="N", help="Copies of each shard made from now on.")] = None,
    shard_duration: ShardDuration = None,
    default: Default = False,
    dry_run: DryRun = False,
) -> None:
    """Change a retention policy. What is not named stays; shard groups that exist stay as they are."""
    session = Session.of(ctx)
    database, name = parse_full_policy(policy)
    if (new_name, duration, replicas, shard_duration, default) == (None, None, None, None, False):
        raise InvalidInput(
            "nothing to change was named", remedy="add --name, --duration, --replicas, --shard-duration or --default"
        )
    command = AlterPolicy(
        database=database,
        name=name,
        new_name=new_name,
        duration=_duration(duration),
        replicas=replicas,
        group_duration=_duration(shard_duration),
        default=default,
    )
    with session.store() as store:
        carry_out(
            session,
            store,
            [command],
            dry_run=dry_run,
            show=lambda snap: listing([snap.policy(database, new_name or name)]),
        )


@verb(app, "drop")
def drop(ctx: typer.Context, policy: Policy, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Drop a retention policy with its shard groups and subscriptions. Asks first."""
    session = Session.of(ctx)
    database, name = parse_full_policy(policy)
    with session.store() as store:
        snapshot, _ = session.look(store)
        view = snapshot.policy(database, name)
        dropped = listing([view])
        if not dry_run:
            confirm(session, _what_goes(view), yes=yes)
        carry_out(session, store, [DropPolicy(database=database, name=name)], dry_run=dry_run, show=dropped)


@verb(app, "set-default")
def set_default(ctx: typer.Context, policy: Policy, dry_run: DryRun = False) -> None:
    """Make a policy the one that points without a policy go to."""
    session = Session.of(ctx)
    database, name = parse_full_policy(policy)
    with session.store() as store:
        carry_out(
            session,
            store,
            [SetDefaultPolicy(database=database, name=name)],
            dry_run=dry_run,
            show=lambda snap: listing([snap.policy(database, name)]),
        )


def listing(views: Iterable[PolicyView]) -> Listing[PolicyItem]:
    """The policies in every format."""
    return Listing(
        kind="RetentionPolicyList",
        items=[item_of(view) for view in views],
        columns=(
            Column("POLICY", lambda item: policy_name(item.database, item.name)),
            Column("DEFAULT", lambda item: "yes" if item.default else ""),
            Column("DURATION", lambda item: item.duration.influxql(), right=True),
            Column("SHARD DURATION", lambda item: item.shard_group_duration.influxql(), right=True),
            Column("REPLICAS", lambda item: str(item.replicas), right=True),
            Column("GROUPS", lambda item: str(item.shard_groups), right=True),
            Column("SUBSCRIPTIONS", lambda item: str(item.subscriptions), right=True, wide=True),
            Column("ID", lambda item: str(item.id), right=True, wide=True),
        ),
        fields=PolicyItem.fields(),
        plain=PolicyItem.plain,
        name=lambda item: policy_name(item.database, item.name),
        things="retention policies",
    )


def item_of(view: PolicyView) -> PolicyItem:
    """A policy as its JSON has it."""
    return PolicyItem(
        id=view.id,
        database=view.database.name,
        name=view.name,
        default=view.is_default,
        duration=view.duration,
        duration_ns=int(view.duration),
        shard_group_duration=view.group_duration,
        shard_group_duration_ns=int(view.group_duration),
        replicas=view.replicas,
        shard_groups=view.group_count(),
        subscriptions=len(view.subscriptions()),
    )


def _what_goes(view: PolicyView) -> str:
    item = item_of(view)
    parts = f"{counted(item.shard_groups, 'shard group')}, {counted(item.subscriptions, 'subscription')}"
    default = "; it is the default, so points without a policy would be refused" if item.default else ""
    return f"this drops policy {policy_name(item.database, item.name)} with {parts}{default}"


def _duration(text: str | None) -> Duration | None:
    return None if text is None else Duration.parse(text)
