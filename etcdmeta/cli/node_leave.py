"""``etcdmeta node leave``: a node goes by its own word, which the secret in its data directory proves."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import verb
from etcdmeta.cli.node import app, listing
from etcdmeta.cli.node_remove import tell_removed, tell_second_step
from etcdmeta.cli.options import DryRun, Yes
from etcdmeta.cli.session import CONNECT_SECONDS, Session
from etcdmeta.cli.waiting import waiting
from etcdmeta.commands.node import BeginNodeRemoval
from etcdmeta.model.owners import NodeState


@verb(app, "leave", epilog="Stop its agent first. It may own no shards: node drain moves them.")
def leave(
    ctx: typer.Context,
    data_dir: Annotated[Path, typer.Option(metavar="DIR", help="The data directory of the node's agent.")],
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """The node of a data directory leaves for good; its id is never used again. Asks first."""
    from etcdmeta.agent import leaving
    from etcdmeta.store.shortcuts.nodes import require_owns_nothing

    session = Session.of(ctx)
    node_id = leaving.identity_in(data_dir).node_id
    with session.store() as store:
        snapshot, _ = session.look(store)
        record = snapshot.node(node_id)
        if record.state != NodeState.REMOVED:
            require_owns_nothing(snapshot, node_id)  # leaving would refuse it, too: before anybody is asked
        if dry_run:
            carry_out(session, store, [BeginNodeRemoval(node_id=node_id)], dry_run=True, show=listing(snapshot, []))
            tell_second_step(session, record)
            return
        confirm(session, f"node {node_id} ({record.host}) leaves cluster {store.cluster_name!r} for good", yes=yes)
        with waiting(session, f"node {node_id} leaves"):
            leaving.leave(store, data_dir, timeout=session.remaining(2 * CONNECT_SECONDS))
        tell_removed(session, store, record, "has left")
