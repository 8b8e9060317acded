"""The table of `shard status`, laid out by hand, not by rich: 10,000 rows have to stand within a second.

On a terminal that is too narrow, the table gives up, in this order, the column for reasons (those that say more than
the owners do move below their row), GROUP, the end of SPAN, HEAT, the column for owners (they move, too), START, and
cuts names last. A pipe gets everything, uncut.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from etcdmeta.cli import shard_cells as cells
from etcdmeta.cli.naming import policy_name
from etcdmeta.cli.text import cut, display_width, printable, to_ascii
from etcdmeta.model.health import Health, ShardStatus

GAP = "  "
LEAST_REASON = 24
"""A column for reasons narrower than this is worse than lines below the rows."""
LEAST_NAME = 12
_TOLD = re.compile(r"(?:(?: · |; )?(?:n\d+: down|n\d+: node gone|n\d+ is leaving))+")
"""Reasons that say no more than the owners do: not worth a line of their own."""

HEALTH_COLOURS = {
    Health.UNAVAILABLE: "1;31",
    Health.UNKNOWN: "1;35",
    Health.DEGRADED: "31",
    Health.ORPHAN: "35",
    Health.SURPLUS: "35",
    Health.OK: "32",
}
"""Red, magenta and green can be read on dark and on light; yellow, cyan and blue on one of them only."""
MARK_COLOURS = {"✖": "1;31", "○": "31", "⊘": "31", "◐": "35", "◑": "35", "●": "32"}


@dataclass(frozen=True, slots=True)
class Look:
    """How to draw. ``width`` None: no terminal, so nothing is cut or wrapped. ``marks`` False: words.

    ``height`` None: as long as it gets.
    """

    width: int | None = None
    marks: bool = False
    colour: bool = False
    ascii: bool = False
    wide: bool = False
    quiet: bool = False
    height: int | None = None

    def cut(self, text: str, width: int) -> str:
        """See `etcdmeta.cli.text.cut`; in ASCII it is ASCII."""
        return cut(to_ascii(text), width, "...") if self.ascii else cut(text, width)

    def paint(self, text: str, colour: str) -> str:
        """In the terminal's colours, given as the numbers of an SGR sequence."""
        return f"\x1b[{colour}m{text}\x1b[0m" if self.colour else text


@dataclass(slots=True)
class _Column:
    title: str
    cells: list[str]
    right: bool = False
    width: int = field(init=False)

    def __post_init__(self) -> None:
        self.width = max(display_width(self.title), max(map(display_width, self.cells), default=0))

    def padded(self) -> list[str]:
        if self.right:
            return [" " * (self.width - display_width(text)) + text for text in (self.title, *self.cells)]
        return [text + " " * (self.width - display_width(text)) for text in (self.title, *self.cells)]


@dataclass(slots=True)
class _Layout:
    """``reasons``: in a column of ``reason_width`` (None: as wide as they are), or empty.

    ``below``: the texts that stand under each row.
    """

    columns: list[_Column]
    reasons: list[str]
    reason_width: int | None
    below: list[list[str]]


def status_table(statuses: Sequence[ShardStatus], look: Look) -> list[str]:
    """The lines of the table, its title first."""
    columns = _columns(statuses, look)
    shown = to_ascii if look.ascii else str
    reasons = [shown(printable(status.reason)) for status in statuses]
    if look.width is None or look.wide:
        layout = _Layout(columns, reasons if any(reasons) else [], None, [])
    else:
        layout = _fitted(columns, statuses, reasons, look.width, look)
    return _lines(statuses, layout, look)


def _columns(statuses: Sequence[ShardStatus], look: Look) -> list[_Column]:
    owner_text = cells.owner_mark if look.marks else cells.owner_words
    between = GAP if look.marks else ","

    def column(title: str, cell: Callable[[ShardStatus], str], right: bool = False) -> _Column:
        texts = [cell(status) for status in statuses]
        return _Column(title, list(map(to_ascii, texts)) if look.ascii else texts, right)

    def copies(title: str) -> _Column:
        return _Column(title, [cells.of_copies(status, title) or "-" for status in statuses])

    columns = [
        column("SHARD", lambda s: str(s.shard_id), right=True),
        column("DB.POLICY", lambda s: printable(policy_name(s.database, s.policy))),
        column("GROUP", lambda s: str(s.group_id), right=True),
        column("SPAN", lambda s: cells.span(s.start, s.end)),
        column("HEAT", cells.heat_text),
        column("READY", cells.ready_text),
        column("OWNERS", lambda s: printable(between.join(map(owner_text, s.owners))) or "-"),
        column("HEALTH", lambda s: str(s.health)),
    ]
    if look.wide:
        columns += [
            column("START", lambda s: cells.time_text(s.start)),
            column("END", lambda s: cells.time_text(s.end)),
            column("EXPIRES", lambda s: cells.time_text(s.expires) or "never"),
            column("TRUNCATED", lambda s: cells.time_text(s.truncated_at) or "-"),
            *map(copies, ("SIZE", "SOURCE", "ATTEMPT", "SINCE", "UPDATED", "RATE", "ETA")),
            column("REVISION", lambda s: str(s.revision), right=True),
        ]
    return columns


def _fitted(
    columns: list[_Column], statuses: Sequence[ShardStatus], reasons: list[str], width: int, look: Look
) -> _Layout:
    """What fits into ``width`` cells; see the module for what goes first."""
    longest = max(map(display_width, reasons), default=0)
    room = width - _width(columns) - len(GAP)
    if longest and room >= min(LEAST_REASON, longest):
        return _Layout(columns, reasons, room, [])
    below = [[reason] if reason and not _TOLD.fullmatch(reason) else [] for reason in reasons]
    if _width(columns) > width:
        columns = [column for column in columns if column.title != "GROUP"]
    if _width(columns) > width:
        starts = _Column("START", [cells.span_start(status.start) for status in statuses])
        columns = [starts if column.title == "SPAN" else column for column in columns]
    if _width(columns) > width:
        columns = [column for column in columns if column.title != "HEAT"]
    if _width(columns) > width:
        owners = next(column for column in columns if column.title == "OWNERS")
        columns = [column for column in columns if column is not owners]
        below = [[cell, *texts] for cell, texts in zip(owners.cells, below, strict=True)]
    if _width(columns) > width:
        columns = [column for column in columns if column.title != "START"]
    if _width(columns) > width:
        names = columns[1]
        least = max(LEAST_NAME, names.width - (_width(columns) - width))
        columns[1] = _Column(names.title, [look.cut(name, least) for name in names.cells])
    return _Layout(columns, [], None, below)


def _width(columns: Sequence[_Column]) -> int:
    return sum(column.width for column in columns) + len(GAP) * (len(columns) - 1)


def _lines(statuses: Sequence[ShardStatus], layout: _Layout, look: Look) -> list[str]:
    title, *rows = (GAP.join(row) for row in zip(*(c.padded() for c in layout.columns), strict=True))
    lines = [f"{title}{GAP}REASON" if layout.reasons else title.rstrip()]
    hanging = " " * (_width(layout.columns) + len(GAP))
    indent = " " * (layout.columns[0].width + len(GAP))
    for place, (status, row) in enumerate(zip(statuses, rows, strict=True)):
        head = _coloured(row, status, look) if look.colour else row
        if layout.reasons and layout.reasons[place]:
            first, *rest = _wrapped(layout.reasons[place], layout.reason_width)
            lines.append(f"{head}{GAP}{first}")
            lines += [hanging + text for text in rest]
        else:
            lines.append(head.rstrip())
        for text in layout.below[place] if layout.below else ():
            parts = _wrapped(text, (look.width or 0) - len(indent))
            lines += [indent + (_marked(part, look) if look.colour else part) for part in parts]
    return lines


def _wrapped(text: str, width: int | None) -> list[str]:
    if width is None or display_width(text) <= width:
        return [text]
    return textwrap.wrap(text, max(width, LEAST_NAME))


def _coloured(row: str, status: ShardStatus, look: Look) -> str:
    """The health is the last of its words in a row; the marks are where the owners are."""
    word = str(status.health)
    before, _, after = row.rpartition(word)
    return f"{_marked(before, look)}{look.paint(word, HEALTH_COLOURS[status.health])}{after}"


def _marked(text: str, look: Look) -> str:
    for mark, colour in MARK_COLOURS.items():
        text = text.replace(mark, look.paint(mark, colour))
    return text
