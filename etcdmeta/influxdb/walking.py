"""The reader of our own: goes through every byte by the table of fields, keeps nothing, and knows where it is.

Protobuf's runtime is far faster, but says neither where nor which field; so this one runs where something is wrong
(`etcdmeta.influxdb.reading`), where the input could be a bomb, and to list oddities of the encoding. Both skip what
they do not know, also a known field number with another wire type, as InfluxDB's own decoder does.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from etcdmeta.influxdb.errors import InfluxDataInvalid, InfluxDataTooLarge
from etcdmeta.influxdb.limits import MAX_BYTES, MAX_GROUPS, MAX_LIST, MAX_MESSAGES, MAX_NOTES
from etcdmeta.influxdb.schema import BYTES, MESSAGES, Field, Kind, Label
from etcdmeta.influxdb.wire import WireFault, read_length, read_tag, read_varint, skip


class Note(NamedTuple):
    """Something that reads without error, but not as a writer of InfluxDB would have written it."""

    offset: int
    path: str
    what: str


@dataclass(slots=True)
class Walk:
    """What was seen: ``notes`` in order, ``unlisted`` more of them, and counts."""

    base: int = 0
    notes: list[Note] = field(default_factory=list)
    unlisted: int = 0
    messages: int = 0
    groups: int = 0

    def note(self, offset: int, path: Path | None, name: str, what: str) -> None:
        if len(self.notes) < MAX_NOTES:
            self.notes.append(Note(self.base + offset, _text(path, name), what))
        else:
            self.unlisted += 1


class Path(NamedTuple):
    """Linked, so that going down costs nothing until somebody asks for the text."""

    parent: Path | None
    name: str
    place: int


class _Shape(NamedTuple):
    name: str
    fields: dict[int, Field]
    required: frozenset[int]


_SHAPES: Final = {
    name: _Shape(name, {f.number: f for f in fields}, frozenset(f.number for f in fields if f.label is Label.REQUIRED))
    for name, fields in MESSAGES.items()
}
_LONG_LISTS: Final = frozenset({"Databases", "RetentionPolicies", "ShardGroups", "Users", "Shards"})


def walk(data: bytes, *, base: int = 0) -> Walk:
    """Reads one `Data` message. ``base``: its offset in the input, for what errors and notes say.

    Raises `InfluxDataInvalid`, `InfluxDataTooLarge`.
    """
    if len(data) > MAX_BYTES:
        raise too_large(base, "", f"{len(data)} bytes of metadata", f"at most {MAX_BYTES} are read")
    seen = Walk(base)
    _message(data, 0, len(data), _SHAPES["Data"], None, seen)
    return seen


def _message(data: bytes, at: int, end: int, shape: _Shape, path: Path | None, seen: Walk) -> None:
    begin = at
    present: set[int] = set()
    counts: dict[int, int] = {}
    seen.messages += 1
    if seen.messages > MAX_MESSAGES:
        raise too_large(seen.base + at, _text(path, ""), "too many messages", f"at most {MAX_MESSAGES} are read")
    name = ""
    index: int | None = None
    try:
        while at < end:
            start = at
            name, index = "", None
            number, wire_type, at = read_tag(data, at, end)
            known = shape.fields.get(number)
            if known is None:
                at = skip(data, at, end, number, wire_type, _depth(path))
                seen.note(start, path, f"#{number}", "a field that InfluxDB 0.9 – 1.6 does not have")
                continue
            name = known.name
            repeated = known.label is Label.REPEATED
            if wire_type != known.kind.wire_type:
                if repeated and wire_type == BYTES and known.kind is Kind.U64:
                    at = _packed(data, at, end, known, counts, path, seen)
                    continue
                at = skip(data, at, end, number, wire_type, _depth(path))
                seen.note(start, path, name, f"wire type {wire_type} instead of {known.kind.wire_type}: not read")
                continue
            if repeated:
                index = counts.get(number, 0)
                counts[number] = index + 1
                _check_count(start, name, index, path, seen)
                if known.kind is Kind.MESSAGE:
                    inner, at = read_length(data, at, end)
                    _message(data, inner, at, _SHAPES[known.of], Path(path, name, index), seen)
                    continue
            elif number in present:
                seen.note(start, path, name, "given more than once: the last one counts")
            present.add(number)
            at = _scalar(data, start, at, end, known, path, seen)
    except WireFault as fault:
        where = _text(path, name if index is None else f"{name}[{index}]")
        raise InfluxDataInvalid(
            f"InfluxDB's metadata cannot be read: {fault.why}",
            offset=seen.base + fault.offset,
            path=where,
            value=where or None,
            rule=f"it is a protobuf message {shape.name}",
            remedy="the input is damaged, or is something else",
        ) from None
    if missing := shape.required - present:
        absent = shape.fields[min(missing)].name
        raise InfluxDataInvalid(
            f"InfluxDB's metadata lacks {absent}",
            offset=seen.base + begin,
            path=_text(path, absent),
            value=absent,
            rule=f"every {shape.name} has one, even where it is 0",
            remedy="the input is cut off or damaged, or is something else",
        )


def _scalar(data: bytes, start: int, at: int, end: int, known: Field, path: Path | None, seen: Walk) -> int:
    if known.kind is Kind.TEXT:
        return read_length(data, at, end)[1]
    value, after = read_varint(data, at, end)
    kept = _kept(value, known.kind)
    if value != kept & 2**64 - 1:
        seen.note(start, path, known.name, f"{value} does not fit, and is read as {kept}")
    if after - at == 10 and data[after - 1] > 1:
        seen.note(start, path, known.name, f"a number of more than 64 bits, read as {value}")
    if after - at > 1 and data[after - 1] == 0:
        seen.note(start, path, known.name, "a number with needless bytes")
    return after


def _kept(value: int, kind: Kind) -> int:
    """What protobuf makes of it: the lowest 32 bits, or whether it is not 0."""
    if kind is Kind.I32:  # below 0 it is written in 64 bits
        return (value & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
    if kind is Kind.U32:
        return value & 0xFFFFFFFF
    return int(value != 0) if kind is Kind.BOOL else value


def _packed(data: bytes, at: int, end: int, known: Field, counts: dict[int, int], path: Path | None, seen: Walk) -> int:
    inner, after = read_length(data, at, end)
    seen.note(at, path, known.name, "a packed list, which InfluxDB does not write")
    while inner < after:
        index = counts.get(known.number, 0)
        counts[known.number] = index + 1
        _check_count(inner, known.name, index, path, seen)
        inner = read_varint(data, inner, after)[1]
    return after


def _check_count(offset: int, name: str, index: int, path: Path | None, seen: Walk) -> None:
    if name == "ShardGroups":
        seen.groups += 1
        if seen.groups > MAX_GROUPS:
            raise too_large(
                seen.base + offset, _text(path, name), "too many shard groups", f"at most {MAX_GROUPS} are read"
            )
    elif index >= MAX_LIST and name not in _LONG_LISTS:
        raise too_large(seen.base + offset, _text(path, name), "too long a list", f"at most {MAX_LIST} are read")


def _depth(path: Path | None) -> int:
    depth = 0
    while path is not None:
        depth, path = depth + 1, path.parent
    return depth


def _text(path: Path | None, name: str) -> str:
    parts = [name] if name else []
    while path is not None:
        parts.append(f"{path.name}[{path.place}]")
        path = path.parent
    return ".".join(reversed(parts))


def too_large(offset: int, path: str, what: str, rule: str) -> InfluxDataTooLarge:
    return InfluxDataTooLarge(
        f"InfluxDB's metadata holds {what}" if what.startswith("too") else f"{what} are too much",
        offset=offset,
        path=path,
        rule=rule,
        remedy="if this is real, raise the limit in etcdmeta.influxdb.limits",
    )
