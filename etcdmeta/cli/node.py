"""``etcdmeta node``: database nodes."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable
from typing import Annotated

import typer

from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.exits import DEGRADED, UNAVAILABLE
from etcdmeta.cli.frame import noun, verb
from etcdmeta.cli.items import NodeItem
from etcdmeta.cli.naming import new_identity, parse_labels
from etcdmeta.cli.node_owned import owned_pairs
from etcdmeta.cli.options import DryRun, ExitCode
from etcdmeta.cli.output import Listing
from etcdmeta.cli.session import Session
from etcdmeta.cli.tables import Column, block
from etcdmeta.cli.text import counted
from etcdmeta.commands.node import AddNode
from etcdmeta.model.conditions import NodeCondition, condition_of
from etcdmeta.model.durations import SECOND
from etcdmeta.model.entities import NEVER_PROVEN, Liveness, Node
from etcdmeta.model.owners import NodeState
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.model.times import format_time

app = noun("node")


@verb(app, "list")
def list_(
    ctx: typer.Context,
    removed: Annotated[bool, typer.Option("--all", help="Removed ones too.")] = False,
    exit_code: ExitCode = False,
) -> None:
    """List the nodes, in the order they joined.

    STATE is live, down, draining, joining (for 10 seconds), unknown (it never reported), removing or removed; a node
    that lost its lease or was restarted three times in ten minutes is flapping. GENERATION is what it last reported.
    With --exit-code: 10 where a node is known to be down, 11 where all are.
    """
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        shown = listing(snapshot, snapshot.nodes(include_removed=removed))
        session.output.listing(shown, picture)
    down = [item.condition == NodeCondition.DOWN for item in shown.items if item.state != NodeState.REMOVED]
    if exit_code and any(down):
        raise typer.Exit(UNAVAILABLE if all(down) else DEGRADED)


@verb(app, "show")
def show(
    ctx: typer.Context, nodes: Annotated[list[str], typer.Argument(metavar="NODE", help="By id or host.")]
) -> None:
    """Show nodes and the shards they own.

    Where these do not fit the terminal, they are counted, and those in trouble named; -o wide lists all.
    """
    session = Session.of(ctx)
    with session.store() as store:
        snapshot, picture = session.look(store)
        shown = listing(snapshot, [snapshot.node(which) for which in nodes])
        folds = session.output.is_terminal and session.output.format != "wide"
        height = shutil.get_terminal_size().lines if folds else None
        session.output.details(shown, (detail(snapshot, item, height) for item in shown.items), picture)


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


def listing(snapshot: Snapshot, nodes: Iterable[Node]) -> Listing[NodeItem]:
    """The nodes in every format."""
    now = time.time_ns()
    return Listing(
        kind="NodeList",
        items=[item_of(snapshot, node, now) for node in nodes],
        columns=(
            Column("NODE", lambda item: f"n{item.id}", right=True),
            Column("STATE", state_text, style=_state_colour),
            Column("SINCE", _since, rank=1),
            Column("HOST", lambda item: item.host),
            Column("LABELS", lambda item: ",".join(f"{key}={value}" for key, value in item.labels.items()) or "-"),
            Column("SHARDS", lambda item: str(item.owners), right=True),
            Column("GENERATION", lambda item: _or_unknown(item.generation), right=True, rank=2),
            Column("LAG", lambda item: _or_unknown(item.lag), right=True),
            Column("VERSION", lambda item: item.version or "?", rank=3),
            Column("ADDRESS", lambda item: item.agent_address or "?", wide=True),
            Column("INSTANCE", lambda item: "?" if item.instance is None else f"{item.instance:016x}", wide=True),
            Column("FLAPPING", _interruptions, wide=True),
            Column("RECORD", lambda item: item.state, wide=True),
        ),
        fields=NodeItem.fields(),
        plain=NodeItem.plain,
        name=lambda item: str(item.id),
        things="nodes",
    )


def item_of(snapshot: Snapshot, node: Node, now: int) -> NodeItem:
    """A node as its JSON has it. ``now``: nanoseconds."""
    live = snapshot.is_live(node.id)
    liveness = snapshot.liveness(node.id) if live else None  # of a removed node it says nothing
    said = liveness.generation if liveness else None
    return NodeItem(
        id=node.id,
        host=node.host,
        state=str(node.state),
        labels=dict(node.labels),
        live=live,
        live_since=liveness.since if liveness else None,
        version=(liveness.version or None) if liveness else None,
        owners=snapshot.owner_counts().get(node.id, 0),
        condition=str(condition_of(node, live, now)),
        joined_at=node.joined_at or None,
        generation=said,
        # It reports now and then; what it says may also be newer than a picture that is stale.
        lag=None if said is None else max(0, snapshot.generation - said),
        cache_age_seconds=_age(liveness),
        agent_address=(liveness.agent_address or None) if liveness else None,
        instance=liveness.instance if liveness else None,
        flapping=liveness.is_flapping(now) if liveness else None,
        interruptions=liveness.recent_interruptions(now) if liveness else None,
    )


def detail(snapshot: Snapshot, item: NodeItem, height: int | None = None) -> str:
    """A node for a person to read. ``height``: lines of the terminal, where not more shall be written."""
    pairs = [
        ("Node", f"n{item.id}"),
        ("Host", item.host),
        ("State", state_text(item)),
        ("Since", _since(item)),
        ("Live", _live(item)),
        ("Record", item.state),
        ("Labels", ", ".join(f"{key}={value}" for key, value in item.labels.items()) or "none"),
    ]
    if item.live:
        pairs += [
            ("Version", item.version or "?"),
            ("Agent", item.agent_address or "none"),
            ("Generation", f"{_or_unknown(item.generation)}, {_or_unknown(item.lag)} behind this picture"),
            ("Its picture", _age_text(item)),
            ("Came back", f"{counted(item.interruptions or 0, 'time')} in the last 10 minutes"),
        ]
    for plan in snapshot.plans():
        if plan.is_active and item.id in plan.subjects:
            pairs.append(("Plan", f"{plan.id} ({plan.kind}, {plan.state}) takes everything off it"))
    room = None if height is None else height - len(pairs) - 2  # an empty line, and the shell's prompt
    pairs += owned_pairs(snapshot, int(item.id), room)
    return block(pairs)


def state_text(item: NodeItem) -> str:
    """``live``, ``down``, …; ``live (flapping)``."""
    return f"{item.condition} (flapping)" if item.flapping else item.condition


def _state_colour(item: NodeItem) -> str:
    if item.condition == NodeCondition.DOWN:
        return "red"
    return "magenta" if item.flapping else ""


def _since(item: NodeItem) -> str:
    """Since when it lives, or joins. When a node went down stands nowhere in the picture."""
    if item.live:
        return _second(item.live_since) if item.live_since else "?"
    if item.condition == NodeCondition.JOINING and item.joined_at:
        return _second(item.joined_at)
    return "?" if item.live is False and item.state != NodeState.REMOVED else "-"


def _second(time: int) -> str:
    """The second is enough for a person."""
    return format_time(time // SECOND * SECOND)


def _age(liveness: Liveness | None) -> float | None:
    if liveness is None or liveness.cache_age == NEVER_PROVEN:
        return None
    return liveness.cache_age / SECOND


def _age_text(item: NodeItem) -> str:
    if item.cache_age_seconds is None:
        return "never proven current"
    return f"{item.cache_age_seconds:.0f} s old" if item.cache_age_seconds else "current"


def _interruptions(item: NodeItem) -> str:
    return "?" if item.interruptions is None else f"{'yes' if item.flapping else 'no'} ({item.interruptions} in 10m)"


def _or_unknown(number: int | None) -> str:
    return "?" if number is None else str(number)


def _live(item: NodeItem) -> str:
    return {True: "live", False: "down", None: "not reported"}[item.live]


from etcdmeta.cli import (  # noqa: E402 - they register their verbs with ``app``
    node_drain,  # noqa: F401
    node_label,  # noqa: F401
    node_leave,  # noqa: F401
    node_remove,  # noqa: F401
    node_replace,  # noqa: F401
    node_undrain,  # noqa: F401
)
