"""Our stored shard groups → InfluxDB's, by the 100,000: column by column instead of group by group.

Nearly all groups of a policy are alike: not deleted, not truncated, each owner active. Then what is stored has the same
fields in the same places as the next group's, and so has what is to be written: a byte of the output is a byte of the
input, or a constant. So a run of groups of one shape is laid end to end, and each column is copied with one slice. It
is held to its shape first, byte for byte; what is not of it goes the long way, through protobuf. Fifteen times faster.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

_V: Final = rb"[\x80-\xff]*[\x00-\x7f]"
_REST: Final = rb"(?:\x18%b)?(?:\x20%b)?(?:\x28%b)?" % (_V, _V, _V)
"""Of an owner: where it was copied from, by which attempt, and when; InfluxDB has none of it."""
_OWNER: Final = re.compile(rb"\x12([\x00-\x7f])\x08(%b)%b" % (_V, _REST), re.DOTALL)
_GROUP: Final = re.compile(
    rb"(\x08%b\x10%b\x18%b)\x32([\x00-\x7f])(\x08%b)((?:\x12[\x00-\x7f]\x08%b%b)*)(?:\x18%b)?"
    % (_V, _V, _V, _V, _V, _REST, _V),
    re.DOTALL,
)
_HIGH: Final = bytes(range(128, 256))
_RUN: Final = re.compile(rb"(.)\1*", re.DOTALL)
LEAST: Final = 8
"""Groups of one shape in a row, below which it is not worth it."""


class Shape(NamedTuple):
    """``layout``: for each byte of the output a place in the input, or minus the constant and one. ``tags``: places in
    the input that hold the same byte in all; ``more``: bytes of a number that another follows; ``last``: its last."""

    size: int
    layout: tuple[int, ...]
    tags: tuple[tuple[int, int], ...]
    more: tuple[int, ...]
    last: tuple[int, ...]


def shape_of(value: bytes) -> Shape | None:
    """None: it is no plain group of one shard, as this program stores it."""
    match = _GROUP.fullmatch(value)
    if match is None:
        return None
    head, owners = match.span(1), match.span(4)
    length_at, shard_id = match.start(2), match.span(3)
    if value[length_at] != len(value) - length_at - 1:
        return None
    out = [*range(*head), _constant(0x20), _constant(0)]
    inner = list(range(*shard_id))
    fixed = {length_at - 1, length_at}
    for owner in _OWNER.finditer(value, *owners):
        if value[owner.start(1)] != owner.end() - owner.end(1):
            return None
        begin, end = owner.span(2)
        inner += [_constant(0x1A), _constant(end - begin + 1), _constant(0x08), *range(begin, end)]
        fixed |= {owner.start(), owner.start(1)}
    if len(inner) > 127 or len(out) + len(inner) + 2 > 127:
        return None
    out += [_constant(0x2A), _constant(len(inner)), *inner]
    layout = (_constant(0x2A), _constant(len(out)), *out)  # a ShardGroups of a RetentionPolicyInfo
    places = _Places(value, fixed)
    return Shape(len(value), layout, *places.sorted())


def convert(values: Sequence[bytes]) -> Iterator[tuple[int, int, bytes | None]]:
    """(begin, end, bytes) of each run of groups, in order; None: those go the long way."""
    for run in _RUN.finditer(bytes([size if size < 256 else 0 for size in map(len, values)])):
        begin, end = run.span()
        shape = shape_of(values[begin]) if end - begin >= LEAST else None
        yield begin, end, None if shape is None else _converted(shape, values[begin:end])


def _converted(shape: Shape, members: Sequence[bytes]) -> bytes | None:
    """None: they are not all of that shape."""
    size, count = shape.size, len(members)
    laid = b"".join(members)
    for place, byte in shape.tags:
        if laid[place::size].count(byte) != count:
            return None
    for place in shape.more:
        if laid[place::size].translate(None, _HIGH):
            return None
    for place in shape.last:
        if not laid[place::size].isascii():
            return None
    width = len(shape.layout)
    out = bytearray(width * count)
    for column, place in enumerate(shape.layout):
        out[column::width] = laid[place::size] if place >= 0 else bytes((-place - 1,)) * count
    return bytes(out)


def _constant(byte: int) -> int:
    return -byte - 1


class _Places:
    """Which bytes of a value are tags and lengths, and which are those of numbers."""

    def __init__(self, value: bytes, fixed: set[int]) -> None:
        self.tags: list[tuple[int, int]] = []
        self.more: list[int] = []
        self.last: list[int] = []
        place = 0
        while place < len(value):
            self.tags.append((place, value[place]))
            place += 1
            if place in fixed:  # a length
                self.tags.append((place, value[place]))
                place += 1
                continue
            while value[place] >= 128:
                self.more.append(place)
                place += 1
            self.last.append(place)
            place += 1

    def sorted(self) -> tuple[tuple[tuple[int, int], ...], tuple[int, ...], tuple[int, ...]]:
        return tuple(self.tags), tuple(self.more), tuple(self.last)
