"""``etcdmeta node remove``: a node goes for good, with nothing on it, after a plan has moved it, or by force."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.exits import PartlyDone
from etcdmeta.cli.frame import verb
from etcdmeta.cli.node import app, listing
from etcdmeta.cli.node_emptying import Wait, Way, current, empty, go_on, under_way, way_of, what_stays
from etcdmeta.cli.options import DryRun, Force, Reason, Yes
from etcdmeta.cli.plan_options import AtOnce, Detach, PauseOnInterrupt, PerNode, PerSource, ZoneLabel, limits_of
from etcdmeta.cli.session import Session
from etcdmeta.cli.text import counted
from etcdmeta.cli.waiting import waiting
from etcdmeta.commands.node import BeginNodeRemoval
from etcdmeta.commands.planning import decommission
from etcdmeta.commands.planning.layout import ZONE_LABEL
from etcdmeta.errors import EtcdMetaError, InvalidInput, NodeOwnsShards
from etcdmeta.model.entities import Node
from etcdmeta.model.moveplans import PlanKind
from etcdmeta.model.owners import NodeState

if TYPE_CHECKING:
    from etcdmeta.model.snapshot import Snapshot
    from etcdmeta.store import MetaStore


@verb(
    app,
    "remove",
    epilog="What it owns is moved to other nodes first, by a plan (decommission) that is watched here; the same\n"
    "command again goes on with it, and node undrain --abort calls it off. With --force --reason TEXT its owners are\n"
    "removed instead of moved. Exit code: 0 removed, 8 stopped on the way, 4 refused.",
)
def remove(
    ctx: typer.Context,
    node: Annotated[str, typer.Argument(metavar="NODE", help="By id or host.")],
    yes: Yes = False,
    force: Force = False,
    reason: Reason = "",
    allow_last: Annotated[
        bool, typer.Option("--allow-last", help="With --force: even where it is a shard's last serving owner.")
    ] = False,
    per_node: PerNode = None,
    per_source: PerSource = None,
    at_once: AtOnce = None,
    zone_label: ZoneLabel = ZONE_LABEL,
    wait: Wait = False,
    detach: Detach = False,
    pause_on_interrupt: PauseOnInterrupt = False,
    dry_run: DryRun = False,
) -> None:
    """Remove a node for good. Asks first. What it owns moves to other nodes before; its id is never used again."""
    session = Session.of(ctx)
    if force and not reason:
        raise InvalidInput("--force without a reason", rule="the history keeps why", remedy="add --reason TEXT")
    way = way_of(wait, detach, reason=reason, limits=limits_of(per_node, per_source, at_once), zone_label=zone_label,
                 pause_on_interrupt=pause_on_interrupt, yes=yes, dry_run=dry_run)  # fmt: skip
    with session.store() as store:
        snapshot = current(session, store)
        record = snapshot.node(node)
        if record.state == NodeState.REMOVED:
            tell_removed(session, store, record, "is removed already; nothing changed")
            return
        plan = under_way(snapshot, PlanKind.DECOMMISSION, [record.id], remove=True)
        owned = sum(1 for _ in snapshot.shards_of(record.id))
        if plan is not None and not force:
            code = go_on(session, store, plan, way)
        elif owned and not force:
            code = _move_and_remove(session, store, snapshot, record, way)
        elif dry_run:
            carry_out(session, store, [BeginNodeRemoval(node_id=record.id)], dry_run=True, show=listing(snapshot, []))
            tell_second_step(session, record, owned=owned)
            code = 0
        else:
            taken = f" and its share in {counted(owned, 'shard')}" if owned else ""
            confirm(session, f"this removes node {record.id} ({record.host}){taken}", yes=yes)
            _remove(session, store, record, force=force, reason=reason, allow_last=allow_last)
            code = 0
    raise typer.Exit(code)


def _move_and_remove(session: Session, store: MetaStore, snapshot: Snapshot, node: Node, way: Way) -> int:
    """Raises `NodeOwnsShards` where some of its shards cannot be moved: then it could not go."""
    with waiting(session, "planning"):
        draft = decommission(snapshot, node_ids=(node.id,), remove=True, zone_label=way.zone_label)
    if draft.left_out:
        raise NodeOwnsShards(
            f"node {node.id} ({node.host}) cannot be removed: {what_stays(draft.left_out)}",
            value=node.id,
            rule="a node goes when it owns nothing in live groups",
            remedy=f"etcdmeta node drain {node.id} moves what can be moved; node remove --force --reason TEXT removes "
            "its owners without moving them",
        )
    moved = f"{counted(len(draft.moves), 'shard')} {'is' if len(draft.moves) == 1 else 'are'} moved to other nodes"
    question = f"this removes node {node.id} ({node.host}) for good, after {moved}"
    return empty(session, store, draft, way, question=question)


def _remove(session: Session, store: MetaStore, node: Node, *, force: bool, reason: str, allow_last: bool) -> None:
    """At once, with nothing moved."""
    try:
        with waiting(session, f"removing node {node.id}"):
            store.remove_node(node.id, force=force, reason=reason, allow_last=allow_last)
    except EtcdMetaError as error:
        state = store.snapshot().node(node.id).state
        if state == node.state:
            raise
        raise PartlyDone(f"node {node.id} is {state} and takes no new shards", error) from error
    tell_removed(session, store, node, "is removed")


def tell_second_step(session: Session, node: Node, *, owned: int = 0) -> None:
    """What a preview of the first step alone leaves out. ``owned``: how many shards lose it as an owner."""
    if node.state != NodeState.REMOVED:
        losing = f"its share in {counted(owned, 'shard')} is taken away, " if owned else ""
        session.note(f"then {losing}node {node.id} is removed, and {node.host} is free for another node")


def tell_removed(session: Session, store: MetaStore, node: Node, how: str) -> None:
    """Say how a node went, in the format that was asked for."""
    snapshot, picture = session.look(store)
    if session.output.is_table:
        session.output.sentence(f"node {node.id} ({node.host}) {how} (generation {snapshot.generation})")
    else:
        session.output.listing(listing(snapshot, [snapshot.node(node.id)]), picture)
