"""``etcdmeta node label``: what the planners spread owners by, and people tell nodes apart by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from etcdmeta.cli.changing import carry_out
from etcdmeta.cli.frame import verb
from etcdmeta.cli.node import app, listing
from etcdmeta.cli.options import DryRun
from etcdmeta.cli.session import Session
from etcdmeta.commands.labelling import LabelNode
from etcdmeta.errors import InvalidInput


@verb(
    app,
    "label",
    epilog="Other labels stay as they are. No shard moves by it: plan rebalance spreads owners over the zones.",
)
def label(
    ctx: typer.Context,
    node: Annotated[str, typer.Argument(metavar="NODE", help="By id or host.")],
    labels: Annotated[list[str], typer.Argument(metavar="LABEL...", help="zone=a sets it, zone- takes it away.")],
    dry_run: DryRun = False,
) -> None:
    """Set labels of a node, or take them away."""
    session = Session.of(ctx)
    values, without = parse_changes(labels)
    with session.store() as store:
        record = session.look(store)[0].node(node)
        command = LabelNode(node_id=record.id, labels=values, without=without)
        carry_out(
            session, store, [command], dry_run=dry_run, show=lambda after: listing(after, [after.node(record.id)])
        )


def parse_changes(labels: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """``zone=a`` and ``zone-``: what is set, and what goes. Raises `InvalidInput`."""
    values: dict[str, str] = {}
    without: list[str] = []
    for text in labels:
        key, equals, value = text.partition("=")
        if equals and key and key not in values:
            values[key] = value
        elif not equals and text.endswith("-") and len(text) > 1:
            without.append(text[:-1])
        else:
            twice = bool(equals and key)
            raise InvalidInput(
                f"{key!r} is set twice" if twice else f"{text!r} is no change of a label",
                value=text,
                rule="each label once: zone=a sets it, zone- takes it away",
            )
    return values, tuple(without)
