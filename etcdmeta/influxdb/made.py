"""Groups by the 100,000 that are held as bare rows, and made when they are looked at.

The garbage collector stops tracking exact tuples of ints, and walks named tuples again and again: with all groups held
as such, a fifth of an import's time was its.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

T = TypeVar("T")

Row = tuple[Any, ...]


class Made(Sequence[T], Generic[T]):
    """``rows``: exact tuples; ``make``: an item of one. Compares by content, with tuples, too."""

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
