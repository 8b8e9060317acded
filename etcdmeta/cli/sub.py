"""``etcdmeta sub``: subscriptions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.items import SubscriptionItem
from etcdmeta.cli.naming import parse_full_policy, parse_policy, policy_name
from etcdmeta.cli.options import DryRun, Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column
from etcdmeta.commands.subscription import CreateSubscription, DropSubscription
from etcdmeta.errors import InvalidInput
from etcdmeta.model.entities import Subscription
from etcdmeta.model.owners import SubscriptionMode
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.views import PolicyView

app = noun("sub")

Policy = Annotated[str, typer.Argument(metavar="DB.POLICY", help="The policy whose points are sent on.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="The subscription.")]


@verb(app, "list")
def list_(
    ctx: typer.Context,
    policies: Annotated[
        list[str] | None, typer.Argument(metavar="DB[.POLICY]", help="Only of these databases or policies.")
    ] = None,
) -> None:
    """List subscriptions, in the order they were created."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        views = [view for policy in policies or [""] for view in _policies(snapshot, policy)]
        session.output.listing(listing((view, sub) for view in views for sub in view.subscriptions()), picture)


@verb(app, "create")
def create(
    ctx: typer.Context,
    policy: Policy,
    name: Name,
    destinations: Annotated[list[str], typer.Argument(metavar="URL", help="http, https or udp, with host and port.")],
    mode: Annotated[str, typer.Option(metavar="ANY|ALL", help="To one of them in turn, or to all.")] = "ALL",
    dry_run: DryRun = False,
) -> None:
    """Create a subscription: a copy of a policy's points goes to other places."""
    session = Session.of(ctx)
    database, rp = parse_full_policy(policy)
    if mode.upper() not in list(SubscriptionMode):
        raise InvalidInput(f"mode {mode!r}", value=mode, rule="ANY or ALL")
    command = CreateSubscription(
        database=database,
        policy=rp,
        name=name,
        mode=SubscriptionMode(mode.upper()),
        destinations=tuple(destinations),
    )

    def made(snapshot: Snapshot) -> Listing[SubscriptionItem]:
        view = snapshot.policy(database, rp)
        return listing([(view, view.subscription(name))])

    with session.store() as store:
        carry_out(session, store, [command], dry_run=dry_run, show=made)


@verb(app, "drop")
def drop(ctx: typer.Context, policy: Policy, name: Name, yes: Yes = False, dry_run: DryRun = False) -> None:
    """Drop a subscription. Asks first."""
    session = Session.of(ctx)
    database, rp = parse_full_policy(policy)
    with session.store() as store:
        snapshot, _ = session.look(store)
        view = snapshot.policy(database, rp)
        subscription = view.subscription(name)
        if not dry_run:
            where = ", ".join(subscription.destinations)
            confirm(session, f"this drops subscription {name!r} of {policy_name(database, rp)} to {where}", yes=yes)
        command = DropSubscription(database=database, policy=rp, name=name)
        carry_out(session, store, [command], dry_run=dry_run, show=listing([(view, subscription)]))


def listing(subscriptions: Iterable[tuple[PolicyView, Subscription]]) -> Listing[SubscriptionItem]:
    """The subscriptions in every format."""
    return Listing(
        kind="SubscriptionList",
        items=[
            SubscriptionItem(
                database=view.database.name,
                policy=view.name,
                name=subscription.name,
                mode=str(subscription.mode),
                destinations=list(subscription.destinations),
            )
            for view, subscription in subscriptions
        ],
        columns=(
            Column("POLICY", lambda item: policy_name(item.database, item.policy)),
            Column("NAME", lambda item: item.name),
            Column("MODE", lambda item: item.mode),
            Column("DESTINATIONS", lambda item: ",".join(item.destinations)),
        ),
        fields=SubscriptionItem.fields(),
        plain=SubscriptionItem.plain,
        name=lambda item: item.name,
        things="subscriptions",
    )


def _policies(snapshot: Snapshot, policy: str) -> Iterator[PolicyView]:
    """Of ``DB.POLICY``, of all policies of ``DB``, or with "" of everything."""
    if not policy:
        for view in snapshot.databases():
            yield from view.policies()
        return
    database, name = parse_policy(policy)
    found = snapshot.database(database)
    yield from [found.policy(name)] if name else found.policies()
