"""Tables: plain columns in a pipe, the same with colour and to the terminal's width on a terminal."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TextIO, TypeVar

from etcdmeta.cli.text import display_width, printable

T = TypeVar("T")

_GAP = "  "
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column. ``wide``: only with ``-o wide``; ``right``: numbers; ``style``: rich's word for a cell's colour.

    ``rank``: on a terminal too narrow for all, the columns of the highest rank go first; those of 0 stay, and fold.
    """

    title: str
    text: Callable[[T], str]
    wide: bool = False
    right: bool = False
    style: Callable[[T], str] | None = None
    rank: int = 0


def rule_off(text: str) -> str:
    """A tsv cell: tabs, line ends and backslashes as escapes."""
    return "".join(_ESCAPES.get(char, char) for char in text)


def draw(
    stream: TextIO,
    columns: Sequence[Column[T]],
    items: Sequence[T],
    *,
    terminal: bool,
    colour: bool,
    whole: bool = False,
) -> None:
    """Write a table with its header. In a pipe nothing is cut; on a terminal columns with a rank go where there is no
    room for them, unless the ``whole`` table was asked for, and long cells fold to its width.
    """
    if terminal and not whole:
        columns = _fitting(columns, items, shutil.get_terminal_size().columns)
    rows = [[printable(column.text(item)) for column in columns] for item in items]
    if terminal:
        _draw_rich(stream, columns, items, rows, colour=colour)
    else:
        _draw_plain(stream, columns, rows)


def _fitting(columns: Sequence[Column[T]], items: Sequence[T], room: int) -> Sequence[Column[T]]:
    """Without those that there is no room for."""
    widths = {
        column.title: max([display_width(column.title), *(display_width(printable(column.text(i))) for i in items)])
        for column in columns
        if any(column.rank for column in columns)
    }
    while widths and sum(widths[c.title] for c in columns) + len(_GAP) * (len(columns) - 1) > room:
        last = max(column.rank for column in columns)
        if not last:
            break
        columns = [column for column in columns if column.rank != last]
    return columns


def _draw_plain(stream: TextIO, columns: Sequence[Column[T]], rows: list[list[str]]) -> None:
    table = [[column.title for column in columns], *rows]
    widths = [max(map(display_width, cells)) for cells in zip(*table, strict=True)]
    for row in table:
        parts = []
        for column, cell, width in zip(columns, row, widths, strict=True):
            pad = " " * (width - display_width(cell))
            parts.append(pad + cell if column.right else cell + pad)
        stream.write(_GAP.join(parts).rstrip() + "\n")


def _draw_rich(
    stream: TextIO, columns: Sequence[Column[T]], items: Sequence[T], rows: list[list[str]], *, colour: bool
) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, len(_GAP), 0, 0), header_style="bold" if colour else "", pad_edge=False)
    for column in columns:
        table.add_column(Text(column.title), justify="right" if column.right else "left", overflow="fold")
    for item, row in zip(items, rows, strict=True):
        cells = zip(columns, row, strict=True)
        table.add_row(*(Text(cell, style=column.style(item) if column.style else "") for column, cell in cells))
    Console(file=stream, no_color=not colour, highlight=False, markup=False, emoji=False).print(table)


def block(pairs: Sequence[tuple[str, str]]) -> str:
    """``Name:  value`` lines, values in one column; without a name the value goes on with what is above it."""
    width = max((len(name) for name, _ in pairs), default=0)
    lines = (f"{name + ':' if name else '':<{width + 1}}  {printable(value)}".rstrip() for name, value in pairs)
    return "\n".join(lines) + "\n"
