"""Several plans in one transaction: one after the other (`sequence`), or side by side (`Footprint`).

A batch plans command i+1 on the picture that command i would leave. Its compares are those against the base; a compare
that looks at what an earlier command of the batch wrote is met by construction and left out; the last value per key
counts; a put inside a span that the batch deletes falls away (law 4). Group commit takes plans side by side: only such
as neither write what another writes, nor what another compares, so that each would commit just the same alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from etcdmeta.commands.plan import Command, Context, Ids, Plan, check_size
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.transaction import Compare, Delete, DeleteRange, Put, Write
from etcdmeta.replica.draft import Draft
from etcdmeta.replica.listing import listing


def sequence(snapshot: Snapshot, commands: Sequence[Command], now: int, ids: Ids) -> list[Plan]:
    """One plan a command, each on the picture after the one before."""
    plans: list[Plan] = []
    for command in commands:
        plans.append(command.plan(Context(snapshot, now, ids)))
        if len(plans) < len(commands):
            snapshot = after(snapshot, plans[-1].writes)
    return plans


def after(snapshot: Snapshot, writes: Iterable[Write]) -> Snapshot:
    """The picture that a plan would leave. Its revision stays that of the base, since range compares count from it;
    what is written carries the next revision, so that lists stay in order of creation."""
    draft = Draft(snapshot.tables, snapshot.known_owner_counts)
    listed: list[bytes] | None = None
    for write in writes:
        if isinstance(write, DeleteRange):
            if listed is None:
                listed = [key for key, *_ in listing(snapshot)]
            gone = [key for key in listed if write.start <= key < write.end]
        elif isinstance(write, Delete):
            gone = [write.key]
        else:
            gone = []
            if write.key.startswith(keys.STATE):
                place = keys.locate(write.key)
                draft.put(write.key, place, (write.value, snapshot.revision + 1, snapshot.revision + 1), 1)
        for key in gone:
            draft.remove(key, keys.locate(key))
    return snapshot.succeed(draft.tables, snapshot.revision, draft.owner_counts)


def merge(plans: Sequence[Plan], what: str) -> tuple[tuple[Compare, ...], tuple[Write, ...]]:
    """Compares against the base, and writes, of plans made by `sequence`. Raises `CommandTooLarge`."""
    if len(plans) == 1:
        return plans[0].compares, plans[0].writes
    compares: dict[Compare, None] = {}
    ranges: dict[DeleteRange, None] = {}
    puts: dict[bytes, Put | Delete] = {}
    for plan in plans:
        for compare in plan.compares:
            if compare.range_end is not None or not _written(compare.key, puts, ranges):
                compares[compare] = None
        for write in plan.writes:
            if isinstance(write, DeleteRange):
                ranges[write] = None
                puts = {k: w for k, w in puts.items() if not write.start <= k < write.end}
            else:
                puts[write.key] = write
    writes = (*ranges, *puts.values())
    check_size(tuple(compares), writes, what)
    return tuple(compares), writes


class Footprint:
    """What plans compare and write, to tell whether another may stand beside them; made once of each plan.

    ``size``: bytes of all values, and what a key takes at most."""

    __slots__ = ("_compared", "_compared_ranges", "_deleted_ranges", "_written", "size")

    def __init__(self, compares: Iterable[Compare] = (), writes: Iterable[Write] = ()) -> None:
        self._compared: set[bytes] = set()
        self._compared_ranges: list[Compare] = []
        self._written: set[bytes] = set()
        self._deleted_ranges: list[DeleteRange] = []
        self.size = 0
        for compare in compares:
            if compare.range_end is None:
                self._compared.add(compare.key)
            else:
                self._compared_ranges.append(compare)
        written = self._written
        for write in writes:
            self.size += _KEY_BYTES
            if isinstance(write, Put):  # nearly all
                written.add(write.key)
                self.size += len(write.value)
            elif isinstance(write, Delete):
                written.add(write.key)
            else:
                self._deleted_ranges.append(write)

    def add(self, other: Footprint) -> None:
        self._compared |= other._compared
        self._compared_ranges += other._compared_ranges
        self._written |= other._written
        self._deleted_ranges += other._deleted_ranges
        self.size += other.size

    def is_disjoint(self, other: Footprint) -> bool:
        """Nothing written on either side is written or compared on the other."""
        return not (self.writes_touch(other) or other.writes_touch(self))

    def writes_touch(self, other: Footprint) -> bool:
        """Whether these plans have written anything that the other relies on or writes."""
        written, ranges = self._written, self._deleted_ranges
        if not (written.isdisjoint(other._compared) and written.isdisjoint(other._written)):
            return True
        if ranges and any(_in_any(key, ranges) for key in (*other._compared, *other._written)):
            return True
        for compare in other._compared_ranges:
            end = compare.range_end
            if any(map(compare.covers, written)) or any(r.start < (end or b"") and compare.key < r.end for r in ranges):
                return True
        return any(r.start <= key < r.end for r in other._deleted_ranges for key in written)


_KEY_BYTES: Final = 128


def _written(key: bytes, puts: dict[bytes, Put | Delete], ranges: Iterable[DeleteRange]) -> bool:
    return key in puts or _in_any(key, ranges)


def _in_any(key: bytes, ranges: Iterable[DeleteRange]) -> bool:
    return any(r.start <= key < r.end for r in ranges)
