"""A bounded cache of decoded records, shared by the snapshots of one store.

A frozen pydantic group holds 5.4 KB and takes 15 µs to make, its bytes 0.25 KB: all of 100,000 decoded would be 540 MB.
So models live here, at most ``limit`` to twice that. An entry is valid for the very row object it was made from:
after a restore of etcd the same revision may hold another value, so counters would not do.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class DecodedCache:
    """Two generations of a dict: when the young one is full it becomes the old one, and what is still used moves
    back. Any thread may use it: each step is one dict operation, and a lost race only decodes once more."""

    __slots__ = ("_limit", "_old", "_young")

    def __init__(self, limit: int = 4096) -> None:
        self._limit = limit
        self._young: dict[Hashable, tuple[Any, Any]] = {}
        self._old: dict[Hashable, tuple[Any, Any]] = {}

    def get(self, key: Hashable, row: Any, decode: Callable[..., T], *arguments: Any) -> T:
        """The model of ``row``, made by ``decode(row, *arguments)`` unless it is here."""
        entry = self._young.get(key)
        if entry is not None and entry[0] is row:
            model: T = entry[1]
            return model
        entry = self._old.get(key)
        model = entry[1] if entry is not None and entry[0] is row else decode(row, *arguments)
        if len(self._young) >= self._limit:
            self._old, self._young = self._young, {}
        self._young[key] = (row, model)
        return model
