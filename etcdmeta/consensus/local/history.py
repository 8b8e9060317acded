"""Keys, values and every revision of them since the last compaction: etcd's MVCC, as plain data.

Not thread-safe; `etcdmeta.consensus.local.cluster.LocalCluster` holds the lock. What stands here follows etcd
3.5 (``server/storage/mvcc`` and ``server/etcdserver/apply.go``), and the conformance suite holds it to that.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from operator import attrgetter
from typing import TYPE_CHECKING

from etcdmeta.consensus.protocol import Compacted, FutureRevision
from etcdmeta.records.transaction import DELETE_EVENT, PUT_EVENT, Compare, Counter, Event, KeyValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_COUNTED = {
    Counter.CREATE: attrgetter("create_revision"),
    Counter.MOD: attrgetter("mod_revision"),
    Counter.VERSION: attrgetter("version"),
}
_ABSENT = KeyValue(b"", b"", 0, 0, 0)
_ALL_FROM = b"\0"
"""As a range's end: every key from its start on."""


def in_range(key: bytes, start: bytes, end: bytes | None) -> bool:
    """Whether etcd's range [start, end) holds the key; without an end it is the one key."""
    if end is None or end == b"":
        return key == start
    return key >= start and (end == _ALL_FROM or key < end)


class History:
    """What was put and deleted, by revision. A new one is at revision 1, as a new etcd is."""

    def __init__(self) -> None:
        self.revision = 1
        self.compacted = 0
        """Reads below this revision are refused."""
        self._sorted_keys: list[bytes] = []
        self._versions: dict[bytes, list[KeyValue]] = {}  # oldest first; a deletion has version 0
        self._events: list[tuple[int, tuple[Event, ...]]] = []  # one entry for each revision that is kept

    def copy(self) -> History:
        """An independent copy; the records themselves are immutable and shared."""
        other = History()
        other.revision, other.compacted = self.revision, self.compacted
        other._sorted_keys = list(self._sorted_keys)
        other._versions = {key: list(versions) for key, versions in self._versions.items()}
        other._events = list(self._events)
        return other

    def get(self, key: bytes) -> KeyValue | None:
        """The key as it is now."""
        versions = self._versions.get(key)
        return versions[-1] if versions and versions[-1].version else None

    def range(self, start: bytes, end: bytes | None, revision: int = 0) -> Iterator[KeyValue]:
        """The keys of [start, end) in order, as they were at that revision (0: now).

        Raises `Compacted` and `FutureRevision`.
        """
        if revision > self.revision:
            raise FutureRevision(f"revision {revision} was asked for, the newest is {self.revision}")
        if 0 < revision < self.compacted:
            raise Compacted(self.compacted)
        for key in self._keys(start, end):
            found = self._at(key, revision or self.revision)
            if found is not None:
                yield found

    def holds(self, compare: Compare) -> bool:
        """Whether every key that the compare looks at satisfies it.

        Where there is none, etcd compares with counters of 0: "absent" and "not changed since" hold, "created
        at" does not.
        """
        found = tuple(self.range(compare.key, compare.range_end)) or (_ABSENT,)
        return all(_satisfies(compare, each) for each in found)

    def events_since(self, revision: int, start: bytes, end: bytes | None) -> tuple[Event, ...]:
        """What happened in [start, end) at that revision and later, in order. Raises `Compacted`."""
        if revision < self.compacted:
            raise Compacted(self.compacted)
        first = bisect_left(self._events, revision, key=lambda entry: entry[0])
        return tuple(
            event for _, events in self._events[first:] for event in events if in_range(event.kv.key, start, end)
        )

    def change(self, puts: Sequence[tuple[bytes, bytes, int]], deleted: Sequence[bytes]) -> tuple[Event, ...]:
        """One revision: each put (key, value, lease) and each deletion of a key that exists; or none."""
        events = []
        revision = self.revision + 1
        for key, value, lease in puts:
            before = self.get(key) or _ABSENT
            after = KeyValue(key, value, before.create_revision or revision, revision, before.version + 1, lease)
            events.append(Event(PUT_EVENT, after))
        events.extend(
            Event(DELETE_EVENT, KeyValue(key, b"", 0, revision, 0)) for key in deleted if self.get(key) is not None
        )
        if events:
            self.revision = revision
            self._events.append((revision, tuple(events)))
            for event in events:
                self._append(event.kv)
        return tuple(events)

    def compact(self, revision: int) -> None:
        """Forgets what was superseded before that revision. Raises `Compacted` and `FutureRevision`."""
        if revision <= self.compacted:
            raise Compacted(self.compacted)
        if revision > self.revision:
            raise FutureRevision(f"revision {revision} was asked for, the newest is {self.revision}")
        self.compacted = revision
        self._events = self._events[bisect_left(self._events, revision, key=lambda entry: entry[0]) :]
        for key in list(self._versions):
            versions = self._versions[key]
            current = bisect_right(versions, revision, key=lambda each: each.mod_revision) - 1
            kept = versions[max(current, 0) :]
            if len(kept) == 1 and not kept[0].version:
                del self._versions[key]
                del self._sorted_keys[bisect_left(self._sorted_keys, key)]
            else:
                self._versions[key] = kept

    def _append(self, after: KeyValue) -> None:
        versions = self._versions.get(after.key)
        if versions is None:
            self._versions[after.key] = [after]
            insort(self._sorted_keys, after.key)
        else:
            versions.append(after)

    def _keys(self, start: bytes, end: bytes | None) -> Sequence[bytes]:
        if end is None or end == b"":
            return (start,) if start in self._versions else ()
        first = bisect_left(self._sorted_keys, start)
        last = len(self._sorted_keys) if end == _ALL_FROM else bisect_left(self._sorted_keys, end)
        return self._sorted_keys[first:last]

    def _at(self, key: bytes, revision: int) -> KeyValue | None:
        versions = self._versions[key]
        position = bisect_right(versions, revision, key=lambda each: each.mod_revision) - 1
        if position < 0 or not versions[position].version:
            return None
        return versions[position]


def _satisfies(compare: Compare, kv: KeyValue) -> bool:
    actual = _COUNTED[compare.counter](kv)
    return bool(actual < compare.number if compare.less else actual == compare.number)
