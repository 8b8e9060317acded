"""Threads that wait until the published picture is far enough.

One lock a waiter, in a heap by revision: a publication wakes only those who are due (measured with 16 threads: waking
all of them through one condition costs a third of the throughput, since what each wakes to do is take the GIL).
"""

from __future__ import annotations

import heapq
import itertools
import threading
import time


class RevisionWaiters:
    """Thread-safe. `wake` is called by whoever publishes; `wait` and `release_at` by, or for, those who wait."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._heap: list[tuple[int, int, threading.Lock]] = []
        self._forgotten: list[threading.Lock] = []
        self._order = itertools.count()
        self._published = -1
        self._closed = False

    @property
    def published(self) -> int:
        return self._published

    def wait(self, revision: int, deadline: float) -> bool:
        """Blocks until that revision is published. False: the deadline (monotonic seconds) or the end came first."""
        if self._published >= revision:
            return True
        due = threading.Lock()
        due.acquire()
        self.release_at(revision, due)
        due.acquire(timeout=seconds_until(deadline))
        # One that gave up stays in the heap until its revision comes, and is then woken for nothing, once.
        return self._published >= revision

    def release_at(self, revision: int, due: threading.Lock) -> None:
        """Release the lock when that revision is published, or at the end."""
        with self._mutex:
            if self._published < revision and not self._closed:
                heapq.heappush(self._heap, (revision, next(self._order), due))
                return
        due.release()

    def wake(self, revision: int) -> None:
        """That revision is published."""
        with self._mutex:
            self._published = revision
            while self._heap and self._heap[0][0] <= revision:
                heapq.heappop(self._heap)[2].release()
            self._release_forgotten()

    def forget(self) -> None:
        """A new epoch begins, where the revisions published so far do not compare: to be called before anybody sees its
        picture. Who waits already is woken with it, to look again."""
        with self._mutex:
            self._published = -1
            self._forgotten += [due for _, _, due in self._heap]
            self._heap.clear()

    def close(self) -> None:
        """Wakes everybody, for good."""
        with self._mutex:
            self._closed = True
            for _, _, due in self._heap:
                due.release()
            self._heap.clear()
            self._release_forgotten()

    def _release_forgotten(self) -> None:
        for due in self._forgotten:
            due.release()
        self._forgotten.clear()


def seconds_until(deadline: float) -> float:
    """What ``acquire`` and ``wait`` take as a timeout: never negative, never more than they can."""
    return max(0.0, min(deadline - time.monotonic(), threading.TIMEOUT_MAX))
