"""``etcdmeta shard copy`` and ``shard cancel``: a copy begun, watched, and called off by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import verb
from etcdmeta.cli.naming import parse_id
from etcdmeta.cli.options import DryRun, Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard import app, take_view
from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_listing import listing
from etcdmeta.cli.shard_plans import check_no_plan_wants
from etcdmeta.commands.copying import BeginCopy, CancelCopy
from etcdmeta.errors import CopyCancelled, Refused, WaitTimedOut
from etcdmeta.model.entities import ShardOwner
from etcdmeta.model.health import OwnerState, Presence, ShardStatus
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.snapshot import Snapshot

if TYPE_CHECKING:
    from etcdmeta.store import MetaStore

Shard = Annotated[str, typer.Argument(metavar="SHARD", help="The shard's id.")]
Force = Annotated[bool, typer.Option("--force", help="Though a running plan would begin it again.")]


@verb(
    app,
    "copy",
    epilog="The node TO becomes an owner, copies, and serves when it has all. A copy that failed begins again.\n"
    "Ctrl-C while waiting: the copy goes on; shard cancel ends it. Exit code of --wait: 4 where the copy fails, 124\n"
    "where --timeout runs out.",
)
def copy(
    ctx: typer.Context,
    shard: Shard,
    source: Annotated[str, typer.Option("--from", metavar="NODE", help="Whom to copy from: an owner that serves.")],
    target: Annotated[str, typer.Option("--to", metavar="NODE", help="Who becomes an owner.")],
    wait: Annotated[bool, typer.Option("--wait", help="Until the new owner serves.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Copy a shard to another node, which becomes one more owner of it."""
    session = Session.of(ctx)
    number = parse_id(shard, "shard")
    with session.store() as store:
        snapshot, _ = session.look(store)
        giver, taker = snapshot.node(source).id, snapshot.node(target).id
        command = BeginCopy(shard_id=number, source=giver, target=taker)
        waits = wait and not dry_run
        if not waits or session.output.is_table:
            carry_out(session, store, [command], dry_run=dry_run, show=lambda after: _shard(after, store, number))
        else:  # the record is printed once, as it is at the end
            store.execute(command, timeout=session.remaining())
        if waits:
            _wait(session, store, number, taker)


@verb(app, "cancel", epilog="What was copied so far is dropped by the node. An owner that serves: shard remove-owner.")
def cancel(
    ctx: typer.Context,
    shard: Shard,
    node: Annotated[str, typer.Argument(metavar="NODE", help="Who copies, or failed to, by id or host.")],
    force: Force = False,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Call a copy off, or clear one away that failed: the node owns the shard no more. Asks first."""
    session = Session.of(ctx)
    number = parse_id(shard, "shard")
    with session.store() as store:
        snapshot, _ = session.look(store)
        record = snapshot.node(node)
        owner = snapshot.shard(number).owner(record.id)
        # The attempt that is shown: one that somebody begins meanwhile is not taken away.
        attempt = None if owner is None else owner.attempt
        command = CancelCopy(shard_id=number, node_id=record.id, attempt=attempt)
        if not dry_run:
            store.plan(command)  # what is refused anyway is not worth a question
        if not force:
            check_no_plan_wants(snapshot, number, record.id)
        if not dry_run:
            confirm(session, f"node {record.id} ({record.host}) {_lost(snapshot, number, record.id)}", yes=yes)
        carry_out(session, store, [command], dry_run=dry_run, show=lambda after: _shard(after, store, number))


def _wait(session: Session, store: MetaStore, shard_id: int, node_id: int) -> None:
    """Until the copy is over. Raises `Refused` where it failed, `CopyCancelled`, `WaitTimedOut`."""
    told = ""
    session.output.stream.flush()  # who reads along in a pipe sees that it began

    def over(snapshot: Snapshot) -> bool:
        nonlocal told
        owner = snapshot.shard(shard_id).owner(node_id)
        if owner is None:
            raise CopyCancelled(f"the copy of shard {shard_id} to node {node_id} was called off", value=node_id)
        if owner.status == OwnerStatus.FAILED:
            raise Refused(
                f"the copy of shard {shard_id} to node {node_id} failed: {owner.reason}",
                value=node_id,
                remedy=f"etcdmeta shard explain {shard_id}",
            )
        text = f"shard {shard_id} to node {node_id}: {_progress(snapshot, shard_id, owner)}"
        if text != told and session.stderr.isatty():
            session.note(text)
        told = text
        return owner.serves

    try:
        store.wait_for(over, timeout=session.remaining(float("inf")))
    except WaitTimedOut as error:
        raise WaitTimedOut(
            f"not copied in time: {told}", value=told, remedy="it goes on; `etcdmeta shard wait` waits for it"
        ) from error
    except KeyboardInterrupt:
        session.note(f"the copy goes on; etcdmeta shard cancel {shard_id} {node_id} ends it")
        raise
    if session.output.is_table:
        session.output.sentence(f"node {node_id} serves shard {shard_id}")
    else:
        snapshot, picture = session.look(store)
        session.output.listing(_shard(snapshot, store, shard_id), picture)


def _progress(snapshot: Snapshot, shard_id: int, owner: ShardOwner) -> str:
    """``copying, 43 %, 12 MiB/s, 4 min left``; the status alone where nobody says more."""
    progress = snapshot.progress(shard_id, owner.node_id)
    facts = [str(owner.status)]
    if owner.status == OwnerStatus.COPYING and progress is not None and progress.attempt == owner.attempt:
        state = OwnerState(owner, Presence.UNREPORTED, False, progress)
        if state.fraction is not None:
            facts.append(f"{cells.percent(state.fraction)} %")
        if progress.bytes_per_second:
            facts.append(cells.rate_text(progress.bytes_per_second))
        if state.seconds_left is not None:
            facts.append(f"{cells.left_text(state.seconds_left)} left")
    return ", ".join(facts)


def _lost(snapshot: Snapshot, shard_id: int, node_id: int) -> str:
    owner = snapshot.shard(shard_id).owner(node_id)
    assert owner is not None  # else planning the command was refused
    return f"gives up shard {shard_id} ({_progress(snapshot, shard_id, owner)}), and may drop what it has of it"


def _shard(snapshot: Snapshot, store: MetaStore, shard_id: int) -> Listing[ShardStatus]:
    return listing(take_view(snapshot, store=store, wanted=ShardFilter(shards=(shard_id,))))
