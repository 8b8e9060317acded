"""Protobuf's wire format, one value at a time, with the reason where there is none.

Strict as protobuf's own runtime is: ten bytes at most for a number, five for a tag.
"""

from __future__ import annotations

from etcdmeta.influxdb.limits import MAX_DEPTH

_64_BITS = 2**64 - 1


class WireFault(Exception):
    """``offset``: where the unreadable value begins."""

    def __init__(self, offset: int, why: str) -> None:
        super().__init__(why)
        self.offset = offset
        self.why = why


def read_varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """The number and where it ends."""
    value = shift = 0
    begin = at
    while at < end:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _64_BITS, at  # what a tenth byte has too much is dropped, as protobuf's runtime does
        shift += 7
        if shift >= 70:
            raise WireFault(begin, "a number of more than ten bytes")
    raise WireFault(begin, "the input ends within a number")


def read_tag(data: bytes, at: int, end: int) -> tuple[int, int, int]:
    """Field number, wire type, and where the tag ends."""
    tag, after = read_varint(data, at, end)
    if tag >> 32 or after - at > 5:
        raise WireFault(at, f"{tag} is no tag of a field")
    number, wire_type = tag >> 3, tag & 7
    if not number:
        raise WireFault(at, "field number 0")
    if wire_type in {6, 7}:
        raise WireFault(at, f"wire type {wire_type}, which protobuf does not have")
    return number, wire_type, after


def read_length(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Begin and end of a length-delimited value."""
    length, begin = read_varint(data, at, end)
    if length > end - begin:
        raise WireFault(at, f"{length} bytes are announced, {end - begin} are there")
    return begin, begin + length


def skip(data: bytes, at: int, end: int, number: int, wire_type: int, depth: int = 0) -> int:
    """Where the value of an unknown field ends. Groups within groups are counted, not descended into;
    ``depth`` is how deep the message lies that holds the field."""
    open_groups: list[int] = []
    while True:
        if wire_type == 0:
            at = read_varint(data, at, end)[1]
        elif wire_type == 2:
            at = read_length(data, at, end)[1]
        elif wire_type in {1, 5}:
            size = 8 if wire_type == 1 else 4
            if size > end - at:
                raise WireFault(at, f"a value of {size} bytes, {end - at} are there")
            at += size
        elif wire_type == 3:
            open_groups.append(number)
            if len(open_groups) > MAX_DEPTH - depth:
                raise WireFault(at, f"more than {MAX_DEPTH} messages or groups within each other")
        elif not open_groups or open_groups.pop() != number:
            raise WireFault(at, f"the end of a group {number} that was not begun")
        if not open_groups:
            return at
        if at >= end:
            raise WireFault(at, f"the input ends within group {open_groups[-1]}")
        number, wire_type, at = read_tag(data, at, end)
