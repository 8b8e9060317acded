"""What the picture costs by its size: applying a change, and finding the group of a time. No etcd.

Searching is measured on the record (`PolicyView.group_id_at`, then its row): a cache of decoded groups that holds
all of 100 and a twentieth of 100,000 would measure nothing but its own misses. The look-up of recent times with the
decoded group is reported beside it.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from etcdmeta.consensus.etcd.messages import kv as messages
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.replica.assembly import Revision
from etcdmeta.replica.picture import Accepted, Picture
from tests.benchmarks.measure import Pair, Result, Scale, Spread, ratio
from tests.benchmarks.world import DATABASE, HOUR, group_key, group_value, shuffled, snapshot_of, start_of

SMALL = 100
_RECENT = 64
_BATCH = 200
"""Look-ups timed together: one alone is too short for the clock."""


def run(scale: Scale) -> Iterator[Result]:
    small, large = snapshot_of(SMALL), snapshot_of(scale.groups)
    setting = f"no etcd; {scale.groups:,} groups ÷ {SMALL}"
    yield from _apply(scale, setting, small, large)
    yield from _find(scale, setting, small, large)


# --- applying


class _Feed:
    """A picture and the commits that follow it: each changes a random group's first owner."""

    def __init__(self, snapshot: Snapshot, groups: int, seed: int) -> None:
        self._picture = Picture(0, 1, snapshot)
        self._groups = groups
        self._chance = random.Random(seed)
        self._version = 1
        self._revision = snapshot.revision

    def next(self) -> Revision:
        """As the watch hands it on: parsed from etcd's bytes."""
        self._version += 1
        self._revision += 1
        group_id = self._chance.randint(1, self._groups)
        status = "leaving" if self._version % 2 else ""
        value = pb.Generation(nonce=self._chance.getrandbits(63), operation_ids=["0" * 36]).SerializeToString()
        events = [
            self._event(group_key(group_id), group_value(group_id, status), group_id + 2, 2),
            self._event(keys.GENERATION, value, 1, self._version),
        ]
        return Revision(self._revision, events)

    def _event(self, key: bytes, value: bytes, create: int, version: int) -> Any:
        put = messages.KeyValue(
            key=key, value=value, create_revision=create, mod_revision=self._revision, version=version
        )
        return messages.Event.FromString(messages.Event(kv=put).SerializeToString())

    def apply(self, revision: Revision) -> float:
        """Seconds."""
        begun = time.perf_counter()
        outcome = self._picture.advance(revision)
        taken = time.perf_counter() - begun
        if not isinstance(outcome, Accepted):
            raise RuntimeError(f"a change was not taken: {outcome}")
        return taken


def _apply(scale: Scale, setting: str, small: Snapshot, large: Snapshot) -> Iterator[Result]:
    feeds = [_Feed(large, scale.groups, seed=1), _Feed(small, SMALL, seed=2)]
    pairs = []
    for _ in range(scale.rounds):
        times: list[list[float]] = [[], []]
        revisions = [[feed.next() for _ in range(scale.operations)] for feed in feeds]
        for turn in zip(*revisions, strict=True):
            for feed, revision, taken in zip(feeds, turn, times, strict=True):
                taken.append(1e6 * feed.apply(revision))
        pairs.append(Pair(*(statistics.median(taken) for taken in times)))
    what = "applying one commit of a random group"
    yield ratio(5, what, setting, pairs, unit="µs", reach=2.0)
    yield Result(5, what, f"no etcd; {scale.groups:,} groups", Spread.of([p.ours for p in pairs]), "µs", 15.0)


# --- finding


def _find(scale: Scale, setting: str, small: Snapshot, large: Snapshot) -> Iterator[Result]:
    recent = [
        _Finder(large, _last(scale.groups), seed=3),
        _Finder(small, _last(SMALL), seed=4),
    ]
    found = [_together(scale, [finder.row for finder in recent]) for _ in range(scale.rounds)]
    what = f"group at a time, last {_RECENT} groups, to the record"
    yield ratio(6, what, setting, found, unit="µs", reach=1.5)

    everywhere = _Finder(large, range(1, scale.groups + 1), seed=5)
    dictionary = _Dictionary(scale.groups, seed=6)
    pairs = [_together(scale, [everywhere.row, dictionary.get]) for _ in range(scale.rounds)]
    what = f"group at a time, uniformly random of {scale.groups:,}, to the record ÷ dict.get of that size"
    yield ratio(6, what, "no etcd", pairs, unit="µs", reach=8.0)

    decoded = [_together(scale, [finder.decoded for finder in recent]) for _ in range(scale.rounds)]
    what = f"group at a time, last {_RECENT} groups, decoded"
    yield ratio(6, what, setting, decoded, unit="µs", reach=None)


def _last(groups: int) -> range:
    return range(max(1, groups - _RECENT + 1), groups + 1)


class _Finder:
    """Looks up times within groups of one snapshot."""

    def __init__(self, snapshot: Snapshot, groups: range, seed: int) -> None:
        self._snapshot = snapshot
        chance = random.Random(seed)
        self._times = [start_of(chance.choice(groups)) + chance.randrange(HOUR) for _ in range(20_000)]
        self._next = 0

    def _some(self) -> list[int]:
        if self._next + _BATCH > len(self._times):
            self._next = 0
        times = self._times[self._next : self._next + _BATCH]
        self._next += _BATCH
        return times

    def row(self) -> float:
        """Microseconds a look-up: the search, then the group's row."""
        times = self._some()
        find: Any = self._snapshot.policy(DATABASE).group_id_at  # never None here: every time is in a group
        rows = self._snapshot.tables.groups
        begun = time.perf_counter()
        for moment in times:
            rows[find(moment)]
        return 1e6 * (time.perf_counter() - begun) / len(times)

    def decoded(self) -> float:
        """Microseconds a look-up that gives the `ShardGroup`."""
        times = self._some()
        find = self._snapshot.policy(DATABASE).group_at
        begun = time.perf_counter()
        for moment in times:
            find(moment)
        return 1e6 * (time.perf_counter() - begun) / len(times)


class _Dictionary:
    """The floor: one get in a plain dict of rows as large as the picture's."""

    def __init__(self, groups: int, seed: int) -> None:
        self._rows = {group_id: (group_value(group_id), group_id) for group_id in range(1, groups + 1)}
        self._ids = shuffled(groups, 20_000, seed)
        self._next = 0

    def get(self) -> float:
        """Microseconds a get."""
        if self._next + _BATCH > len(self._ids):
            self._next = 0
        ids = self._ids[self._next : self._next + _BATCH]
        self._next += _BATCH
        get = self._rows.get
        begun = time.perf_counter()
        for group_id in ids:
            get(group_id)
        return 1e6 * (time.perf_counter() - begun) / len(ids)


def _together(scale: Scale, timers: Sequence[Callable[[], float]]) -> Pair:
    times = [[timer() for timer in timers] for _ in range(max(1, scale.operations // 4))]
    return Pair(*(statistics.median(column) for column in zip(*times, strict=True)))
