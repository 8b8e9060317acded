"""Tables: plain columns in a pipe, the same with colour and to the terminal's width on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TextIO, TypeVar

from etcdmeta.cli.text import display_width, printable

T = TypeVar("T")

_GAP = "  "
_ESCAPES = {"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column. ``wide``: only with ``-o wide``; ``right``: numbers; ``style``: rich's word for a cell's colour."""

    title: str
    text: Callable[[T], str]
    wide: bool = False
    right: bool = False
    style: Callable[[T], str] | None = None


def rule_off(text: str) -> str:
    """A tsv cell: tabs, line ends and backslashes as escapes."""
    return "".join(_ESCAPES.get(char, char) for char in text)


def draw(stream: TextIO, columns: Sequence[Column[T]], items: Sequence[T], *, terminal: bool, colour: bool) -> None:
    """Write a table with its header. In a pipe nothing is cut; on a terminal long cells fold to its width."""
    rows = [[printable(column.text(item)) for column in columns] for item in items]
    if terminal:
        _draw_rich(stream, columns, items, rows, colour=colour)
    else:
        _draw_plain(stream, columns, rows)


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

    table = Table(box=None, padding=(0, len(_GAP), 0, 0), header_style="bold", pad_edge=False)
    for column in columns:
        table.add_column(Text(column.title), justify="right" if column.right else "left", overflow="fold")
    for item, row in zip(items, rows, strict=True):
        cells = zip(columns, row, strict=True)
        table.add_row(*(Text(cell, style=column.style(item) if column.style else "") for column, cell in cells))
    Console(file=stream, no_color=not colour, highlight=False, markup=False, emoji=False).print(table)


def block(pairs: Sequence[tuple[str, str]]) -> str:
    """``Name:  value`` lines, values in one column."""
    width = max((len(name) for name, _ in pairs), default=0)
    return "\n".join(f"{name + ':':<{width + 1}}  {printable(value)}".rstrip() for name, value in pairs) + "\n"
