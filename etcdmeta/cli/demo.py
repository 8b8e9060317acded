"""``etcdmeta demo``: the main job on a real etcd of three members, in a temporary folder."""

from __future__ import annotations

import shlex
import signal
from types import FrameType
from typing import Annotated

import typer

from etcdmeta.cli.frame import lone_verb, verb
from etcdmeta.cli.session import Session
from etcdmeta.embedded import Cluster

app = lone_verb()


@verb(app, "demo", epilog="Needs no settings and no network; leaves nothing behind, on Ctrl-C either.")
def demo(
    ctx: typer.Context,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it running afterwards, until Ctrl-C.")] = False,
) -> None:
    """Play the main job on a real etcd of three members."""
    from etcdmeta.demo.agents import Agents
    from etcdmeta.demo.play import NODES, environment, play

    session = Session.of(ctx)
    signal.signal(signal.SIGTERM, _stop)  # so that the members and the folder go, as on Ctrl-C
    session.note("starting three members of etcd in a temporary folder …")
    with Cluster(3) as cluster, Agents(NODES, environment(cluster)) as agents:
        play(cluster, agents, session.stdout)
        if not keep:
            return
        for name, value in environment(cluster).items():
            session.output.lines([f"export {name}={shlex.quote(value)}"])
        session.stdout.flush()
        session.note("it runs on: paste the exports into another shell, and play. Ctrl-C ends it and takes all away")
        while True:
            signal.pause()


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
