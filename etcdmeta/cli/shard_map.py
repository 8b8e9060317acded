"""``etcdmeta shard map``: nodes × shards, drawn to the width of the terminal."""

from __future__ import annotations

from typing import Annotated

import typer
from pydantic import BaseModel

from etcdmeta.cli.frame import verb
from etcdmeta.cli.output import Listing
from etcdmeta.cli.paging import page
from etcdmeta.cli.schema import Id, Item
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard import app, look, take_view
from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_grid import NodeRow, map_lines, node_rows
from etcdmeta.cli.shard_items import summary_json
from etcdmeta.cli.shard_options import Copying, Db, Group, HealthOf, NodeOf, Rp, shard_filter
from etcdmeta.cli.shard_view import StatusView


class OwnedShardItem(Item):
    """``mark``: active, copying, leaving, failed, down, gone or unknown: what most needs to be known of the owner."""

    shard_id: Id
    mark: str


class ShardMapItem(Item):
    """One node and the shards that it owns. ``zone`` "": it has no such label. ``node``: live, down, gone …"""

    node_id: Id
    host: str
    zone: str
    node: str
    shards: list[OwnedShardItem]


KINDS: dict[str, type[BaseModel]] = {"ShardMapList": ShardMapItem}


@verb(app, "map", epilog="Where there are more shards than columns, a column shows the worst of several.")
def shard_map(
    ctx: typer.Context,
    ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Only these shards.")] = None,
    db: Db = None,
    rp: Rp = None,
    group: Group = None,
    node: NodeOf = None,
    health: HealthOf = None,
    copying: Copying = False,
) -> None:
    """Which node owns which shard, and how it is there: nodes by zone, the oldest shards left."""
    session = Session.of(ctx)
    wanted = shard_filter(ids, db, rp, group, node, health, copying=copying)
    with session.store() as store:
        snapshot, picture = session.look(store)
        past = picture if session.at_generation is not None else None
        view = take_view(snapshot, store=store, wanted=wanted, past=past)
        rows = node_rows(snapshot, view.statuses, every=wanted == ShardFilter())
    if not session.output.is_table:
        session.output.listing(_listing(rows, view), view.picture)
    elif view.statuses:
        page(session, map_lines(view.statuses, rows, look(session)))
    else:
        session.note("no such shards" if view.filtered else "no shards yet")


def _listing(rows: list[NodeRow], view: StatusView) -> Listing[ShardMapItem]:
    return Listing(
        kind="ShardMapList",
        items=[_item(row) for row in rows],
        columns=(),
        fields=ShardMapItem.fields(),
        plain=ShardMapItem.plain,
        name=lambda item: str(item.node_id),
        things="nodes",
        flat={"shards": lambda item: ",".join(f"{owned.shard_id}:{owned.mark}" for owned in item.shards)},
        summary=summary_json(view.summary),
        warnings=view.warnings,
    )


def _item(row: NodeRow) -> ShardMapItem:
    return ShardMapItem(
        node_id=row.node_id,
        host=row.host,
        zone=row.zone,
        node=str(row.presence),
        shards=[OwnedShardItem(shard_id=shard_id, mark=mark) for shard_id, mark in sorted(row.marks.items())],
    )
