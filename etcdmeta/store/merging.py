"""Several plans in one transaction: one after the other (`sequence`), or side by side (`Footprint`).

A batch plans command i+1 on the picture that command i would leave. Its compares are those against the base; a compare
that looks at what an earlier command of the batch wrote is met by construction and left out; the last value per key
counts; a put inside a span that the batch deletes falls away (law 4). Group commit takes plans side by side: only such
as neither write what another writes, nor what another compares, so that each would commit just the same alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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
    """What a set of plans compares and writes, to tell whether another may stand beside them."""

    __slots__ = ("_compared", "_compared_ranges", "_deleted_ranges", "_written")

    def __init__(self) -> None:
        self._compared: set[bytes] = set()
        self._compared_ranges: list[Compare] = []
        self._written: set[bytes] = set()
        self._deleted_ranges: list[DeleteRange] = []

    def add(self, compares: Iterable[Compare], writes: Iterable[Write]) -> None:
        for compare in compares:
            if compare.range_end is None:
                self._compared.add(compare.key)
            else:
                self._compared_ranges.append(compare)
        for write in writes:
            if isinstance(write, DeleteRange):
                self._deleted_ranges.append(write)
            else:
                self._written.add(write.key)

    def is_disjoint(self, compares: Sequence[Compare], writes: Sequence[Write]) -> bool:
        """Nothing written on either side is written or compared on the other."""
        if self.writes_touch(compares, writes):
            return False
        compared = self._compared or self._compared_ranges  # nothing is, for the first of a group
        return not (compared and any(self._touched_by(write) for write in writes))

    def writes_touch(self, compares: Sequence[Compare], writes: Sequence[Write]) -> bool:
        """Whether these plans have written anything that the other relies on or writes."""
        written, ranges = self._written, self._deleted_ranges
        for compare in compares:
            if compare.range_end is None:
                if compare.key in written or (ranges and _in_any(compare.key, ranges)):
                    return True
            elif any(compare.covers(key) for key in written) or any(
                r.start < compare.range_end and compare.key < r.end for r in ranges
            ):
                return True
        for write in writes:
            if isinstance(write, DeleteRange):
                if any(write.start <= key < write.end for key in written):
                    return True
            elif write.key in written or (ranges and _in_any(write.key, ranges)):
                return True
        return False

    def _touched_by(self, write: Write) -> bool:
        if isinstance(write, DeleteRange):
            return any(write.start <= key < write.end for key in self._compared) or any(
                c.range_end is not None and write.start < c.range_end and c.key < write.end
                for c in self._compared_ranges
            )
        if write.key in self._compared:
            return True
        ranges = self._compared_ranges
        return bool(ranges) and any(c.covers(write.key) for c in ranges)


def _written(key: bytes, puts: dict[bytes, Put | Delete], ranges: Iterable[DeleteRange]) -> bool:
    return key in puts or _in_any(key, ranges)


def _in_any(key: bytes, ranges: Iterable[DeleteRange]) -> bool:
    return any(r.start <= key < r.end for r in ranges)
