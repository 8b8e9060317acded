"""Which refusals are worth a line in the log: while etcd is away, or the agent is full, every call is refused."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable

SECONDS = 10.0
"""Of the same refusals, one line in so long."""
MOST = 1000
"""Kinds of refusal that are remembered; beyond them the one told longest ago is forgotten, and told anew."""


class Refusals:
    """Of one agent; belongs to its loop."""

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._told: dict[Hashable, tuple[float, int]] = {}  # when, and how many since; in the order of the first

    def __len__(self) -> int:
        """Kinds that are remembered."""
        return len(self._told)

    def worth_telling(self, kind: Hashable) -> int | None:
        """How many like it were left out since the last line about them; None: this one is left out as well."""
        now = self._monotonic()
        at, left_out = self._told.get(kind, (None, 0))
        if at is not None and now - at < SECONDS:
            self._told[kind] = at, left_out + 1
            return None
        self._told.pop(kind, None)  # to the end of the order
        if len(self._told) >= MOST:
            del self._told[next(iter(self._told))]
        self._told[kind] = now, 0
        return left_out
