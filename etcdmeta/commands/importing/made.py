"""Groups by the 100,000 that are held as bare rows, and made when they are looked at.

As named tuples they are a fifth of an import's time to the garbage collector alone, which walks them again and again,
and four times their source in memory.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from operator import ge, gt
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")

Row = tuple[Any, ...]
"""id, start, end, when deleted, when truncated (None: is not), shards; of a shard: id, owners and, where it is not 0,
its last attempt. An owner is a node's id where it is active and there is no more to say, else an `IncomingOwner`."""


class Made(Sequence[T], Generic[T]):
    """``make``: an item of a row. Compares by content, with tuples, too."""

    __slots__ = ("make", "rows")

    def __init__(self, rows: Sequence[Row], make: Callable[[Row], T]) -> None:
        self.rows = rows
        self.make = make

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[T, ...]: ...
    def __getitem__(self, index: int | slice) -> T | tuple[T, ...]:
        if isinstance(index, slice):
            return tuple(map(self.make, self.rows[index]))
        return self.make(self.rows[index])

    def __iter__(self) -> Iterator[T]:
        return map(self.make, self.rows)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (Made, tuple)):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"<{len(self)} shard groups>"


def bare(groups: Sequence[Row]) -> Iterable[Row]:
    """The rows of groups, without making the groups where they are held as such; made ones are such rows, too."""
    return groups.rows if isinstance(groups, Made) else groups


class Columns(Sequence[Row]):
    """Rows as columns of numbers: 36 bytes for a group of one shard that is neither deleted nor truncated, which nearly
    all are. The others are held as they are."""

    __slots__ = ("_ends", "_ids", "_known", "_others", "_owners", "_sets", "_shards", "_starts")

    def __init__(self) -> None:
        self._ids, self._starts, self._ends = array("Q"), array("q"), array("q")
        self._shards, self._owners = array("Q"), array("I")
        self._sets: list[tuple[Any, ...]] = []
        """The different sets of owners: few."""
        self._known: dict[tuple[Any, ...], int] = {}
        self._others: dict[int, Row] = {}
        """By place, where the columns say nothing."""

    def add(self, group_id: int, start: int, end: int, shard_id: int, owners: tuple[Any, ...]) -> None:
        """One that the columns hold. Numbers of 64 bits, the times signed."""
        number = self._known.get(owners)
        if number is None:
            number = self._known[owners] = len(self._sets)
            self._sets.append(owners)
        self._ids.append(group_id)
        self._starts.append(start)
        self._ends.append(end)
        self._shards.append(shard_id)
        self._owners.append(number)

    def add_row(self, row: Row) -> None:
        """Any other."""
        self._others[len(self._ids)] = row
        self.add(0, 0, 0, 0, ())

    def replace(self, place: int, row: Row) -> None:
        self._others[place] = row

    @property
    def is_plain(self) -> bool:
        """Whether all rows are in the columns, in order of their starts, and none reaches into the next."""
        starts = self._starts
        return not (self._others or any(map(ge, starts, starts[1:])) or any(map(gt, self._ends, starts[1:])))

    def __len__(self) -> int:
        return len(self._ids)

    def __iter__(self) -> Iterator[Row]:
        sets, others = self._sets, self._others
        columns = zip(self._ids, self._starts, self._ends, self._shards, self._owners, strict=True)
        if not others:
            for group_id, start, end, shard_id, number in columns:
                yield group_id, start, end, None, None, ((shard_id, sets[number]),)
            return
        for place, (group_id, start, end, shard_id, number) in enumerate(columns):
            other = others.get(place)
            yield other or (group_id, start, end, None, None, ((shard_id, sets[number]),))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, index: int | slice) -> Row | tuple[Row, ...]:
        if isinstance(index, slice):
            return tuple([self[place] for place in range(*index.indices(len(self)))])
        place = range(len(self))[index]
        shard = (self._shards[place], self._sets[self._owners[place]])
        plain = (self._ids[place], self._starts[place], self._ends[place], None, None, (shard,))
        return self._others.get(place, plain)
