"""How long another client's change takes to be visible here, against bare delivery by a watch.

The other client is a process of its own that sends the same transaction in turns to our cluster's prefix and to one
that only a bare watch looks at. The time runs from just before it is sent (the clock is the machine's, the same in both
processes) until ``store.snapshot()`` has it, or the reader of the bare watch. When a thread that waits in
``store.changes()`` has it is reported beside that.
"""

from __future__ import annotations

import multiprocessing
import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from multiprocessing.connection import Connection

from etcdmeta.embedded import Cluster
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records.keys import Keyspace
from etcdmeta.records.transaction import Transaction
from etcdmeta.replica.changes import Change
from etcdmeta.store.listeners import Listener
from tests.benchmarks.commands import Turns
from tests.benchmarks.measure import Pair, Result, Scale, ratio
from tests.benchmarks.raw import RawCommand, RawMember
from tests.benchmarks.world import make_cluster, open_store

_GROUPS = 1_000
_OURS, _FLOOR = "ours1", "floor"
_PAUSE = 0.003
"""Seconds between two changes: each is delivered before the next is sent."""
_PATIENCE = 60.0

Sent = list[tuple[int, float, bool]]
"""revision, time before sending, whether it went to our prefix"""


def run(scale: Scale) -> Iterator[Result]:
    groups = min(_GROUPS, scale.groups)
    with Cluster(members=1, unsafe_no_fsync=True) as cluster:
        endpoints = list(cluster.endpoints)
        source, target = make_cluster(endpoints, _OURS, groups), Keyspace(_FLOOR)
        store, strategy = open_store(endpoints, _OURS)
        with store, closing(RawMember(endpoints[0]).watch(*target.state_range)) as watch:
            Turns(store, 1).run()
            recorded = strategy.transaction
            arrivals = _Arrivals()
            # In the thread that publishes, as the first thing after `snapshot()` has it.
            store._driver.listeners._listeners.add(_Stamp(arrivals))

            def follow_changes() -> None:
                for change in store.changes():
                    arrivals.note("changes", change.snapshot.revision)

            def follow_raw() -> None:
                try:
                    for answer in watch:
                        for event in answer.events:
                            arrivals.note("raw", event.kv.mod_revision)
                except Exception as error:  # the end of the measurement cancels it
                    if "CANCELLED" not in str(error):
                        raise

            readers = [threading.Thread(target=follow_changes), threading.Thread(target=follow_raw)]
            for reader in readers:
                reader.start()
            rounds = []
            with _Writer(endpoints[0], recorded, source, target) as pipe:
                for count in (scale.operations // 4, *[scale.operations] * scale.rounds):
                    pipe.send(count)
                    if not pipe.poll(_PATIENCE):
                        raise RuntimeError("the other client does not answer")
                    rounds.append(arrivals.medians(pipe.recv()))
                pipe.send(0)
            store.close()
            watch.close()
            for reader in readers:
                reader.join(_PATIENCE)
    setting = f"1 member, {groups:,} groups"
    measured = rounds[1:]
    what = "change of another client → visible here in `snapshot()`, p50 ÷ raw watch delivery"
    yield ratio(3, what, setting, [Pair(r["picture"], r["raw"]) for r in measured], unit="ms", reach=1.3)
    what = "… → in a thread that waits in `changes()`, one hop between threads more"
    yield ratio(3, what, setting, [Pair(r["changes"], r["raw"]) for r in measured], unit="ms", reach=None)


class _Arrivals:
    """When each revision came, by the place where it came. Thread-safe."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[int, float]] = {"picture": {}, "changes": {}, "raw": {}}
        self._arrived = threading.Condition()

    def note(self, place: str, revision: int) -> None:
        moment = time.perf_counter()
        with self._arrived:
            self._seen[place].setdefault(revision, moment)
            self._arrived.notify()

    def medians(self, sent: Sent) -> dict[str, float]:
        """Milliseconds from sending to each place; waits until all has come."""
        return {place: self._median(place, sent) for place in self._seen}

    def _median(self, place: str, sent: Sent) -> float:
        here = [(revision, moment) for revision, moment, ours in sent if ours == (place != "raw")]
        seen = self._seen[place]
        with self._arrived:
            while not all(revision in seen for revision, _ in here):
                if not self._arrived.wait(_PATIENCE):
                    raise RuntimeError(f"not all changes have come to {place}")
        return 1e3 * statistics.median([seen[revision] - moment for revision, moment in here])


class _Stamp(Listener):
    """Notes when a picture was published."""

    def __init__(self, arrivals: _Arrivals) -> None:
        super().__init__()
        self._arrivals = arrivals

    def offer(self, snapshot: Snapshot, _: tuple[Change, ...]) -> None:
        self._arrivals.note("picture", snapshot.revision)


class _Writer:
    """The other client, as a process."""

    def __init__(self, endpoint: str, recorded: Transaction, source: Keyspace, target: Keyspace) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_write, args=(theirs, endpoint, recorded, source, target))

    def __enter__(self) -> Connection:
        self._process.start()
        return self._pipe

    def __exit__(self, *_: object) -> None:
        self._pipe.close()
        self._process.join(_PATIENCE)


def _write(pipe: Connection, endpoint: str, recorded: Transaction, source: Keyspace, target: Keyspace) -> None:
    member = RawMember(endpoint)
    commands = [RawCommand(recorded, source, keyspace) for keyspace in (source, target)]
    for command in commands:
        command.begin(member)
    try:
        while count := pipe.recv():
            sent: Sent = []
            for _ in range(count):
                for command in commands:
                    request = command.prepare()
                    time.sleep(_PAUSE)
                    moment = time.perf_counter()
                    sent.append((command.send(member, request), moment, command is commands[0]))
            pipe.send(sent)
    except EOFError:  # the measuring process failed, and says why
        pass
    finally:
        member.close()
