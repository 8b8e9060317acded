"""Which generation a revision of etcd belongs to, and the other way round.

A generation is ``generation_base`` of the guard plus etcd's version of ``state/generation``. Both only grow, so the
generation grows with the revision, and one can be found by bisection. Accepting a restore raises the base, so the
base is that of the guard as it was then, not that of now.
"""

from __future__ import annotations

from typing import NamedTuple

from etcdmeta.consensus.protocol import Compacted, FutureRevision, Strategy
from etcdmeta.errors import HistoryCompacted, NotFound
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.decoding import RecordDecoder
from etcdmeta.records.keys import Keyspace


class Place(NamedTuple):
    """``committed``: the revision that made the generation; ``readable``: one at which it still stood, and which etcd
    had when it was asked."""

    committed: int
    readable: int


class Generations:
    """Looks up generations at etcd; for one call of the store, in one thread."""

    def __init__(self, strategy: Strategy, keyspace: Keyspace, snapshot: Snapshot, deadline: float) -> None:
        """``deadline`` in seconds of ``time.monotonic()``."""
        self._strategy = strategy
        self._keyspace = keyspace
        self._deadline = deadline
        self._snapshot = snapshot
        cluster = snapshot.cluster
        self._base = cluster.generation_base if cluster else 0
        self._base_from = cluster.mod_revision if cluster else 0
        """From this revision on ``_base`` holds; up to ``_base_to``, where it is not None."""
        self._base_to: int | None = None

    def at(self, revision: int) -> tuple[int, int]:
        """The generation that stood at a revision, and the revision that made it; zeros before the first.

        Raises `Compacted`, `FutureRevision`, and what the strategy raises.
        """
        key = self._keyspace.absolute(keys.GENERATION)
        kvs = self._strategy.read(key, revision=revision, deadline=self._deadline).kvs
        if not kvs:
            return 0, 0
        return self._base_at(revision) + kvs[0].version, kvs[0].mod_revision

    def find(self, generation: int) -> Place:
        """Where a generation of this picture's past stands. Raises `HistoryCompacted`, `NotFound` where there never
        was one of that number (a restore took it back), and what the strategy raises."""
        if generation == self._snapshot.generation and self._snapshot.generation_mark is not None:
            return Place(self._snapshot.generation_mark.mod_revision, self._snapshot.revision)
        low, high = 1, self._snapshot.revision
        compacted = False
        while low <= high:
            middle = (low + high) // 2
            try:
                found, committed = self.at(middle)
            except Compacted as gone:
                compacted = True
                low = max(middle + 1, gone.compact_revision)
                continue
            if found == generation:
                return Place(committed, middle)
            if found > generation:
                high = committed - 1
            else:
                low = middle + 1
        if compacted and generation < self.oldest():
            raise self.compacted_away(generation)
        raise NotFound(
            f"there is no generation {generation} in the history of this cluster",
            value=generation,
            rule="a restore of etcd takes generations back, and the numbers go on above them",
            remedy="`etcdmeta history` shows those that there are",
        )

    def oldest(self) -> int:
        """The oldest generation whose picture is still there. Asks for the guard: agents remember generations whose
        picture is gone."""
        low, high, middle = 1, self._snapshot.revision, 1
        while low < high:
            try:
                self._strategy.read(self._keyspace.absolute(keys.CLUSTER), revision=middle, deadline=self._deadline)
                high = middle
            except Compacted as gone:
                low = max(middle + 1, gone.compact_revision)
                middle = low if gone.compact_revision else (low + high) // 2
                continue
            middle = (low + high) // 2
        return self.at(min(low, self._snapshot.revision))[0]

    def compacted_away(self, generation: int) -> HistoryCompacted:
        """What to raise; it names the oldest that is there."""
        return HistoryCompacted(
            f"etcd has compacted generation {generation} away",
            value=generation,
            rule=f"pictures of the past reach back to generation {self.oldest()}",
            remedy="`etcdmeta history` still says who did what before",
        )

    def _base_at(self, revision: int) -> int:
        if revision < self._base_from or (self._base_to is not None and revision > self._base_to):
            key = self._keyspace.absolute(keys.CLUSTER)
            kvs = self._strategy.read(key, revision=revision, deadline=self._deadline).kvs
            rows = [(kv.value, kv.mod_revision, kv.create_revision) for kv in kvs]
            self._base = RecordDecoder().cluster(rows[0]).generation_base if rows else 0
            self._base_from = kvs[0].mod_revision if kvs else 0
            self._base_to = revision
        return self._base


def generation_or_none(generations: Generations, revision: int) -> int | None:
    """Of a commit's own revision; None where etcd has compacted it, or was restored to before it."""
    try:
        found, committed = generations.at(revision)
    except (Compacted, FutureRevision):
        return None
    return found if committed == revision else None
