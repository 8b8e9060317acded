"""A table that fits a terminal: what matters least is left out first, sentences stand in the last column or below.

A pipe gets everything, uncut.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from etcdmeta.cli.shard_table import GAP, LEAST_NAME, LEAST_REASON, Look
from etcdmeta.cli.text import display_width, printable, to_ascii


@dataclass(slots=True)
class TextColumn:
    """``rank`` 0: always there; else the highest goes first where there is no room. ``name``: may be cut, last."""

    title: str
    cells: list[str]
    right: bool = False
    rank: int = 0
    name: bool = False

    @property
    def width(self) -> int:
        return max(display_width(self.title), max(map(display_width, self.cells), default=0))

    def padded(self) -> list[str]:
        """The title and the cells, all of one width."""
        width, texts = self.width, (self.title, *self.cells)
        pads = [" " * (width - display_width(text)) for text in texts]
        return [pad + text if self.right else text + pad for pad, text in zip(pads, texts, strict=True)]


def text_table(columns: Sequence[TextColumn], look: Look, notes: Sequence[str] = (), title: str = "") -> list[str]:
    """The lines, the titles first. ``notes``: a sentence a row, or "", under ``title``."""
    shown = [_safe(column, look) for column in columns if any(column.cells) or not column.rank]
    said = [to_ascii(printable(note)) if look.ascii else printable(note) for note in notes]
    longest = max(map(display_width, said), default=0)
    room: int | None = None
    beside = bool(longest)
    if look.width is not None:
        wanted = min(LEAST_REASON, longest) + len(GAP) if longest else 0
        if _width(shown) + wanted > look.width:
            beside = False
            shown = _fitted(shown, look.width, look)
        room = look.width - _width(shown) - len(GAP)
    head, *rows = (GAP.join(row) for row in zip(*(column.padded() for column in shown), strict=True))
    lines = [f"{head}{GAP}{title}" if beside else head.rstrip()]
    for place, row in enumerate(rows):
        note = said[place] if said else ""
        if not note:
            lines.append(row.rstrip())
        elif beside:
            first, *rest = _wrapped(note, room)
            lines.append(f"{row}{GAP}{first}")
            lines += [" " * (display_width(row) + len(GAP)) + text for text in rest]
        else:
            indent = " " * (shown[0].width + len(GAP))
            lines.append(row.rstrip())
            lines += [indent + text for text in _wrapped(note, (look.width or 0) - len(indent))]
    return lines


def _safe(column: TextColumn, look: Look) -> TextColumn:
    texts = [printable(cell) for cell in column.cells]
    cells = list(map(to_ascii, texts)) if look.ascii else texts
    return TextColumn(column.title, cells, column.right, column.rank, column.name)


def _fitted(columns: list[TextColumn], width: int, look: Look) -> list[TextColumn]:
    while _width(columns) > width and any(column.rank for column in columns):
        last = max(column.rank for column in columns)
        columns = [column for column in columns if column.rank != last]
    for column in columns:
        if column.name and _width(columns) > width:
            least = max(LEAST_NAME, column.width - (_width(columns) - width))
            column.cells = [look.cut(cell, least) for cell in column.cells]
    return columns


def _width(columns: Sequence[TextColumn]) -> int:
    return sum(column.width for column in columns) + len(GAP) * (len(columns) - 1)


def _wrapped(text: str, width: int | None) -> list[str]:
    if width is None or display_width(text) <= width:
        return [text]
    return textwrap.wrap(text, max(width, LEAST_NAME))
