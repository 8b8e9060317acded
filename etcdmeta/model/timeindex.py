"""Which group holds a time: a sorted, persistent index of (start, end, id).

Three levels: a root over branches, a branch over at most 64 leaves, a leaf of at most 64 entries, each level
with the starts of what is below in one ``array('q')``. A look-up is three binary searches in flat memory; a
change copies one leaf, one branch and the root: some microseconds, whatever the size. Arrays hold no
pointers: a third of the memory of tuples, half the cache misses, nothing for the garbage collector to walk.

Entries sort by (start, id). They do not overlap, but may be empty (end ≤ start): a group that was truncated
before it began holds no time, and may lie within another.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain
from operator import ge, gt
from typing import Final

from etcdmeta.errors import Defect

Entry = tuple[int, int, int]
"""start, end (exclusive), id."""

# Plain tuples, since the collector stops tracking those and 100,000 groups make some 1,600 leaves.
_Leaf = tuple["array[int]", "array[int]", "array[int]"]  # starts, ends, ids
_Branch = tuple["array[int]", tuple[_Leaf, ...]]  # the leaves' first starts; the leaves
_Place = tuple[int, int, int]  # b, k, i: which branch, which leaf of it, which entry of that

_WIDTH: Final = 64
_FIRST: Final = (0, 0, 0)


class TimeIndex:
    """An immutable index; changed copies share all but the path to the change. Any thread may read it."""

    __slots__ = ("_branches", "_length", "_starts")

    def __init__(self, branches: tuple[_Branch, ...] = (), starts: array[int] | None = None, length: int = 0) -> None:
        """Empty without arguments; those are this module's own."""
        self._branches = branches
        self._starts = array("q", [firsts[0] for firsts, _ in branches]) if starts is None else starts
        self._length = length

    @classmethod
    def from_sorted(cls, entries: Iterable[Entry]) -> TimeIndex:
        """Of entries sorted by start, those of one start by id. Raises `Defect` where the starts are not."""
        columns = tuple(zip(*entries, strict=True)) or ((), (), ())
        return cls.from_columns(array("q", columns[0]), array("q", columns[1]), array("Q", columns[2]))

    @classmethod
    def from_columns(cls, starts: array[int], ends: array[int], ids: array[int]) -> TimeIndex:
        """`from_sorted`, of the entries' columns: at 100,000 entries a third of the time."""
        if any(map(gt, starts, starts[1:])):
            raise Defect("a time index was made from entries out of order")
        leaves = [
            (starts[i : i + _WIDTH], ends[i : i + _WIDTH], ids[i : i + _WIDTH]) for i in range(0, len(starts), _WIDTH)
        ]
        branches = (_branch(tuple(leaves[i : i + _WIDTH])) for i in range(0, len(leaves), _WIDTH))
        return cls(tuple(branches), length=len(starts))

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Entry]:
        for _, leaves in self._branches:
            for starts, ends, ids in leaves:
                yield from zip(starts, ends, ids, strict=True)

    def ids(self) -> Iterator[int]:
        """The ids alone, in the same order, without an entry of each."""
        return chain.from_iterable(ids for _, leaves in self._branches for _, _, ids in leaves)

    def find(self, time: int) -> int | None:
        """The id of the entry with start ≤ time < end."""
        b = bisect_right(self._starts, time) - 1
        if b < 0:
            return None
        firsts, leaves = self._branches[b]
        k = bisect_right(firsts, time) - 1
        starts, ends, ids = leaves[k]
        i = bisect_right(starts, time) - 1
        end = ends[i]
        if time < end:
            return ids[i]
        if end > starts[i]:
            return None
        start, end, identity = self._entry(self._not_empty((b, k, i)))
        return identity if start <= time < end else None

    def at_or_before(self, time: int) -> Entry | None:
        """The last entry that starts at or before the time, holding it or not, empty ones included."""
        place = self._last_from(time)
        return None if place is None else self._entry(place)

    def range(self, low: int, high: int) -> Iterator[Entry]:
        """The entries with start ≤ high and end > low, in order: InfluxDB's "overlaps [low, high]"."""
        if not self._branches:
            return
        # Of the entries that start before low, only the last one that is not empty can reach beyond it.
        for entry in self._onwards(self._not_empty(self._last_from(low) or _FIRST)):
            if entry[0] > high:
                return
            if entry[1] > low:
                yield entry

    def add(self, start: int, end: int, identity: int) -> TimeIndex:
        """A copy with one more entry. Raises `Defect` where (start, id) is there already."""
        if not self._branches:
            leaf = (array("q", [start]), array("q", [end]), array("Q", [identity]))
            return TimeIndex((_branch((leaf,)),), length=1)
        b, k, i = self._place_for(start, identity)
        leaves = self._branches[b][1]
        starts, ends, ids = leaves[k]
        if i < len(starts) and starts[i] == start and ids[i] == identity:
            raise Defect(f"group {identity} at {start} is in the time index already")
        starts, ends, ids = starts[:], ends[:], ids[:]
        starts.insert(i, start)
        ends.insert(i, end)
        ids.insert(i, identity)
        at_end = i + 1 == len(starts) and k + 1 == len(leaves) and b + 1 == len(self._branches)
        return self._with(b, k, _leaves(starts, ends, ids, at_end=at_end), 1)

    def add_run(self, starts: array[int], ends: array[int], ids: array[int]) -> TimeIndex:
        """What `add` one by one makes of these columns. Where they rise, and nothing lies between them, as where groups
        come in order, all of them cost little more than one. Raises `Defect` where (start, id) is there already."""
        if not starts:
            return self
        if not any(map(ge, starts, starts[1:])):
            if not self._branches:
                return TimeIndex.from_columns(starts, ends, ids)
            b, k, i = self._place_for(starts[0], ids[0])
            following = self._start_from(b, k, i)
            if following is None or following > starts[-1]:
                leaf = self._branches[b][1][k]
                put = _leaves(*(a[:i] + new + a[i:] for a, new in zip(leaf, (starts, ends, ids), strict=True)),
                              at_end=following is None)
                return self._with(b, k, put, len(starts))
        index = self
        for entry in zip(starts, ends, ids, strict=True):
            index = index.add(*entry)
        return index

    def remove(self, start: int, identity: int) -> TimeIndex:
        """A copy without the entry. Raises KeyError where it is not there."""
        b, k, i = self._existing(start, identity)
        starts, ends, ids = self._branches[b][1][k]
        if len(starts) == 1:
            return self._with(b, k, (), -1)
        leaf = (starts[:i] + starts[i + 1 :], ends[:i] + ends[i + 1 :], ids[:i] + ids[i + 1 :])
        return self._with(b, k, (leaf,), -1)

    def replace_end(self, start: int, identity: int, end: int) -> TimeIndex:
        """A copy in which the entry ends elsewhere. Raises KeyError where it is not there."""
        b, k, i = self._existing(start, identity)
        starts, ends, ids = self._branches[b][1][k]
        ends = ends[:]
        ends[i] = end
        return self._with(b, k, ((starts, ends, ids),), 0)

    def _entry(self, place: _Place) -> Entry:
        b, k, i = place
        starts, ends, ids = self._branches[b][1][k]
        return starts[i], ends[i], ids[i]

    def _last_from(self, time: int) -> _Place | None:
        """Where the last entry that starts at or before the time stands."""
        b = bisect_right(self._starts, time) - 1
        if b < 0:
            return None
        firsts, leaves = self._branches[b]
        k = bisect_right(firsts, time) - 1
        return b, k, bisect_right(leaves[k][0], time) - 1

    def _not_empty(self, place: _Place) -> _Place:
        """The nearest place at or before this one whose entry is not empty, else the very first one."""
        while place != _FIRST:
            start, end, _ = self._entry(place)
            if end > start:
                break
            place = self._previous(place)
        return place

    def _previous(self, place: _Place) -> _Place:
        b, k, i = place
        if i > 0:
            return b, k, i - 1
        if k == 0:
            b -= 1
            k = len(self._branches[b][1])
        return b, k - 1, len(self._branches[b][1][k - 1][0]) - 1

    def _onwards(self, place: _Place) -> Iterator[Entry]:
        """The entries from this place on."""
        b, k, i = place
        for branch in range(b, len(self._branches)):
            leaves = self._branches[branch][1]
            for leaf in range(k if branch == b else 0, len(leaves)):
                first = i if (branch, leaf) == (b, k) else 0
                starts, ends, ids = leaves[leaf]
                for entry in range(first, len(starts)):
                    yield starts[entry], ends[entry], ids[entry]

    def _place_for(self, start: int, identity: int) -> _Place:
        """Where the entry stands, or would stand."""
        b = max(bisect_right(self._starts, start) - 1, 0)
        while b > 0 and self._starts[b] == start and self._branches[b][1][0][2][0] > identity:
            b -= 1
        firsts, leaves = self._branches[b]
        k = max(bisect_right(firsts, start) - 1, 0)
        while k > 0 and firsts[k] == start and leaves[k][2][0] > identity:
            k -= 1
        starts, _, ids = leaves[k]
        i = bisect_left(starts, start)
        while i < len(starts) and starts[i] == start and ids[i] < identity:
            i += 1
        return b, k, i

    def _start_from(self, b: int, k: int, i: int) -> int | None:
        """The start of the first entry at that place or behind it; None: there is none."""
        firsts, leaves = self._branches[b]
        starts = leaves[k][0]
        if i < len(starts):
            return starts[i]
        if k + 1 < len(firsts):
            return firsts[k + 1]
        return self._starts[b + 1] if b + 1 < len(self._starts) else None

    def _existing(self, start: int, identity: int) -> _Place:
        if self._branches:
            place = b, k, i = self._place_for(start, identity)
            starts, _, ids = self._branches[b][1][k]
            if i < len(starts) and starts[i] == start and ids[i] == identity:
                return place
        raise KeyError((start, identity))

    def _with(self, b: int, k: int, put: tuple[_Leaf, ...], grown: int) -> TimeIndex:
        """A copy with one leaf replaced by none, one or more."""
        firsts, leaves = self._branches[b]
        if len(put) != 1:
            new = _branches(leaves[:k] + put + leaves[k + 1 :], last=b + 1 == len(self._branches))
            branches = (*self._branches[:b], *new, *self._branches[b + 1 :])
            return TimeIndex(branches, length=self._length + grown)
        # By far the most common: the shape stays, so that copying is three slices instead of three loops.
        first = put[0][0][0]
        firsts = firsts[:]
        firsts[k] = first
        starts = self._starts
        if k == 0 and first != starts[b]:
            starts = starts[:]
            starts[b] = first
        branch = (firsts, leaves[:k] + put + leaves[k + 1 :])
        branches = (*self._branches[:b], branch, *self._branches[b + 1 :])
        return TimeIndex(branches, starts, self._length + grown)


def _branch(leaves: tuple[_Leaf, ...]) -> _Branch:
    return array("q", [leaf[0][0] for leaf in leaves]), leaves


def _branches(leaves: tuple[_Leaf, ...], *, last: bool) -> tuple[_Branch, ...]:
    """What the leaves of one branch become: none, one, or more where they are too many."""
    return tuple([_branch(leaves[cut]) for cut in _cuts(len(leaves), last=last)])


def _leaves(starts: array[int], ends: array[int], ids: array[int], *, at_end: bool) -> tuple[_Leaf, ...]:
    """One leaf, or more where the entries are too many."""
    if len(starts) <= _WIDTH:
        return ((starts, ends, ids),)
    return tuple([(starts[cut], ends[cut], ids[cut]) for cut in _cuts(len(starts), last=at_end)])


def _cuts(length: int, *, last: bool) -> Iterator[slice]:
    """Parts of at most the width. New groups come last: nothing will be put into the left ones, so at the right end
    these stay full; elsewhere all are alike."""
    step = _WIDTH if last or length <= _WIDTH else -(-length // -(-length // _WIDTH))
    return (slice(begin, begin + step) for begin in range(0, length, step))
