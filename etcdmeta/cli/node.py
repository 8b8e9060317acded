"""``etcdmeta node``: database nodes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.exits import DEGRADED, UNAVAILABLE, PartlyDone
from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.items import NodeItem
from etcdmeta.cli.naming import new_identity, parse_labels, policy_name
from etcdmeta.cli.options import DryRun, ExitCode, Force, Reason, Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column, block
from etcdmeta.cli.text import counted
from etcdmeta.cli.waiting import waiting
from etcdmeta.commands.node import AddNode, BeginNodeRemoval
from etcdmeta.errors import EtcdMetaError, InvalidInput
from etcdmeta.model.entities import Node
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import format_time

if TYPE_CHECKING:
    from etcdmeta.store import MetaStore

app = noun("node")


@verb(app, "list")
def list_(
    ctx: typer.Context,
    removed: Annotated[bool, typer.Option("--all", help="Removed ones too.")] = False,
    exit_code: ExitCode = False,
) -> None:
    """List the nodes, in the order they joined.

    With --exit-code: 10 where a node is known to be down, 11 where all are.
    """
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        shown = listing(snapshot, snapshot.nodes(include_removed=removed))
        session.output.listing(shown, picture)
    down = [item.live is False for item in shown.items if item.state != NodeState.REMOVED]
    if exit_code and any(down):
        raise typer.Exit(UNAVAILABLE if all(down) else DEGRADED)


@verb(app, "show")
def show(
    ctx: typer.Context, nodes: Annotated[list[str], typer.Argument(metavar="NODE", help="By id or host.")]
) -> None:
    """Show nodes and the shards they own."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        shown = listing(snapshot, [snapshot.node(which) for which in nodes])
        session.output.details(shown, (detail(snapshot, item) for item in shown.items), picture)


@verb(app, "join", epilog="The first node makes the cluster. The same host again is no error.")
def join(
    ctx: typer.Context,
    host: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the other nodes reach it.")],
    label: Annotated[list[str] | None, typer.Option(metavar="KEY=VALUE", help="As zone=a; repeatable.")] = None,
    dry_run: DryRun = False,
) -> None:
    """A node joins the cluster and takes new shards from now on."""
    session = Session.of(ctx)
    command = AddNode(host=host, labels=parse_labels(label or []), cluster_id=new_identity(), epoch=new_identity())
    with session.store() as store:
        carry_out(session, store, [command], dry_run=dry_run, show=lambda snap: listing(snap, [snap.node(host)]))


@verb(app, "remove", epilog="Its shards' owners have to be moved first, or go with --force --reason TEXT.")
def remove(
    ctx: typer.Context,
    node: Annotated[str, typer.Argument(metavar="NODE", help="By id or host.")],
    yes: Yes = False,
    force: Force = False,
    reason: Reason = "",
    allow_last: Annotated[
        bool, typer.Option("--allow-last", help="With --force: even where it is a shard's last serving owner.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Remove a node for good; its id is never used again. Asks first."""
    session = Session.of(ctx)
    if force and not reason:
        raise InvalidInput("--force without a reason", rule="the history keeps why", remedy="add --reason TEXT")
    with session.store() as store:
        snapshot, _ = session.look(store)
        record = snapshot.node(node)
        if dry_run:
            carry_out(session, store, [BeginNodeRemoval(node_id=record.id)], dry_run=True, show=listing(snapshot, []))
            return
        if record.state == NodeState.REMOVED:
            _tell_removed(session, store, record, "is removed already; nothing changed")
            return
        owned = snapshot.owner_counts().get(record.id, 0)
        taken = f" and its share in {counted(owned, 'shard')}" if owned else ""
        confirm(session, f"this removes node {record.id} ({record.host}){taken}", yes=yes)
        try:
            with waiting(session, f"removing node {record.id}"):
                store.remove_node(record.id, force=force, reason=reason, allow_last=allow_last)
        except EtcdMetaError as error:
            state = store.snapshot().node(record.id).state
            if state == record.state:
                raise
            raise PartlyDone(f"node {record.id} is {state} and takes no new shards", error) from error
        _tell_removed(session, store, record, "is removed")


def _tell_removed(session: Session, store: MetaStore, node: Node, how: str) -> None:
    snapshot, picture = session.look(store)
    if session.output.is_table:
        session.output.sentence(f"node {node.id} ({node.host}) {how} (generation {snapshot.generation})")
    else:
        session.output.listing(listing(snapshot, [snapshot.node(node.id)]), picture)


def listing(snapshot: Snapshot, nodes: Iterable[Node]) -> Listing[NodeItem]:
    """The nodes in every format."""
    return Listing(
        kind="NodeList",
        items=[item_of(snapshot, node) for node in nodes],
        columns=(
            Column("NODE", lambda item: f"n{item.id}", right=True),
            Column("HOST", lambda item: item.host),
            Column("STATE", lambda item: item.state),
            Column("LIVE", _live, style=lambda item: "red" if item.live is False else ""),
            Column("OWNS", lambda item: str(item.owners), right=True),
            Column("LABELS", lambda item: ",".join(f"{key}={value}" for key, value in item.labels.items())),
            Column("SINCE", lambda item: format_time(item.live_since) if item.live_since else "-", wide=True),
            Column("VERSION", lambda item: item.version or "-", wide=True),
        ),
        fields=NodeItem.fields(),
        plain=NodeItem.plain,
        name=lambda item: str(item.id),
        things="nodes",
    )


def item_of(snapshot: Snapshot, node: Node) -> NodeItem:
    """A node as its JSON has it."""
    liveness = snapshot.liveness(node.id)
    return NodeItem(
        id=node.id,
        host=node.host,
        state=str(node.state),
        labels=dict(node.labels),
        live=snapshot.is_live(node.id),
        live_since=liveness.since if liveness else None,
        version=(liveness.version or None) if liveness else None,
        owners=snapshot.owner_counts().get(node.id, 0),
    )


def detail(snapshot: Snapshot, item: NodeItem) -> str:
    """A node for a person to read."""
    pairs = [
        ("Node", f"n{item.id}"),
        ("Host", item.host),
        ("State", item.state),
        ("Live", _live(item)),
        ("Labels", ", ".join(f"{key}={value}" for key, value in item.labels.items()) or "none"),
        ("Owns", counted(item.owners, "shard")),
    ]
    for group, shard, owner in snapshot.shards_of(item.id):
        database = snapshot.database_by_id(group.database_id)
        policy = policy_name(database.name, database.policy_by_id(group.policy_id).name)
        reason = f" ({owner.reason})" if owner.reason else ""
        pairs.append(("Shard", f"{shard.id}  {policy}  group {group.id}  {owner.status}{reason}"))
    return block(pairs)


def _live(item: NodeItem) -> str:
    return {True: "live", False: "down", None: "not reported"}[item.live]
