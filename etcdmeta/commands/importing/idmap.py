"""Which id of the source becomes which of ours: runs of consecutive ids, so that 100,000 of them are a few numbers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from etcdmeta.records.pb import records_pb2 as pb

RUNS_A_PAGE: Final = 5_000
"""Of a stored map: some 60 KB."""


class Run(NamedTuple):
    """``length`` ids from ``theirs`` on become those from ``ours`` on."""

    theirs: int
    ours: int
    length: int


class IdMap:
    """``first`` 0: ids are kept. Else those of the source, in their order, become ``first``, ``first + 1`` …"""

    __slots__ = ("_ours", "_starts", "first", "runs")

    def __init__(self, ids: Iterable[int], first: int) -> None:
        self.first = first
        self.runs = tuple(_runs(sorted(set(ids)), first)) if first else ()
        self._starts = [run.theirs for run in self.runs]
        self._ours = [run.ours - run.theirs for run in self.runs]

    def __getitem__(self, theirs: int) -> int:
        """Of an id that the map was made of."""
        return theirs + self._ours[bisect_right(self._starts, theirs) - 1] if self.first else theirs

    def pages(self) -> Iterator[bytes]:
        """As they are stored; none where ids are kept."""
        for begin in range(0, len(self.runs), RUNS_A_PAGE):
            page = pb.IdRuns()
            for run in self.runs[begin : begin + RUNS_A_PAGE]:
                page.runs.add(theirs=run.theirs, ours=run.ours, count=run.length)
            yield page.SerializeToString()


def _runs(ids: list[int], first: int) -> Iterator[Run]:
    """Of sorted ids."""
    begin = 0
    for place in range(1, len(ids) + 1):
        if place == len(ids) or ids[place] != ids[place - 1] + 1:
            yield Run(ids[begin], first + begin, place - begin)
            begin = place
