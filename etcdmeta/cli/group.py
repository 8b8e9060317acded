"""``etcdmeta group``: shard groups."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.group_expire import delete_expired
from etcdmeta.cli.group_untruncate import undo_truncation
from etcdmeta.cli.items import GroupItem, GroupOwnerItem, GroupShardItem
from etcdmeta.cli.naming import parse_id, parse_policy, policy_name
from etcdmeta.cli.options import DryRun, Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column, block
from etcdmeta.cli.text import counted
from etcdmeta.commands.group import CreateShardGroup, DeleteShardGroup
from etcdmeta.commands.group_upkeep import PrecreateShardGroups, TruncateShardGroups
from etcdmeta.errors import InvalidInput
from etcdmeta.model.durations import Duration
from etcdmeta.model.entities import Shard, ShardGroup, ShardOwner
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import MAX_TIME, format_time, parse_time

app = noun("group")

Ids = Annotated[list[str], typer.Argument(metavar="ID", help="Shard groups.")]
_AT = typer.Option("--at", metavar="TIME", help="RFC 3339, now, now-2h, or nanoseconds.")
At = Annotated[str, _AT]
MaybeAt = Annotated[str | None, _AT]


@verb(app, "list")
def list_(
    ctx: typer.Context,
    policies: Annotated[
        list[str] | None, typer.Argument(metavar="DB[.POLICY]", help="Only of these databases or policies.")
    ] = None,
    deleted: Annotated[bool, typer.Option("--all", help="Deleted ones too, until they are pruned.")] = False,
) -> None:
    """List shard groups: by policy, in order of time."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        groups = [group for policy in policies or [""] for group in _groups(snapshot, policy, deleted)]
        session.output.listing(listing(snapshot, groups), picture)


@verb(app, "show")
def show(ctx: typer.Context, ids: Ids) -> None:
    """Show shard groups with their shards and owners."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        groups = [snapshot.group(parse_id(text, "shard group")) for text in ids]
        shown = listing(snapshot, groups)
        session.output.details(shown, map(detail, shown.items), picture)


@verb(app, "create")
def create(
    ctx: typer.Context,
    policy: Annotated[str, typer.Argument(metavar="DB[.POLICY]", help="Without POLICY: the default one.")],
    at: At,
    dry_run: DryRun = False,
) -> None:
    """Create the shard group that a time falls into. Where it is there already, that is said."""
    session = Session.of(ctx)
    database, name = parse_policy(policy)
    when = parse_time(at, now=time.time_ns())

    def made(snapshot: Snapshot) -> Listing[GroupItem]:
        group = snapshot.policy(database, name).group_at(when)
        return listing(snapshot, [] if group is None else [group])

    with session.store() as store:
        command = CreateShardGroup(database=database, policy=name, at=when)
        carry_out(session, store, [command], dry_run=dry_run, show=made)


@verb(
    app,
    "delete",
    epilog="Retention marks at most max(10, 5 %) of the groups in a pass; with --expired you consent to all that have\n"
    "expired. Nothing of --expired goes by one clock alone. Records and files go after a grace of a day.",
)
def delete(
    ctx: typer.Context,
    ids: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Shard groups; with --expired: DB[.POLICY]…, or all.")
    ] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
    expired: Annotated[
        bool, typer.Option("--expired", help="All that their policies keep no longer, past retention's cap.")
    ] = False,
) -> None:
    """Mark shard groups deleted: their data is no longer served. Asks first."""
    session = Session.of(ctx)
    if expired:
        delete_expired(session, ids or (), yes=yes, dry_run=dry_run)
        return
    if not ids:
        raise InvalidInput("delete which shard groups?", remedy="give their ids, or --expired")
    numbers = [parse_id(text, "shard group") for text in ids]
    with session.store() as store:
        snapshot, _ = session.look(store)
        doomed = listing(snapshot, [snapshot.group(number) for number in numbers])
        if not dry_run:
            confirm(session, _what_goes(doomed.items), yes=yes)
        carry_out(
            session,
            store,
            [DeleteShardGroup(group_id=number) for number in numbers],
            dry_run=dry_run,
            show=lambda snap: listing(snap, [snap.group(number) for number in numbers]),
        )


@verb(app, "precreate")
def precreate(
    ctx: typer.Context,
    database: Annotated[str | None, typer.Argument(metavar="DB", help="Only this database.")] = None,
    ahead: Annotated[str, typer.Option(metavar="DURATION", help="For groups that end within this.")] = "30m",
    dry_run: DryRun = False,
) -> None:
    """Create the successors of the shard groups that end soon."""
    session = Session.of(ctx)
    until = time.time_ns() + Duration.parse(ahead)
    with session.store() as store:
        snapshot, _ = session.look(store)
        before = {group.id for group in snapshot.groups()}
        carry_out(
            session,
            store,
            [PrecreateShardGroups(until=until, database=database)],
            dry_run=dry_run,
            show=lambda snap: listing(snap, (group for group in snap.groups() if group.id not in before)),
        )


@verb(app, "truncate")
def truncate(
    ctx: typer.Context,
    at: MaybeAt = None,
    policy: Annotated[
        str | None, typer.Argument(metavar="DB[.POLICY]", help="Only of this database or policy.")
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Give truncated groups their ends back.")] = False,
    group: Annotated[list[str] | None, typer.Option("--group", metavar="ID", help="--undo: only of these.")] = None,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Cut shard groups off at a time: later points go to new ones. Asks first.

    Groups that end by then, deleted ones and ones that were truncated earlier stay as they are. --undo is possible
    while no other group has taken the room.
    """
    session = Session.of(ctx)
    if undo:
        undo_truncation(session, policy, group or (), at=at, yes=yes, dry_run=dry_run)
        return
    if at is None or group:
        raise InvalidInput("truncate needs --at TIME, and --group goes with --undo", remedy="--at now, or --undo")
    database, name = parse_policy(policy) if policy else (None, None)
    when = parse_time(at, now=time.time_ns())
    with session.store() as store:
        snapshot, _ = session.look(store)
        cut = [
            group.id
            for group in _groups(snapshot, policy or "", False)
            if group.end > when and group.truncated_at is None
        ]
        if not dry_run and cut:
            confirm(session, f"this truncates {counted(len(cut), 'shard group')} at {format_time(when)}", yes=yes)
        carry_out(
            session,
            store,
            [TruncateShardGroups(at=when, database=database, policy=name or None)],
            dry_run=dry_run,
            show=lambda snap: listing(snap, [snap.group(number) for number in cut]),
        )


def listing(snapshot: Snapshot, groups: Iterable[ShardGroup]) -> Listing[GroupItem]:
    """The groups in every format."""
    return Listing(
        kind="ShardGroupList",
        items=[item_of(snapshot, group) for group in groups],
        columns=(
            Column("GROUP", lambda item: str(item.id), right=True),
            Column("POLICY", lambda item: policy_name(item.database, item.policy)),
            Column("START", lambda item: format_time(item.start)),
            Column("END", lambda item: format_time(item.end)),
            Column("SHARDS", lambda item: str(len(item.shards)), right=True),
            Column("STATE", _state),
            Column("EXPIRES", lambda item: "-" if item.expires is None else format_time(item.expires), wide=True),
            Column("SHARD IDS", lambda item: ",".join(str(shard.id) for shard in item.shards), wide=True),
            Column("REVISION", lambda item: str(item.revision), wide=True, right=True),
        ),
        fields=GroupItem.fields(),
        plain=GroupItem.plain,
        name=lambda item: str(item.id),
        things="shard groups",
        flat={"shards": lambda item: ",".join(str(shard.id) for shard in item.shards)},
    )


def item_of(snapshot: Snapshot, group: ShardGroup) -> GroupItem:
    """A shard group as its JSON has it."""
    database = snapshot.database_by_id(group.database_id)
    policy = database.policy_by_id(group.policy_id)
    expires = group.end + policy.duration if policy.duration else None
    return GroupItem(
        id=group.id,
        database=database.name,
        policy=policy.name,
        start=group.start,
        end=group.end,
        expires=None if expires is None else min(expires, MAX_TIME),
        truncated_at=group.truncated_at,
        deleted_at=group.deleted_at,
        shards=[_shard(snapshot, shard) for shard in group.shards],
        revision=group.mod_revision,
    )


def detail(item: GroupItem) -> str:
    """A shard group for a person to read."""
    pairs = [
        ("Group", str(item.id)),
        ("Policy", policy_name(item.database, item.policy)),
        ("Start", format_time(item.start)),
        ("End", format_time(item.end)),
        ("State", _state(item)),
        ("Expires", "never" if item.expires is None else format_time(item.expires)),
    ]
    for shard in item.shards:
        owners = "  ".join(_owner_text(owner) for owner in shard.owners) or "no owners"
        pairs.append(("Shard", f"{shard.id}  {owners}"))
    return block(pairs)


def _groups(snapshot: Snapshot, policy: str, deleted: bool) -> Iterator[ShardGroup]:
    """Of ``DB.POLICY``, of all policies of ``DB``, or with "" of everything."""
    if not policy:
        yield from snapshot.groups(include_deleted=deleted)
        return
    database, name = parse_policy(policy)
    view = snapshot.database(database)
    for each in [view.policy(name)] if name else view.policies():
        yield from each.groups(include_deleted=deleted)


def _shard(snapshot: Snapshot, shard: Shard) -> GroupShardItem:
    return GroupShardItem(
        id=shard.id,
        last_attempt=shard.last_attempt,
        owners=[_owner(snapshot, owner) for owner in shard.owners],
    )


def _owner(snapshot: Snapshot, owner: ShardOwner) -> GroupOwnerItem:
    node = snapshot.find_node(owner.node_id)
    return GroupOwnerItem(
        node_id=owner.node_id,
        host=node.host if node else None,
        status=str(owner.status),
        source=owner.source,
        attempt=owner.attempt,
        since=owner.since,
        reason=owner.reason,
    )


def _owner_text(owner: GroupOwnerItem) -> str:
    reason = f" ({owner.reason})" if owner.reason else ""
    return f"n{owner.node_id}:{owner.status}{reason}"


def _state(item: GroupItem) -> str:
    if item.deleted_at is not None:
        return f"deleted {format_time(item.deleted_at)}"
    if item.truncated_at is not None:
        return f"truncated {format_time(item.truncated_at)}"
    return "live"


def _what_goes(items: Iterable[GroupItem]) -> str:
    parts = [
        f"{item.id} ({policy_name(item.database, item.policy)}, {format_time(item.start)}, "
        f"{counted(len(item.shards), 'shard')})"
        for item in items
    ]
    return f"this deletes shard group {', '.join(parts)}; their data is no longer served"
