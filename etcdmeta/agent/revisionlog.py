"""The last revisions as bytes, made once for all who are told of them.

A reader holds a place in it, a number that only grows, and takes all it lacks in one message. What is too old is
forgotten, and a reader whose place is gone is told that it lagged: memory is bounded by the log, whatever readers do.
Places of before a restore of etcd are gone with it, since revisions of another history do not compare.

Concatenated protobuf messages are one message: so a run of revisions is the concatenation of their bytes.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple

from etcdmeta.model.snapshot import Position, Snapshot
from etcdmeta.model.tables import GenerationMark
from etcdmeta.records.transaction import DELETE_EVENT, RawEvent
from etcdmeta.store.listeners import Publication
from etcdmeta.wire.pb import agent_pb2 as pb
from etcdmeta.wire.positions import encode_position

LARGEST_STEP = 3 * 2**20
"""Bytes. A longer difference is not kept: a picture anew is as good. A transaction is shorter by etcd's limits."""
_MANY_EVENTS = 20_000
_RUNS_KEPT = 8


class Step(NamedTuple):
    """One revision, or a joined step over several; ``base``: the revision of the picture before it."""

    base: int
    position: Position
    generation: int
    joined: bool
    payload: bytes
    mark: GenerationMark | None


class Tip(NamedTuple):
    """The newest picture, and the place behind all that led to it."""

    snapshot: Snapshot
    place: int


class Run(NamedTuple):
    """What a reader lacks, or as much as one message may hold; it then stands at ``place``."""

    place: int
    position: Position
    generation: int
    steps: int
    payload: bytes


class RevisionLog:
    """Thread-safe: `take` is called by who publishes, the rest by who serves. No call blocks for long."""

    def __init__(self, *, max_bytes: int, max_entries: int, run_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._max_entries = max_entries
        self._run_bytes = run_bytes
        self._mutex = threading.Lock()
        self._steps: list[Step] = []
        self._first = 0  # the place of the oldest step that is kept
        self._bytes = 0
        self._start = 0  # the revision of the picture that the oldest step leads away from
        self._start_generation = 0
        self._start_mark: GenerationMark | None = None
        self._snapshot: Snapshot | None = None
        self._runs: dict[int, Run] = {}

    def take(self, publication: Publication) -> None:
        """The next picture."""
        snapshot, _, joined, events = publication
        before = self._snapshot
        if before is None or len(events) > _MANY_EVENTS or _another_history(before, snapshot):
            self.cut(snapshot)
            return
        if not events:
            with self._mutex:
                self._snapshot = snapshot  # a new listing that found no difference
                self._runs.clear()
            return
        payload = encode_step(snapshot, joined, events)
        if len(payload) > LARGEST_STEP:
            self.cut(snapshot)
            return
        step = Step(before.revision, snapshot.position, snapshot.generation, joined, payload, snapshot.generation_mark)
        with self._mutex:
            self._steps.append(step)
            self._bytes += len(payload)
            self._snapshot = snapshot
            self._runs.clear()
            if self._bytes > self._max_bytes or len(self._steps) > self._max_entries:
                self._forget()

    def cut(self, snapshot: Snapshot) -> None:
        """Begin anew with that picture: nobody is told what led to it."""
        with self._mutex:
            # One more than there were steps: who stood at the end lacks what this cut stands for.
            self._first += len(self._steps) + 1
            self._steps.clear()
            self._runs.clear()
            self._bytes = 0
            self._snapshot = snapshot
            self._start, self._start_mark = snapshot.revision, snapshot.generation_mark
            self._start_generation = snapshot.generation

    def _forget(self) -> None:
        # A good part at once: taking the first of a list moves all the others.
        gone, size = 0, 0
        while gone < max(1, len(self._steps) // 8) or self._bytes - size > self._max_bytes:
            size += len(self._steps[gone].payload)
            gone += 1
        last = self._steps[gone - 1]
        self._start, self._start_mark, self._start_generation = last.position.revision, last.mark, last.generation
        self._bytes -= size
        self._first += gone
        del self._steps[:gone]

    @property
    def tip(self) -> Tip | None:
        """None: no picture yet."""
        with self._mutex:
            return None if self._snapshot is None else Tip(self._snapshot, self._first + len(self._steps))

    def place_after(self, revision: int) -> int | None:
        """Where a reader begins that has everything up to that revision of this history; None: it reaches too far back
        (or to where nobody knows what lies between)."""
        with self._mutex:
            if self._snapshot is None or revision < self._start:
                return None
            index = bisect_right(self._steps, revision, key=lambda step: step.position.revision)
            if index < len(self._steps) and self._steps[index].joined and revision > self._steps[index].base:
                return None
            return self._first + index

    def run_from(self, place: int) -> Run | None:
        """What a reader at ``place`` lacks (nothing: no steps); None: that is no longer known."""
        with self._mutex:
            if place < self._first:
                return None
            run = self._runs.get(place)
            if run is None:
                run = self._make_run(place)
                if len(self._runs) >= _RUNS_KEPT:
                    self._runs.clear()
                self._runs[place] = run
            return run

    def generation_before(self, place: int) -> int:
        """The generation of who stands at ``place``."""
        with self._mutex:
            index = place - self._first
            return self._steps[index - 1].generation if 0 < index <= len(self._steps) else self._start_generation

    def steps_from(self, place: int) -> list[Step] | None:
        """All that a reader at ``place`` lacks; None: that is no longer known."""
        with self._mutex:
            return None if place < self._first else self._steps[place - self._first :]

    def _make_run(self, place: int) -> Run:
        steps: list[Step] = []
        size = 0
        for step in self._steps[place - self._first :]:
            if steps and size + len(step.payload) > self._run_bytes:
                break
            steps.append(step)
            size += len(step.payload)
        if not steps:
            assert self._snapshot is not None
            return Run(place, self._snapshot.position, self._snapshot.generation, 0, b"")
        last = steps[-1]
        payload = b"".join(step.payload for step in steps)
        return Run(place + len(steps), last.position, last.generation, len(steps), payload)

    def mark_at(self, revision: int) -> tuple[bool, GenerationMark | None]:
        """Whether the generation's record at that revision is known, and what it was (None: there was none)."""
        with self._mutex:
            if self._snapshot is None or not self._start <= revision <= self._snapshot.revision:
                return False, None
            index = bisect_right(self._steps, revision, key=lambda step: step.position.revision)
            if index < len(self._steps) and self._steps[index].joined and revision > self._steps[index].base:
                return False, None
            return True, self._steps[index - 1].mark if index else self._start_mark

    @property
    def size(self) -> tuple[int, int]:
        """Steps and bytes."""
        with self._mutex:
            return len(self._steps), self._bytes


def _another_history(before: Snapshot, after: Snapshot) -> bool:
    """A restore, or its acceptance; the first commit of all brings the first epoch, which is neither."""
    if after.restores != before.restores or after.revision < before.revision:
        return True
    return before.cluster is not None and before.position.epoch != after.position.epoch


def encode_step(snapshot: Snapshot, joined: bool, events: Sequence[RawEvent]) -> bytes:
    """One revision, as a ``WatchResponse`` that holds nothing else."""
    revision = pb.Revision(
        revision=snapshot.revision,
        generation=snapshot.generation,
        position=encode_position(snapshot.position),
        joined=joined,
        events=[_event(event) for event in events],
    )
    return pb.WatchResponse(revisions=[revision]).SerializeToString()


def _event(event: RawEvent) -> pb.Event:
    kv = event.kv
    if event.type == DELETE_EVENT:
        return pb.Event(type=pb.Event.DELETE, kv=pb.Record(key=kv.key, mod_revision=kv.mod_revision))
    record = pb.Record(
        key=kv.key,
        value=kv.value,
        create_revision=kv.create_revision,
        mod_revision=kv.mod_revision,
        version=kv.version,
        lease=kv.lease,
    )
    return pb.Event(type=pb.Event.PUT, kv=record)
