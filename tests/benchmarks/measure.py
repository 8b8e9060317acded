"""What is measured: medians over rounds, with their spread, and ratios to a floor of the same round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is done. ``groups``: shard groups held; ``operations``: repetitions within one round."""

    groups: int
    rounds: int
    operations: int


FULL = Scale(groups=100_000, rounds=7, operations=400)
QUICK = Scale(groups=10_000, rounds=3, operations=100)


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and greatest of the rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        return cls(statistics.median(values), min(values), max(values))


@dataclass(frozen=True, slots=True)
class Pair:
    """One round: ours and the floor, in the same unit."""

    ours: float
    floor: float


@dataclass(frozen=True, slots=True)
class Result:
    """One number of the table. ``reach`` None: reported beside the goals, not one of them.

    ``row`` is the number of its row in the list of goals; ``ours`` and ``floor`` say what the ratio is made of.
    """

    row: int
    what: str
    setting: str
    measured: Spread
    unit: str
    reach: float | None = None
    at_least: bool = False
    ours: str = ""
    floor: str = ""

    @property
    def reached(self) -> bool | None:
        if self.reach is None:
            return None
        return self.measured.median >= self.reach if self.at_least else self.measured.median <= self.reach


def ratio(
    row: int,
    what: str,
    setting: str,
    pairs: Sequence[Pair],
    *,
    unit: str,
    reach: float | None,
    at_least: bool = False,
) -> Result:
    """The rounds' ratios, each of what was measured in the same round; ``unit`` is that of ours and the floor."""
    return Result(
        row,
        what,
        setting,
        Spread.of([pair.ours / pair.floor for pair in pairs]),
        "×",
        reach,
        at_least,
        f"{statistics.median([pair.ours for pair in pairs]):,.3g} {unit}",
        f"{statistics.median([pair.floor for pair in pairs]):,.3g} {unit}",
    )


def alternate(
    floor: Callable[[], float], ours: Callable[[], float], operations: int, *, block: int = 1
) -> Pair:
    """Medians of both, done in turns, so that what else the machine does meets both alike. ``block``: how many of
    each a turn has; with 1 each finds the processor's caches full of the other's."""
    floors: list[float] = []
    times: list[float] = []
    while len(times) < operations:
        floors += [floor() for _ in range(block)]
        times += [ours() for _ in range(block)]
    return Pair(statistics.median(times), statistics.median(floors))


def seconds(action: Callable[[], object]) -> float:
    begun = time.perf_counter()
    action()
    return time.perf_counter() - begun
