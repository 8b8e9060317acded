"""``etcdmeta shard explain``: the story of a shard in sentences, and the exact next commands."""

from __future__ import annotations

import time
from collections.abc import Iterable

import typer
from pydantic import BaseModel

from etcdmeta.cli.frame import verb
from etcdmeta.cli.naming import parse_id
from etcdmeta.cli.output import Listing
from etcdmeta.cli.paging import page
from etcdmeta.cli.schema import Id, Item, Time
from etcdmeta.cli.session import Session
from etcdmeta.cli.shard import Ids, app, look, take_view
from etcdmeta.cli.shard_filter import ShardFilter
from etcdmeta.cli.shard_items import summary_json
from etcdmeta.cli.shard_past import past_of
from etcdmeta.cli.shard_plans import active_moves
from etcdmeta.cli.shard_story import Explanation, OwnerStory, Turn, explain
from etcdmeta.cli.shard_table import HEALTH_COLOURS, Look
from etcdmeta.cli.shard_view import StatusView
from etcdmeta.cli.text import printable, to_ascii, wrapped
from etcdmeta.model.durations import SECOND
from etcdmeta.model.times import format_time

WIDEST = 100
"""Sentences are read more easily when a line is not longer than this, however wide the terminal is."""


class TurnItem(Item):
    """One change of one owner; ``time`` by the clock of ``actor``."""

    time: Time
    actor: str
    what: str


class OwnerStoryItem(Item):
    """``waitsFor``: what keeps its copy from going on. ``history``: oldest first."""

    node_id: Id
    host: str
    now: str
    waits_for: list[str]
    history: list[TurnItem]


class ShardExplanationItem(Item):
    """``why``: the rule that made the verdict. ``formerOwners``: who owned it once. ``next``: commands, best first.

    ``gap``: what of the past nobody can tell any more; "" where all of it is there.
    """

    shard_id: Id
    health: str
    reason: str
    why: list[str]
    owners: list[OwnerStoryItem]
    former_owners: list[OwnerStoryItem]
    plans: list[str]
    next: list[str]
    gap: str


KINDS: dict[str, type[BaseModel]] = {"ShardExplanationList": ShardExplanationItem}


@verb(app, "explain", epilog="The past is as long as the history is kept, and etcd is not compacted.")
def explain_shards(ctx: typer.Context, ids: Ids) -> None:
    """Why shards are as they are, how each owner came there, what it waits for, and what to type."""
    session = Session.of(ctx)
    numbers = tuple(dict.fromkeys(parse_id(text, "shard") for text in ids))
    with session.store() as store:
        snapshot, _ = session.look(store)
        view = take_view(snapshot, store=store, wanted=ShardFilter(shards=numbers))
        nodes = {node.id: node for node in snapshot.nodes(include_removed=True)}
        by_id = {status.shard_id: status for status in view.statuses}
        stories = [
            explain(
                by_id[number],
                past_of(session, store, number),
                nodes,
                active_moves(snapshot, number),
                time.time_ns(),
            )
            for number in numbers
        ]
    if not session.output.is_table:
        session.output.listing(_listing(stories, view), view.picture)
        return
    lines: list[str] = []
    for story in stories:
        lines += [*([""] if lines else []), *story_lines(story, look(session))]
    page(session, lines)


def story_lines(story: Explanation, look: Look) -> list[str]:
    """For a person to read, wrapped on a terminal; in a pipe one sentence a line."""
    width = None if look.width is None else min(look.width, WIDEST)

    def lines_of(indent: str, sentences: Iterable[str]) -> list[str]:
        texts = map(to_ascii if look.ascii else str, map(printable, sentences))
        return [line for text in texts for line in wrapped(text, width, indent)]

    lines = lines_of("", story.verdict)
    for title, owners in (("Owners", story.owners), ("Former owners", story.former)):
        if owners:
            lines += ["", title]
        for owner in owners:
            lines += lines_of("  ", [f"n{owner.node_id} {owner.host}: {owner.now}"])
            lines += lines_of("    ", [*map(_turn, owner.past), *owner.waits])
    if story.gap:
        lines += ["", *lines_of("", [f"Not all of it is known: {story.gap}."])]
    if story.plans:
        lines += ["", "Plans", *lines_of("  ", story.plans)]
    # A command stays in one line, however narrow the terminal is, so that it can be copied.
    lines += ["", "Next", *(f"  {command}" for command in story.commands or ("nothing needs to be done",))]
    return [_painted(line, story, look) for line in lines] if look.colour else lines


def _turn(turn: Turn) -> str:
    return f"{format_time(turn.time // SECOND * SECOND)}  {turn.what}, by {turn.actor}"


def _painted(line: str, story: Explanation, look: Look) -> str:
    health = story.status.health
    if line in ("Owners", "Former owners", "Plans", "Next"):
        return look.paint(line, "1")
    return line.replace(f" is {health}.", f" is {look.paint(str(health), HEALTH_COLOURS[health])}.")


def _listing(stories: list[Explanation], view: StatusView) -> Listing[ShardExplanationItem]:
    return Listing(
        kind="ShardExplanationList",
        items=[_item(story) for story in stories],
        columns=(),
        fields=ShardExplanationItem.fields(),
        plain=ShardExplanationItem.plain,
        name=lambda item: str(item.shard_id),
        things="shards",
        summary=summary_json(view.summary),
        warnings=view.warnings,
    )


def _item(story: Explanation) -> ShardExplanationItem:
    return ShardExplanationItem(
        shard_id=story.status.shard_id,
        health=str(story.status.health),
        reason=story.status.reason,
        why=list(story.verdict),
        owners=[_owner_item(owner) for owner in story.owners],
        former_owners=[_owner_item(owner) for owner in story.former],
        plans=list(story.plans),
        next=list(story.commands),
        gap=story.gap,
    )


def _owner_item(owner: OwnerStory) -> OwnerStoryItem:
    return OwnerStoryItem(
        node_id=owner.node_id,
        host=owner.host,
        now=owner.now,
        waits_for=list(owner.waits),
        history=[TurnItem(time=turn.time, actor=turn.actor, what=turn.what) for turn in owner.past],
    )
