"""Reserving ids before planning: by compare-and-swap on ``ids/<kind>`` alone.

Ids only grow and are never handed out twice; those that a plan took and did not use are lost. Exactly as many are taken
as are needed; after a conflict, in blocks that double up to 64, and exactly again after 10 quiet seconds: so a lone
writer leaves no holes, and 50 that join at once do not queue up behind one counter.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from etcdmeta.consensus.protocol import Ambiguous, Strategy
from etcdmeta.errors import ConflictPersists, RecordUnreadable
from etcdmeta.records import keys
from etcdmeta.records.decoding import parse
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.pb import records_pb2 as pb
from etcdmeta.records.transaction import Compare, Put, RawKeyValue, Read, Transaction

MAX_BLOCK = 64
QUIET = 10.0


@dataclass
class _Counter:
    """What is known of one kind: the key's last seen value and mod revision, and what is left of the last block."""

    highest: int = 0
    mod_revision: int = 0
    left: list[int] = field(default_factory=list)


class IdReserver:
    """Thread-safe: reservations of one store queue up behind a lock, bounded by their deadlines."""

    def __init__(self, strategy: Strategy, keyspace: Keyspace) -> None:
        self._strategy = strategy
        self._keyspace = keyspace
        self._mutex = threading.Lock()
        self._counters: dict[str, _Counter] = {}
        self._block = 1
        self._last_conflict = float("-inf")

    def reserve(self, wanted: Mapping[str, int], *, deadline: float) -> dict[str, list[int]]:
        """``wanted``: kind → how many. Raises `ConflictPersists`, `Unavailable` and the strategy's other errors."""
        if not self._mutex.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise _late(wanted)
        try:
            while True:
                short = {k: n - len(self._counter(k).left) for k, n in wanted.items()}
                short = {k: n for k, n in short.items() if n > 0}
                if not short:
                    break
                if time.monotonic() >= deadline:
                    raise _late(wanted)
                self._extend(short, deadline)
            taken = {}
            for kind, n in wanted.items():
                left = self._counter(kind).left
                taken[kind], left[:n] = left[:n], []
            return taken
        finally:
            self._mutex.release()

    def peek(self, wanted: Mapping[str, int], *, deadline: float) -> dict[str, list[int]]:
        """The ids that a reservation would get now; none are taken. For showing a plan."""
        shown = {}
        for kind, n in wanted.items():
            result = self._strategy.read(self._keyspace.absolute(keys.ids(kind)), deadline=deadline)
            highest = highest_of(result.kvs)
            shown[kind] = list(range(highest + 1, highest + 1 + n))
        return shown

    def _extend(self, short: Mapping[str, int], deadline: float) -> None:
        if time.monotonic() - self._last_conflict > QUIET:
            self._block = 1
        sizes = {kind: max(n, self._block) for kind, n in short.items()}
        counters = {kind: self._counter(kind) for kind in short}
        key = {kind: self._keyspace.absolute(keys.ids(kind)) for kind in short}
        txn = Transaction(
            tuple(Compare.modified(key[kind], counter.mod_revision) for kind, counter in counters.items()),
            tuple(
                Put(key[kind], pb.IdCounter(highest=counter.highest + sizes[kind]).SerializeToString())
                for kind, counter in counters.items()
            ),
            tuple(Read(key[kind]) for kind in counters),
        )
        try:
            result = self._strategy.transact(txn, deadline=min(deadline, time.monotonic() + 2.0))
        except Ambiguous:
            # Taken or not, nobody else will get them: the next try reads the counter and goes on behind.
            time.sleep(min(random.uniform(0, 0.05), max(0.0, deadline - time.monotonic())))
            return
        if result.succeeded:
            for kind, counter in counters.items():
                first = counter.highest + 1
                counter.left.extend(range(first, first + sizes[kind]))
                counter.highest += sizes[kind]
                counter.mod_revision = result.header.revision
            return
        raced = any(counter.mod_revision for counter in counters.values())
        for (_, counter), kvs in zip(counters.items(), result.reads, strict=True):
            counter.highest = highest_of(kvs)
            counter.mod_revision = kvs[0].mod_revision if kvs else 0
        if raced:  # not the first look, which every process needs once
            self._block = min(MAX_BLOCK, self._block * 2)
            self._last_conflict = time.monotonic()

    def _counter(self, kind: str) -> _Counter:
        return self._counters.setdefault(kind, _Counter())


def highest_of(kvs: Sequence[RawKeyValue]) -> int:
    """The highest id handed out, from the answer to a read of the counter. Raises `RecordUnreadable`."""
    if not kvs:
        return 0
    try:
        return parse(pb.IdCounter, kvs[0].value).highest
    except ValueError as error:
        raise RecordUnreadable(
            f"the counter {kvs[0].key.decode('ascii', 'backslashreplace')} cannot be decoded ({error})",
            value=kvs[0].key,
            rule="no id is handed out twice, so none is without knowing the last",
            remedy="put it back from a backup, at least as high as any id in use",
        ) from None


def _late(wanted: Mapping[str, int]) -> ConflictPersists:
    return ConflictPersists(
        "no ids could be reserved in time",
        value=dict(wanted),
        remedy="try again, or with a longer timeout; nothing was changed",
    )
