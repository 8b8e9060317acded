"""``etcdmeta shard remove-owner``: a node owns a shard no more."""

from __future__ import annotations

from typing import Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import verb
from etcdmeta.cli.naming import parse_id
from etcdmeta.cli.options import DryRun, Force, Reason, Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard import app, take_view
from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_listing import listing
from etcdmeta.cli.shard_plans import check_no_plan_wants
from etcdmeta.cli.text import counted
from etcdmeta.commands.owner import RemoveOwner
from etcdmeta.model.health import ShardStatus
from etcdmeta.model.snapshot import Snapshot


@verb(
    app,
    "remove-owner",
    epilog="As many active owners have to stay as the policy wants, else --force --reason TEXT; the last one that\n"
    "serves goes with --allow-last besides: its data is gone with it.",
)
def remove_owner(
    ctx: typer.Context,
    shard: Annotated[str, typer.Argument(metavar="SHARD", help="The shard's id.")],
    node: Annotated[str, typer.Argument(metavar="NODE", help="The owner, by id or host.")],
    force: Force = False,
    reason: Reason = "",
    allow_last: Annotated[
        bool, typer.Option("--allow-last", help="Even the last owner that serves: the data is lost.")
    ] = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Take a shard away from a node, which may drop its data of it. Asks first."""
    session = Session.of(ctx)
    number = parse_id(shard, "shard")
    with session.store() as store:
        snapshot, _ = session.look(store)
        record = snapshot.node(node)
        command = RemoveOwner(shard_id=number, node_id=record.id, force=force, reason=reason, allow_last=allow_last)
        if not dry_run:
            store.plan(command)  # what is refused anyway is not worth a question
        if not force:
            check_no_plan_wants(snapshot, number, record.id)
        if not dry_run:
            who = f"node {record.id} ({record.host})"
            confirm(session, f"{who} owns shard {number} no more: {_left(snapshot, number, record.id)}", yes=yes)

        def after(current: Snapshot) -> Listing[ShardStatus]:
            return listing(take_view(current, store=store, wanted=ShardFilter(shards=(number,), deleted=True)))

        carry_out(session, store, [command], dry_run=dry_run, show=after)


def _left(snapshot: Snapshot, shard_id: int, node_id: int) -> str:
    others = [owner for owner in snapshot.shard(shard_id).owners if owner.node_id != node_id]
    serving = sum(owner.serves for owner in others)
    if serving:
        return f"{counted(serving, 'owner')} will serve it"
    return "nobody will serve it, and its data is lost" if not others else "nobody will serve it"
