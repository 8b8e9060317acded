"""Text that is safe and true to its width on a terminal, whatever names people gave their databases."""

from __future__ import annotations

import textwrap

# What takes one cell, tested at C's speed: nearly every cell of a large table is made of these.
_NARROW = frozenset(map(chr, range(0x20, 0x7F))) | frozenset("·–…→●◐◑✖○⊘")
_PLAIN = ((" · ", "; "), ("–", "-"), ("…", "..."), ("→", "->"))


def display_width(text: str) -> int:
    """Cells on a terminal: wide characters take two."""
    if text.isascii() or _NARROW.issuperset(text):
        return len(text)
    from rich.cells import cell_len

    return cell_len(text)


def cut(text: str, width: int, ellipsis: str = "…") -> str:
    """The beginning, with an ellipsis where something is missing."""
    if display_width(text) <= width:
        return text
    while text and display_width(text) > width - len(ellipsis):
        text = text[:-1]
    return text + ellipsis


def to_ascii(text: str) -> str:
    """For terminals and pipes without UTF-8: our own signs by their plain likes, the rest escaped."""
    if text.isascii():
        return text
    for sign, plain in _PLAIN:
        text = text.replace(sign, plain)
    return text.encode("ascii", "backslashreplace").decode("ascii")


def printable(text: str) -> str:
    """The text with everything escaped that a terminal would obey instead of showing."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else _escaped(c) for c in text)


def wrapped(text: str, width: int | None, indent: str = "") -> list[str]:
    """The text in lines of at most ``width`` cells; what is continued stands two cells further in. None: one line."""
    if width is None:
        return [indent + text]
    return textwrap.wrap(text, width, initial_indent=indent, subsequent_indent=indent + "  ")


def counted(count: int, noun: str, plural: str = "") -> str:
    """``1 shard``, ``2 shards``, ``3 policies``, ``10,000 shards``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
