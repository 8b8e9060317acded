"""``etcdmeta watch``: what others do, one line a change, as it happens."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from etcdmeta.cli.frame import lone_verb, verb
from etcdmeta.cli.news import sentence
from etcdmeta.cli.output import Output, Picture
from etcdmeta.cli.screens import ChangeItem
from etcdmeta.cli.session import Session
from etcdmeta.cli.stream import check_format, emit
from etcdmeta.cli.text import printable, to_ascii
from etcdmeta.errors import InvalidInput
from etcdmeta.model.times import format_time
from etcdmeta.replica.changes import Change, Lagged

app = lone_verb()

KINDS = (
    "database", "policy", "group", "node", "user", "query", "subscription", "grant", "cluster", "liveness", "progress",
)  # fmt: skip
_PATIENCE = 1.0


@verb(
    app,
    "watch",
    epilog="Ends at Ctrl-C (exit code 130), or after --timeout (0). jsonl has one object a change.",
)
def watch(
    ctx: typer.Context,
    kind: Annotated[
        list[str] | None,
        typer.Option("--kind", metavar="KIND", help=f"Only this, repeatable: {' '.join(KINDS)}."),
    ] = None,
) -> None:
    """Print what others change, as it happens, one line a change.

    A node's repeated sign of life and a copy's progress are left out unless their kind is asked for.
    """
    session = Session.of(ctx)
    output = session.output
    for word in kind or ():
        if word not in KINDS:
            raise InvalidInput(f"no kind {word!r}", value=word, rule=f"kinds are {' '.join(KINDS)}")
    check_format(output)
    wanted = frozenset(kind or ())
    with session.store() as store:
        snapshot = store.snapshot()  # there may be no cluster yet: its making is news, too
        session.note(f"watching {store.cluster_name!r} from generation {snapshot.generation} on; Ctrl-C ends it")
        while (left := session.remaining()) is None or left > 0:
            timeout = _PATIENCE if left is None else min(left, _PATIENCE)
            for item in store.changes(since=snapshot, timeout=timeout):
                snapshot = item.snapshot
                if isinstance(item, Lagged):
                    session.note(
                        f"too slow: changes before generation {snapshot.generation} were skipped", level="warning"
                    )
                elif _is_news(item, wanted):
                    _write(output, item, store.freshness().age)
                if session.remaining() == 0:
                    return


def _is_news(change: Change, wanted: frozenset[str]) -> bool:
    if change.is_hidden:
        return False
    if wanted:
        return change.kind in wanted
    return change.kind != "progress" and (change.kind, change.action) != ("liveness", "changed")


def _write(output: Output, change: Change, age: float) -> None:
    now = time.time_ns()
    if output.is_table:
        clock = format_time(now // 10**9 * 10**9)
        joined = "  (seen late: others may lie between)" if change.joined else ""
        line = printable(f"{clock}  {change.generation}  {sentence(change)}{joined}")
        output.lines([line if output.utf8 else to_ascii(line)])
        output.stream.flush()
        return
    item = ChangeItem(
        generation=change.generation,
        revision=change.revision,
        seen_at=now,
        kind=change.kind,
        action=change.action,
        name=change.where,
        message=sentence(change),
        joined=change.joined,
    )
    cluster = change.snapshot.cluster
    cluster_id = cluster.cluster_id if cluster else 0
    picture = Picture(cluster_id, change.generation, change.revision, now - int(age * 1e9), age)
    emit(output, "ChangeList", item.plain(), picture)
