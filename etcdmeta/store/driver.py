"""Runs the follower on a strategy: its threads, and the picture that it publishes.

The follower is sans-IO and belongs to one thread at a time, so every input goes through one lock, and the thread that
brings an input carries out the actions. The thread that reads the watch therefore applies and publishes by itself:
no hop lies between an event and the readers. Threads: one that reads the watch, one that keeps the time, and two for
lists and reads, since a list may hang on a member while the probe has to find that out.
"""

from __future__ import annotations

import logging
import os
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from etcdmeta.consensus.protocol import Compacted, FutureRevision, Strategy, WatchStream
from etcdmeta.errors import (
    ClusterDestroyed,
    ClusterProblem,
    ClusterRestored,
    Defect,
    EtcdMetaError,
    ForkedProcess,
    PrefixNotEmpty,
    RecordUnreadable,
    SchemaTooNew,
    StoreClosed,
    Unavailable,
    WaitTimedOut,
)
from etcdmeta.model.snapshot import Snapshot
from etcdmeta.records import keys
from etcdmeta.records.keys import Keyspace
from etcdmeta.replica import actions, inputs
from etcdmeta.replica.config import FollowerConfig
from etcdmeta.replica.follower import Follower
from etcdmeta.replica.states import FollowerState
from etcdmeta.store.cachefile import load, save
from etcdmeta.store.listeners import Listeners
from etcdmeta.store.reports import Reports
from etcdmeta.store.waiters import RevisionWaiters, seconds_until

log = logging.getLogger("etcdmeta.follower")

_FORBIDS_WRITING = (ClusterDestroyed, ClusterRestored, PrefixNotEmpty, SchemaTooNew, RecordUnreadable)
SAVE_EVERY = 60.0
"""Seconds between two writings of the cache file, where something changed."""
_JOIN = 5.0


@dataclass(frozen=True, slots=True)
class Freshness:
    """How far the picture can be trusted. ``age``: seconds since it was last proven current, infinite where it
    never was. ``endpoint``: the member it is followed at, None between two."""

    state: FollowerState
    age: float
    generation: int
    revision: int
    endpoint: str | None
    cluster_id: int | None
    problem: EtcdMetaError | None


class Driver:
    """Thread-safe. `start` begins, `close` leaves no thread. After a fork every call raises `ForkedProcess`."""

    def __init__(
        self,
        strategy: Strategy,
        keyspace: Keyspace,
        config: FollowerConfig | None = None,
        cache_file: Path | None = None,
    ) -> None:
        """``cache_file``: read at the start, written every minute and at the end. Raises `ConfigurationInvalid`."""
        cached = None if cache_file is None else load(cache_file, keyspace.cluster)
        self._strategy = strategy
        self._keyspace = keyspace
        self._cache_file = cache_file
        self._save_at = time.monotonic() + SAVE_EVERY
        self._saved: Snapshot | None = None
        self._follower = Follower(
            strategy.endpoints,
            keyspace.prefix,
            random=random.random,
            config=config,
            snapshot=cached.snapshot if cached else None,
            snapshot_age=cached.age if cached else None,
        )
        self._mutex = threading.RLock()
        self._pid = os.getpid()
        self._snapshot = self._follower.snapshot
        self._closed = False
        self._reports = Reports()
        self._state_changed = threading.Condition()
        self._streams: dict[int, WatchStream | None] = {}
        self._readers: set[threading.Thread] = set()
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="etcdmeta-read")
        self._alarm = threading.Condition()
        self._wake_at = float("inf")
        self._clock = threading.Thread(target=self._keep_time, name="etcdmeta-clock", daemon=True)
        self.waiters = RevisionWaiters()
        self.listeners = Listeners(keyspace.prefix)
        if self._snapshot is not None:
            self.waiters.wake(self._snapshot.revision)
            self.listeners.publish(self._snapshot, ())

    def start(self) -> None:
        self._clock.start()
        self._feed(inputs.Started())

    def close(self) -> None:
        """Ends the follower and its threads. The strategy is the caller's to close, before this is."""
        self._feed(inputs.Closed())
        with self._mutex:
            if self._closed:
                return
            self._closed = True
            streams = [stream for stream in self._streams.values() if stream is not None]
            readers = list(self._readers)
        for stream in streams:
            stream.cancel()
        with self._alarm:
            self._alarm.notify()
        with self._state_changed:
            self._state_changed.notify_all()
        self.waiters.close()
        self.listeners.close()
        self._strategy.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        for thread in (self._clock, *readers):
            if thread is not threading.current_thread():
                thread.join(_JOIN)
        self._save()

    # --- the picture

    def snapshot(self) -> Snapshot:
        """The published picture: no lock, no I/O."""
        self.check_open()
        snapshot = self._snapshot
        if snapshot is None:
            raise self._follower.problem or Unavailable("there is no picture yet: etcd was not reached")
        return snapshot

    @property
    def has_picture(self) -> bool:
        return self._snapshot is not None

    def check_open(self) -> None:
        """Raises `ForkedProcess`, `StoreClosed`."""
        if os.getpid() != self._pid:
            raise ForkedProcess(
                "this store was opened before the process forked",
                rule="gRPC's channels and threads do not survive a fork",
                remedy="open a store in the child",
            )
        if self._closed:
            raise StoreClosed("the store was closed", remedy="open another")

    def freshness(self) -> Freshness:
        """Without the lock, which a list of many records holds for long: an agent's loop asks for every message. So it
        may be of two neighbouring moments."""
        self.check_open()
        follower, snapshot = self._follower, self._snapshot
        cluster = snapshot.cluster if snapshot else None
        return Freshness(
            state=follower.state,
            age=follower.age(time.monotonic()),
            generation=snapshot.generation if snapshot else 0,
            revision=snapshot.revision if snapshot else 0,
            endpoint=follower.endpoint,
            cluster_id=cluster.cluster_id if cluster else None,
            problem=follower.problem,
        )

    def counters(self) -> dict[str, int]:
        """What the follower met, by name, since the start."""
        counters = self._follower.counters
        return {name: getattr(counters, name) for name in counters.__slots__}

    def abandoned(self) -> Snapshot | None:
        """The last picture before a restore that nobody accepted yet."""
        return self._follower.abandoned

    def writable(self) -> None:
        problem = self._follower.problem
        if isinstance(problem, _FORBIDS_WRITING):
            raise problem

    def distrust(self, reason: str) -> None:
        self._feed(inputs.Distrusted(reason))

    # --- waiting

    def prove(self, deadline: float) -> Snapshot:
        """One linearizable get of the generation, then the picture that has it, in this epoch.

        Raises `WaitTimedOut`, `Unavailable`, `ClusterDestroyed`, and what the strategy raises.
        """
        before = self.snapshot()
        key = self._keyspace.absolute(keys.GENERATION)
        result = self._strategy.read(key, deadline=deadline)
        if not result.kvs:
            return self.snapshot()  # before the first commit, or destroyed, which the follower tells
        if not self.waiters.wait(result.kvs[0].mod_revision, deadline):
            self.check_open()
            raise WaitTimedOut(
                f"the picture did not reach revision {result.kvs[0].mod_revision} in time",
                value=result.kvs[0].mod_revision,
                rule="a consistent read waits until the own cache has the newest generation",
                remedy="try again, or look at `etcdmeta health`",
            )
        snapshot = self.snapshot()
        # The first commit brings the first epoch, which is no restore.
        if before.cluster is not None and snapshot.position.epoch != before.position.epoch:
            raise self._follower.problem or ClusterRestored("etcd was restored while reading", remedy="read again")
        return snapshot

    def wait_beyond(self, snapshot: Snapshot, deadline: float) -> bool:
        """Until another picture than that one is published."""
        return self.wait_until(lambda: self._snapshot is not snapshot, deadline)

    def wait_until(self, done: Callable[[], bool], deadline: float) -> bool:
        """Until ``done()``, asked again at every publication and change of state. False: too late, or closed."""
        with self._state_changed:
            while not done():
                if self._closed or time.monotonic() >= deadline:
                    return False
                self._state_changed.wait(seconds_until(deadline))
        return True

    # --- inputs and actions

    def _feed(self, item: inputs.Input) -> None:
        with self._mutex:
            if self._closed:
                return
            moved = False
            for action in self._follower.receive(item, time.monotonic()):
                moved |= isinstance(action, actions.Publish | actions.Report)
                self._perform(action)
        if moved:
            with self._state_changed:
                self._state_changed.notify_all()

    def _perform(self, action: actions.Action) -> None:
        match action:
            case actions.Publish(snapshot, changes, joined, events):
                before = self._snapshot
                if before is not None and _another_epoch(before, snapshot):
                    self.waiters.forget()
                self._snapshot = snapshot
                self.listeners.publish(snapshot, changes, joined, events)
                # Last: who is woken waits for the GIL as long as this thread has anything left to do.
                self.waiters.wake(snapshot.revision)
            case actions.WakeAt(moment):
                earlier = moment < self._wake_at
                self._wake_at = moment
                if earlier:
                    with self._alarm:
                        self._alarm.notify()
            case actions.List():
                self._pool.submit(self._list, action)
            case actions.Read():
                self._pool.submit(self._read, action)
            case actions.OpenWatch():
                self._streams[action.stream_id] = None
                reader = threading.Thread(target=self._watch, args=(action,), name="etcdmeta-watch", daemon=True)
                self._readers.add(reader)
                reader.start()
            case actions.CancelWatch(stream_id):
                stream = self._streams.pop(stream_id, None)
                if stream is not None:
                    stream.cancel()
            case actions.Report(state, problem, endpoint):
                where, why = f" at {endpoint}" if endpoint else "", f": {problem}" if problem else ""
                log.log(self._reports.level(state, problem), "the picture is %s%s%s", state, where, why)
            case actions.Warn(text, counter, total):
                log.warning("%s (%s: %d)", text, counter, total)

    # --- the threads

    def _keep_time(self) -> None:
        while True:
            with self._alarm:
                while not self._closed and time.monotonic() < self._wake_at:
                    self._alarm.wait(seconds_until(self._wake_at))
                if self._closed:
                    return
                self._wake_at = float("inf")
            self._feed(inputs.Tick())
            if self._cache_file is not None and time.monotonic() >= self._save_at:
                self._save_at = time.monotonic() + SAVE_EVERY
                self._pool.submit(self._save)

    def _save(self) -> None:
        """The cache file, where there is something new to keep. A world that is in doubt is not kept: the file is to
        show the next start that it is another one."""
        snapshot, problem = self._snapshot, self._follower.problem
        if self._cache_file is None or snapshot is None or snapshot is self._saved or snapshot.cluster is None:
            return
        if snapshot.restores or isinstance(problem, ClusterProblem):
            return
        try:
            save(self._cache_file, self._keyspace.cluster, snapshot, age=self._follower.age(time.monotonic()))
            self._saved = snapshot
        except OSError as error:
            log.warning("the cache file cannot be written: %s", error)

    def _watch(self, action: actions.OpenWatch) -> None:
        error: EtcdMetaError | None = None
        try:
            stream = self._strategy.watch(
                action.start, action.end, from_revision=action.from_revision, endpoint=action.endpoint
            )
            with self._mutex:
                wanted = not self._closed and action.stream_id in self._streams
                if wanted:
                    self._streams[action.stream_id] = stream
            if not wanted:
                stream.cancel()
                return
            for response in stream:
                self._feed(inputs.WatchAnswer(action.stream_id, response))
        except EtcdMetaError as problem:
            error = problem
        except Exception as problem:
            log.exception("the watch failed in an unforeseen way")
            error = Defect(f"the watch failed: {problem}")
        finally:
            with self._mutex:
                self._streams.pop(action.stream_id, None)
                self._readers.discard(threading.current_thread())
        self._feed(inputs.WatchBroke(action.stream_id, error))

    def _list(self, action: actions.List) -> None:
        number = action.request_id
        try:
            for page in self._strategy.list(
                action.start, action.end, deadline=action.deadline, endpoint=action.endpoint
            ):
                self._feed(inputs.ListPage(number, page))
        except Compacted:
            self._feed(inputs.ListCompacted(number))
        except Exception as problem:  # noqa: BLE001 - told to the follower, and logged where it is a defect
            self._feed(inputs.ListFailed(number, _typed(problem)))
        else:
            self._feed(inputs.ListEnded(number))

    def _read(self, action: actions.Read) -> None:
        number = action.request_id
        try:
            result = self._strategy.read(
                action.key,
                deadline=action.deadline,
                range_end=action.range_end,
                revision=action.revision,
                endpoint=action.endpoint,
            )
        except Compacted:
            self._feed(inputs.ReadCompacted(number))
        except FutureRevision:
            self._feed(inputs.ReadAhead(number))
        except Exception as problem:  # noqa: BLE001 - as above
            self._feed(inputs.ReadFailed(number, _typed(problem)))
        else:
            self._feed(inputs.ReadAnswered(number, result))


def _another_epoch(before: Snapshot, after: Snapshot) -> bool:
    """Whether revisions do not compare any more. The first commit of all brings the first epoch, and ends none."""
    first = before.cluster is None and after.restores == before.restores
    return not first and before.position.epoch != after.position.epoch


def _typed(problem: Exception) -> EtcdMetaError:
    """The follower knows typed errors only; what is none of them is a defect, and is logged as one."""
    if isinstance(problem, EtcdMetaError):
        return problem
    log.exception("a read for the picture failed in an unforeseen way")
    return Defect(f"a read failed: {problem}")
