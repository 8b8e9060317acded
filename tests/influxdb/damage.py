"""Damaged metadata by the thousand: whatever it is, the outcome is a typed error with its place, or data whose
oddities are named, within bounds of time and memory.

``scripts/damage --mutations 100000 --seed 7``. Each mutation is drawn from the seed and its number, so that one alone
can be had again: ``--first NUMBER --mutations 1``. A short form is one of the tests.
"""

from __future__ import annotations

import argparse
import random
import re
import resource
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

from etcdmeta.influxdb import (
    InfluxDataInvalid,
    SourceUnreadable,
    arrive,
    decode,
    detect,
    encode_as_is,
    encoding_notes,
)
from etcdmeta.influxdb.schema import MESSAGES, Field, Kind
from etcdmeta.influxdb.walking import walk
from tests.influxdb.oracle import odd_in
from tests.influxdb.worlds import FIXTURES, PAIRS

BOUND_SECONDS = 2.0
"""Of CPU for one: a bound, far above what any takes."""
BOUND_KIB = 64 << 10
"""Of memory, by which the process may grow over what the fixtures themselves took."""

_FIELDS = {field.name for fields in MESSAGES.values() for field in fields}
_STEP = rf"(?:{'|'.join(_FIELDS)}|#[0-9]+)"
_PATH = re.compile(rf"(?:{_STEP}\[[0-9]+\]\.)*{_STEP}(?:\[[0-9]+\])?")

EXTREMES = [0, 1, 2, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**63 + 1, 2**64 - 1]
TEXTS = [b"", b"\xff\xfe", b"a", b"autogen", b"telegraf", b"\0", b"../x", b"y" * 300, "\u202e".encode(), b"$2a$10$"]
LENGTHS = [b"\xff\xff\xff\xff\x07", b"\xff" * 9 + b"\x01", b"\xff" * 11, b"\x80\x80\x80\x80\x08", b"\x7f", b"\x80\x00"]


class Span(NamedTuple):
    """One field where it stands. ``content`` is where its value begins, behind tag and length."""

    parent: Span | None
    field: Field
    start: int
    length: int
    content: int
    end: int


class Original(NamedTuple):
    """``spans``: of its fields, unless something wraps the message."""

    name: str
    blob: bytes
    spans: list[Span]


def originals() -> list[Original]:
    """All that InfluxDB wrote; `negative` holds damage already."""
    bare = [path for path, _ in PAIRS] + [FIXTURES / "v1.6-upgraded-from-0.9" / "meta.db"]
    wrapped = [*FIXTURES.glob("v0.9-server*/fetchdata-response.bin"), *FIXTURES.glob("v1.6/backup-*/*meta*")]
    found = []
    for path in sorted({*bare, *wrapped}):
        blob = path.read_bytes()
        spans = list(_spans(blob, 0, len(blob), "Data", None)) if path in bare else []
        found.append(Original(str(path.relative_to(FIXTURES)), blob, spans))
    return found


def mutation(number: int, seed: int, whole: list[Original]) -> tuple[str, bytes]:
    """What was done to what, and the damaged bytes."""
    chance = random.Random(f"{seed}:{number}")
    name, change = chance.choice(KINDS)
    original = chance.choice(whole)
    if change in OF_FIELDS and not original.spans:
        name, change = KINDS[0]
    return f"{name} of {original.name}", change(original, whole, chance)


# --- of bytes


def _flip(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    changed = bytearray(original.blob)
    for _ in range(chance.randint(1, 3)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def _cut(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    return original.blob[: chance.randrange(len(original.blob))]


def _splice(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    b, other = original.blob, chance.choice(whole).blob
    begin = chance.randrange(len(other))
    return b[: chance.randrange(len(b))] + other[begin : begin + chance.randint(1, 200)] + b[chance.randrange(len(b)) :]


def _exchange(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    b, size = original.blob, chance.randint(1, 8)
    one, other = sorted((chance.randrange(len(b)), chance.randrange(len(b))))
    return b[:one] + b[other : other + size] + b[one + size : other] + b[one : one + size] + b[other + size :]


def _long(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    at = chance.randrange(len(original.blob))
    return original.blob[:at] + chance.choice(LENGTHS) + original.blob[at + 1 :]


def _drop(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    at = chance.randrange(len(original.blob))
    return original.blob[:at] + original.blob[at + chance.randint(1, 20) :]


# --- of fields: the result is mostly a well-formed message


def _swap(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    """Two fields change places; half of the time within one message, so that all lengths stay true."""
    one = chance.choice(original.spans)
    near = chance.random() < 0.5
    others = [span for span in original.spans if span.parent is one.parent] if near else original.spans
    other = chance.choice(others)
    one, other = sorted((one, other), key=lambda span: span.start)
    if other.start < one.end:  # itself, or a part of it
        return _double(original, whole, chance)
    b = original.blob
    return b[: one.start] + _raw(b, other) + b[one.end : other.start] + _raw(b, one) + b[other.end :]


def _double(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    span = chance.choice(original.spans)
    return _replaced(original.blob, span, _raw(original.blob, span) * 2)


def _remove(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    return _replaced(original.blob, chance.choice(original.spans), b"")


def _transplant(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    """A field of any file in the place of another; half of the time one of the same kind."""
    span, donor = chance.choice(original.spans), chance.choice([other for other in whole if other.spans])
    alike = [other for other in donor.spans if other.field is span.field] if chance.random() < 0.5 else []
    return _replaced(original.blob, span, _raw(donor.blob, chance.choice(alike or donor.spans)))


def _value(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    """Another number or text, as long as it likes: all lengths around it are put right."""
    span = chance.choice([span for span in original.spans if span.field.kind is not Kind.MESSAGE])
    tag = original.blob[span.start : span.length]
    if span.field.kind is Kind.TEXT:
        text = chance.choice(TEXTS)
        return _replaced(original.blob, span, tag + _varint(len(text)) + text)
    return _replaced(original.blob, span, tag + _varint(chance.choice(EXTREMES)))


def _huge(original: Original, whole: list[Original], chance: random.Random) -> bytes:
    """A length that announces more than there is, where a length stands."""
    long = [span for span in original.spans if span.field.kind in {Kind.MESSAGE, Kind.TEXT}]
    if not long:  # a file of counters alone
        return _long(original, whole, chance)
    b, span = original.blob, chance.choice(long)
    return b[: span.length] + chance.choice(LENGTHS) + b[span.content :]


OF_FIELDS: list[Callable[[Original, list[Original], random.Random], bytes]] = [
    _swap, _double, _remove, _transplant, _value, _huge,
]  # fmt: skip
KINDS = [(change.__name__[1:], change) for change in (_flip, _cut, _splice, _exchange, _long, _drop, *OF_FIELDS)]


def _raw(blob: bytes, span: Span) -> bytes:
    return blob[span.start : span.end]


def _replaced(blob: bytes, span: Span, new: bytes) -> bytes:
    """With other bytes in a field's place, and the lengths of all around it put right."""
    start, end = span.start, span.end
    parent = span.parent
    while parent is not None:
        inner = blob[parent.content : start] + new + blob[end : parent.end]
        new = blob[parent.start : parent.length] + _varint(len(inner)) + inner
        start, end, parent = parent.start, parent.end, parent.parent
    return blob[:start] + new + blob[end:]


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def _read(blob: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = blob[at]
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return number, at


def _spans(blob: bytes, at: int, end: int, message: str, parent: Span | None) -> Iterator[Span]:
    fields = {field.number: field for field in MESSAGES[message]}
    while at < end:
        tag, length = _read(blob, at)
        field = fields[tag >> 3]
        number, content = _read(blob, length)
        after = content + number if tag & 7 == 2 else content
        span = Span(parent, field, at, length, content, after)
        yield span
        if field.kind is Kind.MESSAGE:
            yield from _spans(blob, content, after, field.of, span)
        at = after


# --- what must come of it


def judge(blob: bytes) -> str:
    """The outcome in a word. Raises AssertionError where it is none that may be."""
    try:
        source = detect(blob)
    except SourceUnreadable as unreadable:
        if not (unreadable.rule and unreadable.remedy):
            raise AssertionError("neither rule nor remedy") from unreadable
        return "refused: source"
    try:
        data = source.decode()
    except InfluxDataInvalid as invalid:
        _check_place(invalid, blob, source.offset)
        return "refused: field"
    notes = encoding_notes(source.data, base=source.offset)
    for note in notes.notes:
        assert source.offset <= note.offset <= source.offset + len(source.data)
        assert _PATH.fullmatch(note.path), note
    again = encode_as_is(data)
    assert decode(again) == data
    if len(again) != len(source.data):  # fields in another order are no oddity: protobuf allows any
        assert notes.notes, "something of the encoding was not read, and nobody says so"
    arrival = arrive(data, now=1)
    for oddity in arrival.oddities.listed:
        assert oddity.what
        assert oddity.done
        assert _PATH.fullmatch(oddity.path), oddity
    overlooked = odd_in(data) - arrival.oddities.counts.keys()
    assert not overlooked, f"not named: {overlooked}"
    if arrival.oddities.refused:
        return "odd, and refused"
    return "odd, and taken" if arrival.oddities.counts or notes.notes else "not odd"


def _check_place(invalid: InfluxDataInvalid, blob: bytes, base: int) -> None:
    assert base <= invalid.offset <= len(blob)
    assert f"byte {invalid.offset}" in invalid.message
    assert not invalid.path or (_PATH.fullmatch(invalid.path) and invalid.path in invalid.message), invalid
    assert "please report" not in str(invalid.remedy)  # our own reader saw it, too
    # Only what lies in no field of `Data` has no path.
    assert invalid.path.startswith(_field_at(blob, base, invalid.offset)), invalid


def _field_at(blob: bytes, at: int, offset: int) -> str:
    """The field of `Data` in which a byte lies, told by a reader that stops at whatever is not as it should be."""
    fields = {field.number: field for field in MESSAGES["Data"]}
    while at < offset:
        try:
            tag, value = _read(blob, at)
            number, content = _read(blob, value)
        except IndexError:
            return ""
        field = fields.get(tag >> 3)
        if field is None or tag & 7 != field.kind.wire_type:
            return ""
        at = content + number if tag & 7 == 2 else content
        if value <= offset < at:
            return field.name
    return ""


def run(mutations: int, seed: int, *, first: int = 0) -> Counter[str]:
    """How often which outcome. Raises AssertionError that says which mutation it was."""
    whole = originals()
    for original in whole:
        judge(original.blob)
        walk(detect(original.blob).data)
    at_first = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tally: Counter[str] = Counter()
    for number in range(first, first + mutations):
        what, blob = mutation(number, seed, whole)
        begun = time.process_time()
        try:
            outcome = judge(blob)
            took = time.process_time() - begun
            assert took < BOUND_SECONDS, f"{took:.1f} s"
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - at_first
            assert grown < BOUND_KIB, f"{grown} KiB more"
        except Exception as failure:
            raise AssertionError(f"mutation {number} of seed {seed} ({what}): {failure!r}") from failure
        tally[outcome] += 1
        tally[what.split()[0]] += 1
        tally["longest ms"] = max(tally["longest ms"], round(took * 1000))
        tally["memory KiB"] = max(tally["memory KiB"], grown)
    return tally


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--mutations", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    asked = parser.parse_args()
    seed = secrets.randbelow(2**32) if asked.seed is None else asked.seed
    print(f"seed {seed}, {asked.mutations} mutations from {asked.first}", flush=True)
    for what, count in sorted(run(asked.mutations, seed, first=asked.first).items()):
        print(f"{count:8} {what}")


if __name__ == "__main__":
    main()
