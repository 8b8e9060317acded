"""``etcdmeta shard timeline``: time × owners of a shard, drawn to the width of the terminal."""

from __future__ import annotations

import time

import typer
from pydantic import BaseModel

from etcdmeta.cli.frame import verb
from etcdmeta.cli.naming import parse_id
from etcdmeta.cli.output import Listing
from etcdmeta.cli.paging import page
from etcdmeta.cli.schema import Id, Item, Time
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard import Ids, app, look
from etcdmeta.cli.shard_band import timeline_lines
from etcdmeta.cli.shard_past import Event, Past, past_of
from etcdmeta.model.entities import ShardOwner


class PastOwnerItem(Item):
    """One owner as it was then. ``source`` null: it did not copy."""

    node_id: Id
    status: str
    source: Id | None
    attempt: int
    reason: str


class ShardEventItem(Item):
    """One operation that touched the shard's group; ``time`` by the clock of ``actor``.

    ``owners``: those of the shard after it; null where etcd has compacted that revision, as is ``generation`` then.
    """

    shard_id: Id
    time: Time
    generation: int | None
    revision: int
    actor: str
    command: str
    summary: str
    operation_id: str
    owners: list[PastOwnerItem] | None


KINDS: dict[str, type[BaseModel]] = {"ShardEventList": ShardEventItem}


@verb(app, "timeline", epilog="The past is as long as the history is kept, and etcd is not compacted.")
def timeline(ctx: typer.Context, ids: Ids) -> None:
    """Which node owned a shard when, in which status, and what changed it."""
    session = Session.of(ctx)
    numbers = tuple(dict.fromkeys(parse_id(text, "shard") for text in ids))
    with session.store() as store:
        snapshot, picture = session.look(store)
        for number in numbers:
            snapshot.shard(number)
        pasts = {number: past_of(session, store, number) for number in numbers}
    if not session.output.is_table:
        session.output.listing(_listing(pasts), picture)
        return
    lines: list[str] = []
    for number, past in pasts.items():
        lines += [*([""] if lines else []), *timeline_lines(number, past, time.time_ns(), look(session))]
    page(session, lines)


def _listing(pasts: dict[int, Past]) -> Listing[ShardEventItem]:
    return Listing(
        kind="ShardEventList",
        items=[_item(number, event) for number, past in pasts.items() for event in past.events],
        columns=(),
        fields=ShardEventItem.fields(),
        plain=ShardEventItem.plain,
        name=lambda item: item.operation_id,
        things="events",
        warnings=[f"shard {number}: {past.gap}" for number, past in pasts.items() if past.gap],
    )


def _item(shard_id: int, event: Event) -> ShardEventItem:
    return ShardEventItem(
        shard_id=shard_id,
        time=event.time,
        generation=event.generation,
        revision=event.revision,
        actor=event.actor,
        command=event.command,
        summary=event.summary,
        operation_id=event.operation_id,
        owners=None if event.owners is None else [_owner(owner) for owner in event.owners],
    )


def _owner(owner: ShardOwner) -> PastOwnerItem:
    return PastOwnerItem(
        node_id=owner.node_id,
        status=str(owner.status),
        source=owner.source,
        attempt=owner.attempt,
        reason=owner.reason,
    )
