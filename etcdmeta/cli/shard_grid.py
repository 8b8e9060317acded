"""The drawing of `shard map`: a row a node, a column a shard, or, where they are too many, a column for several.

A column of several shards shows the worst that stands in it, so that one failed owner among thousands is seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.shard_table import HEALTH_COLOURS, MARK_COLOURS, Look
from etcdmeta.cli.text import counted, display_width, printable, to_ascii, wrapped
from etcdmeta.model.entities import Node
from etcdmeta.model.health import Health, Presence, ShardStatus
from etcdmeta.model.snapshot import Snapshot

ZONE = "zone"
LETTERS = {
    "gone": "G",
    "failed": "F",
    "down": "D",
    "unknown": "?",
    "copying": "c",
    "leaving": "l",
    "active": "a",
}
"""Instead of marks; in the order of how much they need to be seen. Capitals: it does not serve, and should."""
_HEALTH_LETTERS = {
    Health.UNAVAILABLE: "U",
    Health.UNKNOWN: "?",
    Health.DEGRADED: "D",
    Health.ORPHAN: "O",
    Health.SURPLUS: "S",
    Health.OK: ".",
}
_WORST = {name: place for place, name in enumerate(LETTERS)}
_LEAST_COLUMNS = 10
_LONGEST_HOST = 20
_GAP = "  "
_Cell = tuple[str, str]
"""A sign, and its colour or ""."""


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One node: which of the shards it owns, and the mark of each (a key of `LETTERS`)."""

    node_id: int
    host: str
    zone: str
    presence: Presence
    marks: Mapping[int, str]


def node_rows(snapshot: Snapshot, statuses: Sequence[ShardStatus], *, every: bool) -> list[NodeRow]:
    """In order of zone, then id. ``every``: nodes that own none of the shards, too."""
    nodes: dict[int, Node] = {node.id: node for node in snapshot.nodes(include_removed=True)}
    marks: dict[int, dict[int, str]] = {node.id: {} for node in snapshot.nodes()} if every else {}
    presence: dict[int, Presence] = {}
    for status in statuses:
        for owner in status.owners:
            marks.setdefault(owner.node_id, {})[status.shard_id] = cells.mark_name(owner)
            presence[owner.node_id] = owner.presence
    rows = []
    for node_id, owned in marks.items():
        node = nodes.get(node_id)
        rows.append(
            NodeRow(
                node_id=node_id,
                host=node.host if node else "no such node",
                zone=node.labels.get(ZONE, "") if node else "",
                presence=presence.get(node_id) or _presence(snapshot.is_live(node_id)),
                marks=owned,
            )
        )
    return sorted(rows, key=lambda row: (row.zone, row.node_id))


def map_lines(statuses: Sequence[ShardStatus], rows: Sequence[NodeRow], look: Look) -> list[str]:
    """Oldest shards on the left. In a pipe (no width) every shard has its column."""
    ordered = sorted(statuses, key=lambda status: (status.start, status.group_id, status.shard_id))
    heads = _heads(rows, look)
    head_width = max(map(display_width, heads), default=0)
    room = len(ordered) if look.width is None else max(_LEAST_COLUMNS, look.width - head_width - len(_GAP))
    each = max(1, -(-len(ordered) // room))
    columns = [ordered[place : place + each] for place in range(0, len(ordered), each)]
    indent = " " * head_width + _GAP
    lines = [indent + line for line in _titles(columns, each)]
    lines.append(f"{'health':<{head_width}}{_GAP}" + _painted([_health(column) for column in columns], look))
    zone: str | None = None
    zoned = any(row.zone for row in rows)
    for row, head in zip(rows, heads, strict=True):
        if zoned and row.zone != zone:
            zone = row.zone
            title = f"{ZONE} {printable(zone)}" if zone else f"no {ZONE}"
            lines.append(look.paint(title, "1"))
        lines.append(
            _padded(head, head_width) + _GAP + _painted([_cell(row, column, look) for column in columns], look)
        )
    lines += ["", *_legend(each, len(ordered), look)]
    return [to_ascii(line) for line in lines] if look.ascii else lines


def _heads(rows: Sequence[NodeRow], look: Look) -> list[str]:
    ids = max((len(f"n{row.node_id}") for row in rows), default=0)
    counts = max((len(str(len(row.marks))) for row in rows), default=0)
    hosts = [look.cut(printable(row.host), _LONGEST_HOST) for row in rows]
    host_width = max(map(display_width, hosts), default=0)
    return [
        f"{f'n{row.node_id}':<{ids}} {_padded(host, host_width)} {len(row.marks):>{counts}}"
        + (f" {row.presence}" if row.presence in (Presence.DOWN, Presence.GONE) else "")
        for row, host in zip(rows, hosts, strict=True)
    ]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - display_width(text))


def _titles(columns: Sequence[Sequence[ShardStatus]], each: int) -> list[str]:
    """Shard ids, written downwards; of columns of several the first one's, where it differs from the one before."""
    if each > 1:
        return []
    ids = [str(column[0].shard_id) for column in columns]
    height = max(map(len, ids), default=0)
    return ["".join(text.rjust(height)[line] for text in ids) for line in range(height)]


def _health(column: Sequence[ShardStatus]) -> _Cell:
    worst = min((status.health for status in column), key=lambda health: health.severity)
    return _HEALTH_LETTERS[worst], "" if worst is Health.OK else HEALTH_COLOURS[worst]


def _cell(row: NodeRow, column: Sequence[ShardStatus], look: Look) -> _Cell:
    names = [row.marks[status.shard_id] for status in column if status.shard_id in row.marks]
    if not names:
        return "·" if look.marks else ".", ""
    worst = min(names, key=_WORST.__getitem__)
    return _plain(worst, look), MARK_COLOURS.get(cells.MARKS[worst], "") if look.marks else ""


def _painted(drawn: Sequence[_Cell], look: Look) -> str:
    """Neighbours of one colour are painted at once: on a large screen that is a tenth of the bytes."""
    runs = ((colour, "".join(sign for sign, _ in run)) for colour, run in groupby(drawn, key=lambda cell: cell[1]))
    return "".join(look.paint(text, colour) if colour else text for colour, text in runs)


def _plain(name: str, look: Look) -> str:
    return cells.MARKS[name] if look.marks else LETTERS[name]


def _legend(each: int, shards: int, look: Look) -> list[str]:
    words = _GAP.join(f"{_plain(name, look)} {name}" for name in LETTERS)
    healths = _GAP.join(f"{letter} {health}" for health, letter in _HEALTH_LETTERS.items())
    about = f"{counted(shards, 'shard')}, the oldest left"
    if each > 1:
        about += f"; {each} to a column, which shows the worst of them"
    nothing = "·" if look.marks else "."
    legend = (about, f"{words}{_GAP}{nothing} none", f"health: {healths}")
    return [line for text in legend for line in wrapped(text, look.width)]


def _presence(live: bool | None) -> Presence:
    if live is None:
        return Presence.UNREPORTED
    return Presence.LIVE if live else Presence.DOWN
