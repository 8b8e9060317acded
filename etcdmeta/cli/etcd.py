"""``etcdmeta etcd``: a real etcd on this machine, for trying out."""

from __future__ import annotations

import shlex
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.items import MemberItem
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column
from etcdmeta.embedded import Cluster
from etcdmeta.errors import InvalidInput

app = noun("etcd")

MOST_MEMBERS = 9
_WARNING = """\
NOT FOR PRODUCTION: all members run on this machine, without TLS or passwords, and end with this command.
In production run etcd as its own documentation says, and name its members with --endpoints."""


@verb(app, "run", epilog="In another shell: eval the exports that it prints, then try `etcdmeta node list`.")
def run(
    ctx: typer.Context,
    members: Annotated[int, typer.Option(metavar="N", help="How many members.")] = 1,
    data_dir: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Keep the data there; without: a folder that goes at the end.")
    ] = None,
    port: Annotated[int | None, typer.Option(metavar="PORT", help="The first member's; without: a free one.")] = None,
) -> None:
    """Run an etcd for trying out, until Ctrl-C."""
    session = Session.of(ctx)
    if not 1 <= members <= MOST_MEMBERS:
        raise InvalidInput(f"{members} members", value=members, rule=f"1 to {MOST_MEMBERS}; 3 survive the loss of one")
    if port is not None and not 0 < port < 65_526:
        raise InvalidInput(f"port {port}", value=port, rule="1 to 65525")
    session.note(_WARNING, level="warning")
    with _until_asked_to_stop(), Cluster(members, data_dir=data_dir, port=port) as cluster:
        if session.output.is_table:
            endpoints = ",".join(cluster.endpoints)
            session.output.lines([f"export ETCDMETA_ENDPOINTS={shlex.quote(endpoints)}"])
        else:
            session.output.listing(_listing(cluster))
        session.stdout.flush()
        version = cluster.binaries.version_text
        session.note(f"etcd {version} serves; data and logs in {cluster.directory}; Ctrl-C ends it")
        while True:
            signal.pause()


class _AskedToStop(Exception):
    """SIGTERM came."""


@contextmanager
def _until_asked_to_stop() -> Iterator[None]:
    """Ctrl-C and SIGTERM are how this command ends: in order, and with exit code 0."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _AskedToStop

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except (KeyboardInterrupt, _AskedToStop):
        return
    finally:
        signal.signal(signal.SIGTERM, before)


def _listing(cluster: Cluster) -> Listing[MemberItem]:
    version = cluster.binaries.version_text
    return Listing(
        kind="EndpointList",
        items=[MemberItem(endpoint=endpoint, version=version, problem=None) for endpoint in cluster.endpoints],
        columns=(Column("ENDPOINT", lambda item: item.endpoint),),
        fields=MemberItem.fields(),
        plain=MemberItem.plain,
        name=lambda item: item.endpoint,
        things="members",
    )
