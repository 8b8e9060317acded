"""A map that is cheap to load, cheap to change and never changes: a plain dict under a persistent overlay.

Measured for 100,000 groups: a dict is the fastest thing to fill from a listing and the smallest to hold, but
copying it for each change costs milliseconds; a persistent map changes in microseconds, but is slow to fill.
So the dict of the listing stays, and what changed since lies over it. When the overlay has grown to a
quarter of the base, both are folded into a new dict.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from typing import Any, Final, Generic, TypeVar, overload

from rpds import HashTrieMap

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")


class _Mark:
    """What stands for a value where there is none; never leaves this module."""

    __slots__ = ()


_ABSENT: Final = _Mark()  # the overlay says nothing
_REMOVED: Final = _Mark()  # the overlay says: no longer there

_SMALLEST_FOLD: Final = 1024
_EMPTY: Final[HashTrieMap[Any, Any]] = HashTrieMap()


class OverlayMap(Generic[K, V]):
    """An immutable map whose changed copies share all but what changed. Safe to read from any thread.

    Iteration has no promised order. Removed and replaced values stay in memory until the next fold.
    """

    __slots__ = ("_base", "_length", "_overlay")

    def __init__(self, base: dict[K, V], overlay: HashTrieMap[K, Any], length: int) -> None:
        self._base = base
        self._overlay = overlay
        self._length = length

    @classmethod
    def from_dict(cls, base: dict[K, V]) -> OverlayMap[K, V]:
        """Takes the dict over: nobody may write to it afterwards."""
        return cls(base, _EMPTY, len(base))

    @overload
    def get(self, key: K) -> V | None: ...
    @overload
    def get(self, key: K, default: V | D) -> V | D: ...
    def get(self, key: K, default: Any = None) -> Any:
        """The value, or the default."""
        value = self._overlay.get(key, _ABSENT)
        if value is _ABSENT:
            return self._base.get(key, default)
        return default if value is _REMOVED else value

    def __getitem__(self, key: K) -> V:
        value = self._overlay.get(key, _ABSENT)
        if value is _ABSENT:
            return self._base[key]
        if value is _REMOVED:
            raise KeyError(key)
        return value  # type: ignore[no-any-return]

    def getter(self) -> Callable[[K], V]:
        """``self[key]`` for many keys: a third of the time, where nothing changed since the listing."""
        return self._base.__getitem__ if not self._overlay else self.__getitem__

    def __contains__(self, key: K) -> bool:
        value = self._overlay.get(key, _ABSENT)
        return key in self._base if value is _ABSENT else value is not _REMOVED

    def __len__(self) -> int:
        return self._length

    def items(self) -> Iterator[tuple[K, V]]:
        """Every key with its value, once, in no promised order."""
        overlay = self._overlay
        if not overlay:
            yield from self._base.items()
            return
        for key, value in self._base.items():
            if key not in overlay:
                yield key, value
        for key, value in overlay.items():
            if value is not _REMOVED:
                yield key, value

    def keys(self) -> Iterator[K]:
        """Every key, once."""
        return (key for key, _ in self.items()) if self._overlay else iter(self._base)

    def values(self) -> Iterator[V]:
        """Every value, in the order of the keys."""
        return (value for _, value in self.items())

    def __iter__(self) -> Iterator[K]:
        return self.keys()

    def set(self, key: K, value: V) -> OverlayMap[K, V]:
        """A copy with the key's value put or replaced."""
        length = self._length + (key not in self)
        return self._folded(self._overlay.insert(key, value), length)

    def update(self, new: dict[K, V]) -> OverlayMap[K, V]:
        """A copy with all of these put or replaced: half the time of one by one."""
        overlay = self._overlay.update(new)
        if self._base.keys().isdisjoint(new):  # else only, the overlay may say of one that it was removed
            return self._folded(overlay, self._length + len(overlay) - len(self._overlay))
        return self._folded(overlay, self._length + sum(key not in self for key in new))

    def remove(self, key: K) -> OverlayMap[K, V]:
        """A copy without the key. Raises KeyError where it is not there."""
        if key not in self:
            raise KeyError(key)
        if key in self._base:
            overlay = self._overlay.insert(key, _REMOVED)
        else:
            overlay = self._overlay.remove(key)
        return self._folded(overlay, self._length - 1)

    def __repr__(self) -> str:
        return f"<OverlayMap of {self._length}: {len(self._overlay)} over {len(self._base)}>"

    def _folded(self, overlay: HashTrieMap[K, Any], length: int) -> OverlayMap[K, V]:
        if len(overlay) <= max(_SMALLEST_FOLD, len(self._base) // 4):
            return OverlayMap(self._base, overlay, length)
        base = self._base.copy()
        base.update(overlay.items())  # without a loop of Python's: a third of the time
        if len(base) != length:
            base = {key: value for key, value in base.items() if value is not _REMOVED}
        return self.from_dict(base)
