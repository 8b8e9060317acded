"""``etcdmeta cluster``: the cluster itself."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from etcdmeta.cli.asking import confirm
from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.items import ClusterItem
from etcdmeta.cli.naming import new_identity
from etcdmeta.cli.options import DryRun, Yes
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column, block
from etcdmeta.commands.cluster import InitCluster
from etcdmeta.commands.guard import SetReadOnly
from etcdmeta.model.entities import Cluster
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.keys import Keyspace

app = noun("cluster")


class ReadOnlyState(StrEnum):
    """The flag in the guard."""

    ON = "on"
    OFF = "off"


@verb(app, "init")
def init(
    ctx: typer.Context,
    print_roles: Annotated[
        bool, typer.Option("--print-roles", help="Only print the etcdctl commands that make the three roles.")
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Make the cluster, without a node yet. Made already, that is said."""
    session = Session.of(ctx)
    if print_roles:
        session.output.lines(roles(Keyspace(session.settings.cluster).prefix.decode("ascii"), session.settings.cluster))
        return
    command = InitCluster(cluster_id=new_identity(), epoch=new_identity())
    with session.store() as store:
        carry_out(session, store, [command], dry_run=dry_run, show=lambda snap: listing(session, snap))


@verb(app, "accept-restore", epilog="Run it once, when somebody has looked at what is lost; nodes then write again.")
def accept_restore(
    ctx: typer.Context,
    id_margin: Annotated[
        int, typer.Option("--id-margin", metavar="N", help="Ids that the lost part may have used beyond the backup.")
    ] = 100_000,
    generation: Annotated[
        int, typer.Option("--generation", metavar="N", help="The highest generation that anybody saw.")
    ] = 0,
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Take what a restored etcd holds as the world from now on, and allow writes again."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, _ = session.look(store)
        if not dry_run:
            what = f"all that was done after generation {snapshot.generation} is given up"
            confirm(session, f"{what}; ids go on {id_margin} further", yes=yes)
        command = store.acceptance(id_margin=id_margin, generation=generation, timeout=session.remaining())
        carry_out(session, store, [command], dry_run=dry_run, show=lambda snap: listing(session, snap))


@verb(app, "read-only")
def read_only(
    ctx: typer.Context,
    state: Annotated[ReadOnlyState, typer.Argument(metavar="on|off", help="on refuses all writes of everybody.")],
    yes: Yes = False,
    dry_run: DryRun = False,
) -> None:
    """Refuse all writes of everybody, for maintenance, or allow them again."""
    session = Session.of(ctx)
    with session.store() as store:
        if state is ReadOnlyState.ON and not dry_run:
            confirm(session, "all nodes' writes to the metadata will be refused", yes=yes)
        command = SetReadOnly(read_only=state is ReadOnlyState.ON)
        carry_out(session, store, [command], dry_run=dry_run, show=lambda snap: listing(session, snap))


@verb(app, "info")
def info(ctx: typer.Context) -> None:
    """Show who the cluster is and what it holds."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        shown = listing(session, snapshot)
        detail = block(
            [
                ("Cluster", shown.items[0].name),
                ("Id", str(shown.items[0].id)),
                ("Prefix", shown.items[0].prefix),
                ("Generation", str(picture.generation)),
                ("Revision", str(picture.revision)),
                ("Behind", f"{picture.age:.1f} s"),
                ("Read only", "yes" if shown.items[0].read_only else "no"),
                ("Nodes", str(shown.items[0].nodes)),
                ("Databases", str(shown.items[0].databases)),
                ("Users", str(shown.items[0].users)),
            ]
        )
        session.output.details(shown, [detail], picture)


@verb(app, "id")
def id_(ctx: typer.Context) -> None:
    """Print the cluster's id."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        session.output.details(listing(session, snapshot), [f"{picture.cluster_id}\n"], picture)


@verb(app, "revision")
def revision(ctx: typer.Context) -> None:
    """Print the etcd revision that the picture stands at."""
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        session.output.details(listing(session, snapshot), [f"{picture.revision}\n"], picture)


def listing(session: Session, snapshot: Snapshot) -> Listing[ClusterItem]:
    """The cluster in every format."""
    return Listing(
        kind="ClusterList",
        items=[] if snapshot.cluster is None else [_item(session.settings.cluster, snapshot, snapshot.cluster)],
        columns=(Column("NAME", lambda item: item.name), Column("ID", lambda item: str(item.id))),
        fields=ClusterItem.fields(),
        plain=ClusterItem.plain,
        name=lambda item: item.name,
        things="cluster",
    )


def roles(prefix: str, cluster: str) -> list[str]:
    """The protocol's "Permissions": etcd roles for who reads, for nodes, and for who changes things."""
    reader, node, writer = (f"etcdmeta-{cluster}-{who}" for who in ("reader", "node", "writer"))

    def grant(role: str, what: str, below: str) -> str:
        return f"etcdctl role grant-permission {role} {what} --prefix=true {prefix}{below}"

    return [
        f"etcdctl role add {reader}",
        grant(reader, "read", "state/"),
        grant(reader, "read", "ledger/"),
        f"etcdctl role add {node}",
        grant(node, "read", "state/"),
        grant(node, "read", "ledger/"),
        grant(node, "readwrite", "state/live/"),
        grant(node, "readwrite", "state/progress/"),
        f"etcdctl role add {writer}",
        grant(writer, "readwrite", ""),
        f"# then, for each user: etcdctl user grant-role USER {writer}",
    ]


def _item(name: str, snapshot: Snapshot, cluster: Cluster) -> ClusterItem:
    return ClusterItem(
        id=cluster.cluster_id,
        name=name,
        prefix=Keyspace(name).prefix.decode("ascii"),
        epoch=cluster.epoch,
        oldest_reader=cluster.oldest_reader,
        oldest_writer=cluster.oldest_writer,
        read_only=cluster.read_only,
        nodes=len(snapshot.nodes()),
        databases=len(snapshot.databases()),
        users=len(snapshot.users()),
    )
