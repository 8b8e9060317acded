"""The drawing of `shard timeline`: a row a node, time to the right; what the node's part in the shard was when.

A column stands for a span of time and shows what most needs to be seen in it, so that nothing short gets lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.shard_grid import LETTERS
from etcdmeta.cli.shard_past import Event, Past
from etcdmeta.cli.shard_table import MARK_COLOURS, Look
from etcdmeta.cli.text import printable, to_ascii, wrapped
from etcdmeta.model.durations import SECOND
from etcdmeta.model.owners import OwnerStatus
from etcdmeta.model.times import format_time

PIPE_COLUMNS = 60
_LEAST_COLUMNS = 10
_GAP = "  "
_UNTOLD = "-"
_WORST = {name: place for place, name in enumerate(LETTERS)}


@dataclass(frozen=True, slots=True)
class Stretch:
    """From ``start`` to ``end`` (ns) nothing changed; ``status`` None: no owner, "" nobody knows any more."""

    start: int
    end: int
    status: str | None


def stretches(events: Sequence[Event], node_id: int, now: int) -> list[Stretch]:
    """The node's part in the shard from the first event until now. Clocks that went back make empty ones."""
    found: list[Stretch] = []
    for event, following in zip(events, [*events[1:], None], strict=True):
        end = max(event.time, now if following is None else following.time)
        found.append(Stretch(event.time, end, _status(event, node_id)))
    return found


def timeline_lines(shard_id: int, past: Past, now: int, look: Look) -> list[str]:
    """The band and, below it, the events one by one, oldest first."""
    lines = [look.paint(f"shard {shard_id}", "1")]
    lines += _band(past.events, now, look) if past.events else []
    told = [_event(event) for event in past.events]
    if past.gap:
        told.append(f"Not all of it is known: {past.gap}.")
    for text in map(printable, told):
        lines += wrapped(to_ascii(text) if look.ascii else text, look.width)
    return lines


def _band(events: Sequence[Event], now: int, look: Look) -> list[str]:
    nodes = sorted({owner.node_id for event in events for owner in event.owners or ()})
    heads = [f"n{node_id}" for node_id in nodes]
    width = max(map(len, heads), default=0)
    columns = PIPE_COLUMNS if look.width is None else max(_LEAST_COLUMNS, look.width - width - len(_GAP))
    begin, end = events[0].time, max(now, events[-1].time)
    lines = []
    for node_id, head in zip(nodes, heads, strict=True):
        parts = stretches(events, node_id, end)
        row = "".join(_column(parts, begin, end, place, columns, look) for place in range(columns))
        lines.append(f"{head:<{width}}{_GAP}{row}".rstrip())
    first, last = _second(begin), _second(end)
    between = columns - len(first) - len(last)
    axis = f"{first}{' ' * between}{last}" if between > 0 else f"{first} ..."
    marks = [name for name in LETTERS if name in set(OwnerStatus) or name == "unknown"]
    legend = _GAP.join(f"{_mark(name, look, paint=False)} {name}" for name in marks)
    return [*lines, " " * width + _GAP + axis, "", f"{legend}{_GAP}{_UNTOLD} not known any more", ""]


def _column(parts: Sequence[Stretch], begin: int, end: int, place: int, columns: int, look: Look) -> str:
    span = max(1, end - begin)
    low, high = begin + span * place // columns, begin + span * (place + 1) // columns
    inside = [part.status for part in parts if part.start < high and part.end > low]
    if place == columns - 1 and parts:
        inside = [parts[-1].status]  # the right edge is now
    known = [status for status in inside if status]
    if known:
        names = [status if status in LETTERS else "unknown" for status in known]
        return _mark(min(names, key=_WORST.__getitem__), look, paint=True)
    return _UNTOLD if "" in inside else " "


def _mark(name: str, look: Look, *, paint: bool) -> str:
    if not look.marks:
        return LETTERS[name]
    mark = cells.MARKS[name]
    return look.paint(mark, MARK_COLOURS[mark]) if paint and mark in MARK_COLOURS else mark


def _status(event: Event, node_id: int) -> str | None:
    if event.owners is None:
        return ""
    return next((str(owner.status) for owner in event.owners if owner.node_id == node_id), None)


def _event(event: Event) -> str:
    text = f"{_second(event.time)}{_GAP}{event.summary}, by {event.actor}"
    return text if event.generation is None else f"{text} (generation {event.generation})"


def _second(time: int) -> str:
    return format_time(time // SECOND * SECOND)
